"""The likelihood ratio (Ren et al., 2019), its background chosen on a third data set, never on the test pair."""

from functools import partial

from dgm_tfp import ood
from dgm_tfp.study import rows
from dgm_tfp.study.detection import compared
from dgm_tfp.study.experiment import Outcome
from dgm_tfp.study.lab import Lab
from dgm_tfp.study.paradox import summary
from dgm_tfp.study.plan import PARADOX

MODEL, SCORE, THIRD = "pixelcnn", "likelihood_ratio", "letters"


def run(lab: Lab, name: str) -> Outcome:
    """The ratio of PixelCNNs on both pairs.

    The rate of mutation is the one of the plan whose ratio tells the letters best from the grey set; on colour images
    it is taken as it is. Of the other rates there are rows as well, named by their rate.
    """
    (grey, digits), colour = PARADOX
    table: list[rows.Row] = []
    chosen = lab.plan.rates[0]
    if absent := lab.shelf.missing(grey, digits, THIRD):
        table.append(rows.missing(name, (MODEL, grey, digits), SCORE, absent))
    else:
        found = {rate: _of(lab, name, grey, (digits, THIRD), rate) for rate in lab.plan.rates}
        by_rate = {rate: next(row["auroc"] for row in each if row["test"] == THIRD) for rate, each in found.items()}
        chosen = max(by_rate, key=by_rate.__getitem__)
        note = f"rate {chosen:g}, of {', '.join(map('{:g}'.format, by_rate))} the best on {THIRD}"
        best = next(row for row in found[chosen] if row["test"] == digits)
        table.append(rows.row(name, MODEL, grey, digits, SCORE) | _numbers(best) | {"note": note})
        table += [row for each in found.values() for row in each]
    if absent := lab.shelf.missing(*colour):
        return Outcome([*table, rows.missing(name, (MODEL, *colour), SCORE, absent)], {}, {"rate": chosen})
    (row,) = _of(lab, name, colour[0], colour[1:], chosen)
    note = f"rate {chosen:g}, as chosen on the grey sets"
    table.append(rows.row(name, MODEL, *colour, SCORE) | _numbers(row) | {"note": note})
    return Outcome(table, {}, {"rate": chosen})


def _of(lab: Lab, name: str, train: str, others: tuple[str, ...], rate: float) -> list[rows.Row]:
    """Rows of the ratio with the background of one rate: `others` told from `train`."""
    job, behind = lab.job(MODEL, train), lab.job("background", train, rate=rate)
    sets = {data: lab.measured(data) for data in (train, *others)}
    scores = {f"{SCORE} rate={rate:g}": partial(ood.likelihood_ratio, background=lab.model(behind))}
    return compared(lab, name, MODEL, lab.model(job), sets, scores, training=summary(lab, behind))


def _numbers(row: rows.Row) -> dict:
    return {key: row[key] for key in ("auroc", "low", "high", "prefers", "training", "auprc", "fpr95")}
