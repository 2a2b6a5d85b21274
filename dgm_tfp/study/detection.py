"""The scores that came after the paper, side by side on the same models. What does not work stays in the table."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from dgm_tfp import ood
from dgm_tfp.study import auxiliary, rows
from dgm_tfp.study.experiment import Drawing, Outcome
from dgm_tfp.study.lab import Lab
from dgm_tfp.study.paradox import Pairs, summary

GROUP = 10  # images that batch typicality judges together
ENSEMBLE = "glow ensemble"

#: The scores that need nothing but the images, by the name of the model in the table.
CODECS = ("png", "webp")
COMPRESSED = {
    f"{score.__name__} {codec}": partial(score, codec=codec)
    for score in (ood.input_complexity, ood.simplicity)
    for codec in CODECS
}


def run(lab: Lab, name: str, pairs: Pairs) -> Outcome:
    """A row for each score on each pair; the likelihood ratio has an experiment of its own, `ratio`."""
    table: list[rows.Row] = []
    for train, test in pairs:
        if absent := lab.shelf.missing(train, test):
            table += [rows.missing(name, (model, train, test), score, absent) for model, score in SCORES]
            continue
        sets, fit_set = {data: lab.measured(data) for data in (train, test)}, lab.measured(train, "train")
        for model in ("glow", "pixelcnn"):
            scores: dict[str, ood.Score] = {
                "likelihood": ood.likelihood,
                "typicality": partial(ood.typicality, train=fit_set),
                f"typicality of {GROUP}": partial(ood.batch_typicality, train=fit_set, size=GROUP),
                **COMPRESSED,
            }
            if model == "pixelcnn":
                scores = {score: function for score, function in scores.items() if not score.startswith("simplicity")}
            job = lab.job(model, train)
            table += compared(lab, name, model, lab.model(job), sets, scores, training=summary(lab, job))
        members = [lab.job("glow", train, member) for member in range(lab.plan.members)]
        models = [lab.model(job) for job in members]
        table += compared(lab, name, ENSEMBLE, models, sets, {"waic": ood.waic})
        job = lab.job("exposed", train)
        note = f"taught with {auxiliary.name(lab, train)}"
        exposed = {"likelihood": ood.likelihood}
        table += compared(lab, name, "glow exposed", lab.model(job), sets, exposed, note=note)
    return Outcome(table, {}, {})


SCORES = (
    *(("glow", score) for score in ("likelihood", "typicality", f"typicality of {GROUP}", *COMPRESSED)),
    *(("pixelcnn", score) for score in ("likelihood", "typicality", f"typicality of {GROUP}")),
    *(("pixelcnn", f"input_complexity {codec}") for codec in CODECS),
    (ENSEMBLE, "waic"),
    ("glow exposed", "likelihood"),
)


def compared(
    lab: Lab,
    name: str,
    model_name: str,
    model: Any,
    sets: Mapping[str, np.ndarray],
    scores: Mapping[str, ood.Score],
    **more: Any,
) -> list[rows.Row]:
    """The rows of `ood.compare` of one model, the first of the sets being its own."""
    lab.check()
    lab.say(f"{name}: {model_name}, {', '.join(scores)}")
    found = ood.compare({model_name: model}, sets, scores, resamples=lab.plan.resamples)
    return [_row(name, row, more) for row in found.rows]


def _row(name: str, row: ood.Row, more: dict[str, Any]) -> rows.Row:
    note = row.reason or more.get("note")
    if row.score.startswith("simplicity"):
        more, note = {}, note or "the codec alone: nothing was trained for it"
    result = rows.row(name, row.model, row.inside, row.outside, row.score, **more | {"note": note})
    for metric in ("auprc", "fpr95"):
        value = getattr(row, metric)
        result[metric] = value._asdict() if value else None
    if row.auroc:
        result |= rows.estimate(row.auroc)
    return result


def ensemble(lab: Lab, name: str, pairs: Pairs) -> Outcome:
    """The paradox for each member of an ensemble: by how much does the chance of the training move the AUROC?"""
    table: list[rows.Row] = []
    facts = {}
    for train, test in pairs:
        if absent := lab.shelf.missing(train, test):
            table.append(rows.missing(name, (ENSEMBLE, train, test), "likelihood", absent))
            continue
        found = []
        for member in range(lab.plan.members):
            job = lab.job("glow", train, member)
            own, other = lab.log_prob(job, train), lab.log_prob(job, test)
            more = {"training": summary(lab, job), "resamples": lab.plan.resamples, "note": f"seed {job.seed}"}
            row = rows.measured(name, ("glow", train, test), "likelihood", own, other, **more)
            table.append(row | rows.UNPUBLISHED)  # said of the first
            found.append(row["auroc"])
        facts[f"{train}, {test}"] = {"mean": float(np.mean(found)), "std": float(np.std(found, ddof=1)), "auroc": found}
    return Outcome(table, {}, facts)


def nothing(outcome: Outcome) -> dict[str, Drawing]:
    """No figure."""
    return {}


def draw(outcome: Outcome) -> dict[str, Drawing]:
    """A forest plot of all scores on each pair."""
    panels: dict[str, dict[str, ood.Interval | None]] = {}
    for row in outcome.rows:
        if row["auroc"] is not None:
            estimate = ood.Interval(row["auroc"], row["low"], row["high"])
            panels.setdefault(f"{row['train']} → {row['test']}", {})[f"{row['score']}, {row['model']}"] = estimate
    if not panels:
        return {}
    return {
        outcome.rows[0]["experiment"]: Drawing(
            ood.forest(panels, chance=0.5),
            f"For each pair the AUROC of each score with its interval. {' '.join(map(_best, panels, panels.values()))}",
            "All scores on the same models and images. Left of the line a score prefers the other set.",
        )
    }


def _best(title: str, panel: Mapping[str, ood.Interval | None]) -> str:
    known = {label: estimate.value for label, estimate in panel.items() if estimate}
    best, worst = max(known, key=known.__getitem__), min(known, key=known.__getitem__)
    return f"On {title} the highest is {best} with {known[best]:.2f}, the lowest {worst} with {known[worst]:.2f}."
