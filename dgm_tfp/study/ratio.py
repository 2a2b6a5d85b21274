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

    The background is the one of the plan whose ratio tells the letters best from the grey set; on colour images its
    size and its rate of mutation are taken as they are. Of the others there are rows as well, named by what they are.
    """
    (grey, digits), colour = PARADOX
    table: list[rows.Row] = []
    chosen = lab.plan.backgrounds[0]
    if absent := lab.shelf.missing(grey, digits, THIRD):
        table.append(rows.missing(name, (MODEL, grey, digits), SCORE, absent))
    else:
        found = {each: _of(lab, name, grey, (digits, THIRD), each) for each in lab.plan.backgrounds}
        by_letters = {
            each: next(row["auroc"] for row in of_it if row["test"] == THIRD) for each, of_it in found.items()
        }
        chosen = max(by_letters, key=by_letters.__getitem__)
        note = f"{_words(chosen)}, of {len(by_letters)} backgrounds the best on {THIRD}"
        best = next(row for row in found[chosen] if row["test"] == digits)
        table.append(rows.row(name, MODEL, grey, digits, SCORE) | _numbers(best) | {"note": note})
        table += [row for each in found.values() for row in each]
    facts = {"chosen": _words(chosen)}
    if absent := lab.shelf.missing(*colour):
        return Outcome([*table, rows.missing(name, (MODEL, *colour), SCORE, absent)], {}, facts)
    (row,) = _of(lab, name, colour[0], colour[1:], chosen)
    note = f"{_words(chosen)}, as chosen on the grey sets"
    table.append(rows.row(name, MODEL, *colour, SCORE) | _numbers(row) | {"note": note})
    return Outcome(table, {}, facts)


def _of(lab: Lab, name: str, train: str, others: tuple[str, ...], background: tuple[str, float]) -> list[rows.Row]:
    """Rows of the ratio with one background, a recipe and a rate: `others` told from `train`."""
    recipe, rate = background
    job, behind = lab.job(MODEL, train), lab.job(recipe, train, rate=rate)
    sets = {data: lab.measured(data) for data in (train, *others)}
    scores = {f"{SCORE}, {_words(background)}": partial(ood.likelihood_ratio, background=lab.model(behind))}
    return compared(lab, name, MODEL, lab.model(job), sets, scores, training=summary(lab, behind))


def _words(background: tuple[str, float]) -> str:
    recipe, rate = background
    return f"{recipe.replace('_', ' ')} of mutation {rate:g}"


def _numbers(row: rows.Row) -> dict:
    return {key: row[key] for key in ("auroc", "low", "high", "prefers", "training", "auprc", "fpr95")}
