"""The likelihoods of two sets under models of one of them: figures 1, 2, 3 and 5 of Nalisnick et al. (2019)."""

from collections.abc import Sequence

import numpy as np

from dgm_tfp import ood, plots
from dgm_tfp.models import Decomposition
from dgm_tfp.study import rows
from dgm_tfp.study.experiment import Drawing, Outcome
from dgm_tfp.study.jobs import Job
from dgm_tfp.study.lab import Lab

Pairs = Sequence[tuple[str, str]]


def likelihoods(lab: Lab, name: str, model: str, pairs: Pairs) -> Outcome:
    """How well the likelihood of one kind of model tells the other set of each pair.

    Args:
      lab: where the models are.
      name: of the experiment.
      model: a recipe.
      pairs: of the set to train on and the other one.
    """
    table: list[rows.Row] = []
    arrays: dict[str, np.ndarray] = {}
    for train, test in pairs:
        names = (model, train, test)
        if absent := lab.shelf.missing(train, test):
            table.append(rows.missing(name, names, "likelihood", absent))
            continue
        found, more = of_pair(lab, lab.job(model, train), test)
        arrays |= {f"{model}|{train}|{test}|{role}": values for role, values in found.items()}
        table.append(rows.measured(name, names, "likelihood", found["own"], found["other"], **more))
    return Outcome(table, arrays, {})


def of_pair(lab: Lab, job: Job, test: str) -> tuple[dict[str, np.ndarray], dict]:
    """log p of test images of a model's own data and of another set, and what a row says besides."""
    found = {"own": lab.log_prob(job, job.data), "other": lab.log_prob(job, test)}
    size = int(np.prod(lab.measured(test).shape[1:]))
    more = {"bits_per_dim": rows.bits_per_dim(found, size), "training": summary(lab, job)}
    return found, more | {"resamples": lab.plan.resamples}


def summary(lab: Lab, job: Job) -> dict:
    """What the training of a job was, in a few numbers."""
    record = lab.record(job)
    return {key: record[key] for key in ("seconds", "steps", "images", "weights")}


def histograms(outcome: Outcome) -> dict[str, Drawing]:
    """A histogram of log-likelihoods for each row that was measured."""
    drawings = {}
    for row in outcome.rows:
        if row["auroc"] is None or row["score"] != "likelihood":
            continue
        model, train, test = row["model"], row["train"], row["test"]
        own, other = (outcome.arrays[f"{model}|{train}|{test}|{role}"] for role in ("own", "other"))
        title = f"{model} trained on {train}: AUROC {row['auroc']:.2f}"
        side = {"other": "to the right of", "own": "to the left of", "undecided": "upon"}[row["prefers"]]
        drawings[f"{model}-{train}-{test}"] = Drawing(
            plots.histogram({f"{train} (test)": own, f"{test} (other)": other}, title=title),
            f"Two histograms of log p(x) in nats: {test}, mean {other.mean():.0f}, lies mostly {side} {train}, mean "
            f"{own.mean():.0f}.",
            f"How likely a {model} trained on {train} finds test images of {train} and of {test}.",
        )
    return drawings


def terms(lab: Lab, name: str, pairs: Pairs) -> Outcome:
    """log p(z) and the log-volume of the Glow, each as a score of its own."""
    table: list[rows.Row] = []
    arrays: dict[str, np.ndarray] = {}
    for train, test in pairs:
        names = ("glow", train, test)
        if absent := lab.shelf.missing(train, test):
            table += [rows.missing(name, names, score, absent) for score in ("log_p_z", "log_volume")]
            continue
        job = lab.job("glow", train)
        model = lab.model(job)
        lab.say(f"{job.key}: log p(z) and log-volume")
        for score in (ood.log_p_z, ood.log_volume):
            own, other = (score(model, lab.measured(data)) for data in (train, test))
            arrays |= {f"{train}|{test}|{score.__name__}|own": own, f"{train}|{test}|{score.__name__}|other": other}
            more = {"training": summary(lab, job), "resamples": lab.plan.resamples}
            table.append(rows.measured(name, names, score.__name__, own, other, **more))
    return Outcome(table, arrays, {})


def draw_terms(outcome: Outcome) -> dict[str, Drawing]:
    """log p(z) against log-volume of each pair."""
    drawings = {}
    for train, test in dict.fromkeys((row["train"], row["test"]) for row in outcome.rows if row["auroc"] is not None):
        parts = {
            label: Decomposition(
                outcome.arrays[f"{train}|{test}|log_p_z|{role}"], outcome.arrays[f"{train}|{test}|log_volume|{role}"]
            )
            for role, label in (("own", f"{train} (test)"), ("other", f"{test} (other)"))
        }
        (own_z, own_volume), (other_z, other_volume) = parts.values()
        drawings[f"terms-{train}-{test}"] = Drawing(
            plots.volume_scatter(parts, title=f"glow trained on {train}"),
            f"Two clouds of points. Mean log p(z) is {own_z.mean():.0f} nats for {train} and {other_z.mean():.0f} for "
            f"{test}; the mean log-volume is {own_volume.mean():.0f} and {other_volume.mean():.0f}.",
            "The two terms of log p(x). On a grey line their sum is constant.",
        )
    return drawings
