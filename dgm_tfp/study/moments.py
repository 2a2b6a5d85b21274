"""Means and variances of every dimension of two data sets: figure 6a of Nalisnick et al. (2019)."""

import numpy as np
from matplotlib.axes import Axes

from dgm_tfp import plots
from dgm_tfp.study.experiment import Drawing, Outcome
from dgm_tfp.study.lab import Lab
from dgm_tfp.study.plan import PARADOX


def run(lab: Lab, name: str) -> Outcome:
    """Per-dimension means and variances of the training images of both sets of each pair; no model and no row."""
    arrays, facts = {}, {}
    for pair in PARADOX:
        if lab.shelf.missing(*pair):
            continue
        for data in pair:
            x = lab.shelf.images(data, "train").astype(np.float64)
            arrays[f"{data}|mean"], arrays[f"{data}|variance"] = (m.ravel() for m in (x.mean(axis=0), x.var(axis=0)))
            facts[data] = {
                "mean": float(x.mean()),
                "mean_of_variances": float(arrays[f"{data}|variance"].mean()),
                "channel_means": x.mean(axis=(0, 1, 2)).tolist(),
                "channel_stds": x.std(axis=(0, 1, 2)).tolist(),
                "images": len(x),
            }
    return Outcome([], arrays, facts)


def draw(outcome: Outcome) -> dict[str, Drawing]:
    """Histograms over the dimensions of the means and of the variances."""
    drawings = {}
    for train, test in PARADOX:
        if train not in outcome.facts:
            continue
        figure = plots.Picture(figsize=(8.4, 3.2), layout="constrained")
        for axes, moment in zip(figure.subplots(1, 2), ("mean", "variance"), strict=True):
            _histograms(axes, {data: outcome.arrays[f"{data}|{moment}"] for data in (train, test)}, moment)
        own, other = (outcome.facts[data] for data in (train, test))
        drawings[f"moments-{train}-{test}"] = Drawing(
            figure,
            f"Histograms over the dimensions. Means: {train} {own['mean']:.0f} on average, {test} {other['mean']:.0f}. "
            f"Variances: {train} {own['mean_of_variances']:.0f} on average, {test} {other['mean_of_variances']:.0f}.",
            f"{train} and {test}: the mean and the variance of each dimension, in levels 0 to 255 and their squares.",
        )
    return drawings


def _histograms(axes: Axes, values: dict[str, np.ndarray], xlabel: str) -> None:
    edges = np.linspace(0, max(each.max() for each in values.values()), 51).tolist()
    for (label, each), color in zip(values.items(), (plots.COLORS[0], plots.COLORS[2]), strict=True):
        axes.hist(each, edges, density=True, histtype="stepfilled", alpha=0.45, color=color, label=label)
    axes.set(xlabel=xlabel, ylabel="density")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
