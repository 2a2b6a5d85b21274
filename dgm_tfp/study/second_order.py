"""The second-order analysis: does the difference in variances predict the difference in likelihood?

Nalisnick et al. (2019, section 5), on constant-volume Glows; see `dgm_tfp.ood.second_order`.
"""

from typing import Any

import numpy as np
import scipy.stats

from dgm_tfp import ood, plots
from dgm_tfp.study import rows
from dgm_tfp.study.experiment import Drawing, Outcome
from dgm_tfp.study.lab import Lab
from dgm_tfp.study.plan import OTHER

MODEL = "cv_glow"
#: What predicts: the paper's formula, and the whole expansion with the model's own Hessian.
PREDICTIONS = {"formula": "the paper's formula", "total": "the whole expansion"}


def run(lab: Lab, name: str) -> Outcome:
    """A row for each set that a constant-volume Glow is asked about: predicted beside measured differences in nats."""
    table: list[rows.Row] = []
    pairs: list[dict[str, Any]] = []
    for train, test in OTHER.items():
        if absent := lab.shelf.missing(train, test):
            table.append(rows.missing(name, (MODEL, train, test), "likelihood", absent))
            continue
        job, x = lab.job(MODEL, train), lab.measured(train)
        others = _sets(lab, x, train, test)
        model = lab.model(job)
        lab.say(f"{job.key}: second order")
        found = ood.second_order_table(model, x, others, examples=lab.plan.directions, probes=lab.plan.directions)
        for row in found.rows:
            lab.check()
            own, other = lab.log_prob(job, train), lab.log_prob(job, row.name, others[row.name])
            predicted = {"formula": row.formula, "total": row.total, "covariance": row.covariance}
            predicted |= {"first_order": row.first_order, "mean_shift": row.mean_shift, "diagonal": row.diagonal}
            more = {"predicted": predicted, "measured": row.measured._asdict(), "resamples": lab.plan.resamples}
            more["note"] = (
                f"measured {row.measured.mean:+.0f} nats; formula {row.formula:+.0f}, whole expansion {row.total:+.0f}"
            )
            table.append(rows.measured(name, (MODEL, train, row.name), "likelihood", own, other, **more))
            pairs.append({"train": train, "test": row.name, "measured": row.measured.mean} | predicted)
    return Outcome(table, {}, {"pairs": pairs, "predictions": judged(pairs)} if pairs else {})


def judged(pairs: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """For each prediction the share of signs it gets right, and Spearman's rank correlation over all pairs."""
    measured = np.array([pair["measured"] for pair in pairs])
    result = {}
    for prediction in (*PREDICTIONS, "covariance", "diagonal"):
        predicted = np.array([pair[prediction] for pair in pairs])
        result[prediction] = {
            "signs": float(np.mean(np.sign(predicted) == np.sign(measured))),
            "rank_correlation": float(scipy.stats.spearmanr(predicted, measured).statistic),
        }
    return result


def _sets(lab: Lab, x: np.ndarray, train: str, test: str) -> dict[str, np.ndarray]:
    """The other set, and changed images of both signs: less variance and more."""
    some = lab.sample(train)
    sets = {test: lab.measured(test)}
    if lab.like_letters(train):
        sets["letters"] = lab.measured("letters")
    sets |= {f"{train}, contrast {factor:g}": ood.contrast(some, factor) for factor in (0.5, 1.5)}
    return sets | ({f"{train}, grey": ood.grey(some)} if x.shape[-1] > 1 else {})


def draw(outcome: Outcome) -> dict[str, Drawing]:
    """Predicted against measured, a point for each pair."""
    if not outcome.facts:
        return {}
    pairs, quality = outcome.facts["pairs"], outcome.facts["predictions"]
    measured = np.array([pair["measured"] for pair in pairs])
    figure = plots.Picture(figsize=(9.0, 4.2), layout="constrained")
    words = []
    for axes, (prediction, title) in zip(figure.subplots(1, 2), PREDICTIONS.items(), strict=True):
        predicted = np.array([pair[prediction] for pair in pairs])
        right = np.sign(predicted) == np.sign(measured)
        axes.axhline(0, color="0.7", linewidth=0.8)
        axes.axvline(0, color="0.7", linewidth=0.8)
        axes.scatter(predicted[right], measured[right], color=plots.COLORS[0], label="sign right")
        axes.scatter(predicted[~right], measured[~right], color=plots.COLORS[2], marker="x", label="sign wrong")
        axes.set_xscale("symlog", linthresh=10)
        axes.set_yscale("symlog", linthresh=10)
        axes.set(xlabel="predicted, nats", ylabel="measured, nats", title=title)
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        words.append(
            f"{title}: {right.sum()} of {len(pairs)} signs right, rank correlation "
            f"{quality[prediction]['rank_correlation']:.2f}"
        )
    return {
        "second_order": Drawing(
            figure,
            f"Two scatters of measured against predicted differences in mean log p. {'; '.join(words)}.",
            "Constant-volume Glows: mean log p of another set less that of the own test set, predicted and measured.",
        )
    }
