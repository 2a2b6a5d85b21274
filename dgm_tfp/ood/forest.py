"""A forest plot: estimates with their intervals, one under another."""

from collections.abc import Mapping

from dgm_tfp.ood.metrics import Interval
from dgm_tfp.plots import COLORS, Picture


def forest(
    panels: Mapping[str, Mapping[str, Interval | None]], xlabel: str = "AUROC", chance: float | None = 0.5
) -> Picture:
    """A panel for each title, in it a line for each label that has an estimate in one of them, in the order given.

    Args:
      panels: title to label to estimate, each within [0, 1]; None where there is none.
      chance: where a vertical line is drawn, that of a score that knows nothing; estimates whose interval lies below it
        are red, above it blue, and grey between.
    """
    labels = list(dict.fromkeys(label for panel in panels.values() for label in panel if panel[label]))
    figure = Picture(figsize=(1.8 + 2.6 * len(panels), 0.9 + 0.26 * len(labels)), layout="constrained")
    row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, panel) in zip(row, panels.items(), strict=True):
        if chance is not None:
            axes.axvline(chance, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
        for y, label in enumerate(labels):
            if estimate := panel.get(label):
                color = _color(estimate, chance)
                axes.plot([estimate.low, estimate.high], [y, y], color=color, linewidth=2, solid_capstyle="butt")
                axes.plot(estimate.value, y, "o", color=color, markersize=4.5)
        axes.set(title=title, xlabel=xlabel, xlim=(-0.03, 1.03), ylim=(len(labels) - 0.5, -0.5))
        axes.set_yticks(range(len(labels)), labels)
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def _color(estimate: Interval, chance: float | None) -> str:
    if chance is not None and estimate.low <= chance <= estimate.high:
        return "0.5"
    return COLORS[2] if chance is not None and estimate.high < chance else COLORS[0]
