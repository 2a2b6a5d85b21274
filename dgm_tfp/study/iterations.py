"""Likelihood against training: figure 9 of Nalisnick et al. (2019), does early stopping help?"""

import numpy as np

from dgm_tfp import ood, plots
from dgm_tfp.study import rows
from dgm_tfp.study.experiment import Drawing, Outcome
from dgm_tfp.study.lab import Lab
from dgm_tfp.study.paradox import Pairs


def run(lab: Lab, name: str, pairs: Pairs) -> Outcome:
    """A row for each moment at which the Glow of a pair was looked at while it learned."""
    table = []
    for train, test in pairs:
        if absent := lab.shelf.missing(train, test):
            table.append(rows.missing(name, ("glow", train, test), "likelihood", absent))
            continue
        curve = lab.record(lab.job("glow", train))["curve"]
        if "auroc" not in curve[0]:
            note = f"not run here: the model was trained before {test} was on this machine"
            table.append(rows.row(name, "glow", train, test, "likelihood", note=note))
            continue
        for point in curve:
            row = rows.row(name, "glow", train, test, "likelihood", note=f"after {point['step']} steps")
            row |= rows.estimate(ood.Interval(**point["auroc"]))
            row |= rows.UNPUBLISHED  # said of a model at the end of its training
            table.append(row | {"steps": point["step"], "seconds": point["seconds"], "log_prob": point["log_prob"]})
    return Outcome(table, {}, {})


def draw(outcome: Outcome) -> dict[str, Drawing]:
    """Mean log p of both sets, and the AUROC, against the step."""
    drawings = {}
    for train, test in dict.fromkeys((row["train"], row["test"]) for row in outcome.rows if row["auroc"] is not None):
        points = [row for row in outcome.rows if (row["train"], row["test"]) == (train, test)]
        steps = np.array([point["steps"] for point in points])
        figure = plots.Picture(figsize=(8.4, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        for data, color in ((train, plots.COLORS[0]), (test, plots.COLORS[2])):
            left.plot(steps, [point["log_prob"][data]["mean"] for point in points], "o-", color=color, label=data)
        left.legend(frameon=False)
        left.set(ylabel="mean log p(x), nats")
        low, value, high = (np.array([point[key] for point in points]) for key in ("low", "auroc", "high"))
        right.errorbar(steps, value, [value - low, high - value], fmt="o-", color=plots.COLORS[0])
        right.axhline(0.5, color="0.7", linewidth=0.8)
        right.set(ylabel="AUROC", ylim=(0, 1))
        for axes in (left, right):
            axes.set(xlabel="step of the training", xscale="symlog", xlim=(-0.2, 1.3 * steps[-1]))
            axes.spines[["top", "right"]].set_visible(False)
        first, last = points[0], points[-1]
        drawings[f"iterations-{train}-{test}"] = Drawing(
            figure,
            f"Two panels over the steps. Left, mean log p of {train} goes from {first['log_prob'][train]['mean']:.0f} "
            f"to {last['log_prob'][train]['mean']:.0f} nats and of {test} from {first['log_prob'][test]['mean']:.0f} "
            f"to {last['log_prob'][test]['mean']:.0f}. Right, the AUROC goes from {value[0]:.2f} to {value[-1]:.2f}; "
            f"its highest is {value.max():.2f}, at step {steps[value.argmax()]}.",
            f"A Glow learns {train}. Stopping early would help if the AUROC were high at some step.",
        )
    return drawings
