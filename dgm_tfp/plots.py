"""Figures as `matplotlib.figure.Figure` objects: no pyplot, so no global state and no screen is needed.

A notebook shows a figure that a cell returns; `figure.savefig(path)` writes it.
"""

import io
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

COLORS = ("#1f6f8b", "#7fb7c9", "#d1495b")  # train, test, other: apart also for the colour-blind and in grey
DPI = 110


class Picture(Figure):
    """A figure that a notebook shows also where pyplot, which would teach it to, was never imported."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=DPI)
        return buffer.getvalue()


def histogram(log_probs: Mapping[str, np.ndarray], xlabel: str = "log p(x), nats", title: str = "") -> Picture:
    """Histograms of log-likelihood on common bins: figure 2 of Nalisnick et al. (2019).

    Args:
      log_probs: a label for the legend and the log-likelihoods (n,) of each data set.
    """
    figure = Picture(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    everything = np.concatenate(list(log_probs.values()))
    edges = np.linspace(*_range(everything), 61).tolist()
    for (label, values), color in zip(log_probs.items(), _colors(len(log_probs)), strict=True):
        clipped = np.clip(values, edges[0], edges[-1])
        axes.hist(clipped, edges, density=True, histtype="stepfilled", alpha=0.45, color=color, label=label)
        axes.hist(clipped, edges, density=True, histtype="step", color=color)
    axes.set(xlabel=xlabel, ylabel="density", title=title)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def volume_scatter(parts: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str = "") -> Picture:
    """log p(z) against log-volume, a point per image: their sum is log p(x), constant along the grey lines.

    Args:
      parts: a label and the pair (log p(z), log-volume), each (n,), of each data set.
    """
    figure = Picture(figsize=(5.2, 4.4), layout="constrained")
    axes = figure.subplots()
    for (label, (log_p_z, log_volume)), color in zip(parts.items(), _colors(len(parts)), strict=True):
        axes.scatter(log_volume, log_p_z, s=6, alpha=0.35, color=color, label=label, linewidths=0)
    bottom, top = _range(np.concatenate([log_p_z for log_p_z, _ in parts.values()]))
    left, right = _range(np.concatenate([log_volume for _, log_volume in parts.values()]))
    for total in np.linspace(left + bottom, right + top, 9)[1:-1]:
        axes.plot([left, right], [total - left, total - right], color="0.8", linewidth=0.7, zorder=0)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.set(xlabel="log-volume, nats", ylabel="log p(z), nats", title=title)
    axes.legend(frameon=False, markerscale=3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def sheet(images: np.ndarray, columns: int = 8, title: str = "") -> Picture:
    """Images (n, h, w, 1 or 3), bytes, on a grid."""
    rows = -(-len(images) // columns)
    height, width, channels = images.shape[1:]
    grid = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1, channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = 1 + i // columns * (height + 1), 1 + i % columns * (width + 1)
        grid[top : top + height, left : left + width] = image
    figure = Picture(figsize=(columns * 0.7, rows * 0.7 + (0.3 if title else 0)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(grid[..., 0] if channels == 1 else grid, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title)
    return figure


def scatter(points: np.ndarray, title: str = "") -> Picture:
    """Points (n, 2 or more) in the plane of their first two coordinates, on equal scales."""
    figure = Picture(figsize=(4.6, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.scatter(points[:, 0], points[:, 1], s=6, alpha=0.5, color=COLORS[0], linewidths=0)
    axes.set(xlabel="x1", ylabel="x2", title=title, aspect="equal")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _range(values: np.ndarray) -> tuple[float, float]:
    """Where nearly all values lie, with a margin: a few outliers would squeeze the rest."""
    low, high = np.quantile(values, [0.002, 0.998])
    margin = 0.04 * (high - low) or 0.5
    return float(low - margin), float(high + margin)


def _colors(n: int) -> list:
    return [COLORS[i % len(COLORS)] for i in range(n)] if n != 2 else [COLORS[0], COLORS[2]]
