"""Figures as `matplotlib.figure.Figure` objects: no pyplot, so no global state and no screen is needed.

A notebook shows a figure that a cell returns; `figure.savefig(path)` writes it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dgm_tfp.errors import InputError

if TYPE_CHECKING:
    from dgm_tfp.models.flow import Flow
    from dgm_tfp.models.latent_variable import LatentVariable
    from dgm_tfp.ood.second_order_table import SecondOrderTable

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


def variance_curve(table: SecondOrderTable, prediction: str = "total", title: str = "") -> Picture:
    """E_q log p - E_p log p against the standard deviation of q: the prediction as a curve, what is measured as points.

    Args:
      table: of sets that differ in their variance: `ood.contrast` with several factors, or `synthetic.images`.
      prediction: which column of the table is the curve.
    """
    rows = sorted(table.rows, key=lambda row: row.std)
    std = [row.std for row in rows]
    figure = Picture(figsize=(5.6, 3.8), layout="constrained")
    axes = figure.subplots()
    axes.plot(std, [getattr(row, prediction) for row in rows], color=COLORS[0], label=f"predicted: {prediction}")
    measured, errors = [row.measured.mean for row in rows], [2 * row.measured.se for row in rows]
    axes.errorbar(std, measured, errors, fmt="o", color=COLORS[2], markersize=4, label="measured, ± 2 standard errors")
    axes.axhline(0, color="0.8", linewidth=0.7, zorder=0)
    axes.axvline(table.std_p, color="0.8", linewidth=0.7, linestyle="--", zorder=0, label="the training data's")
    axes.set(xlabel="standard deviation of a pixel of q, levels", ylabel="E_q log p - E_p log p, nats", title=title)
    axes.legend(frameon=False)
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
    figure, axes = _plane(title)
    axes.scatter(points[:, 0], points[:, 1], s=6, alpha=0.5, color=COLORS[0], linewidths=0)
    return figure


def density(
    log_prob: Callable[[np.ndarray], np.ndarray],
    extent: tuple[float, float, float, float] = (-4, 4, -4, 4),
    points: np.ndarray | None = None,
    resolution: int = 200,
    title: str = "",
) -> Picture:
    """A density in the plane as a heat map, darker where it is greater.

    Args:
      log_prob: from points (n, 2), float32, to log p, (n,): a flow's `log_prob`.
      extent: left, right, bottom, top.
      points: (n, 2), drawn over it.
      resolution: cells on each side.
    """
    heights = np.exp(np.asarray(log_prob(_cells(extent, resolution)))).reshape(resolution, resolution)
    figure, axes = _plane(title)
    # One narrow peak would leave the rest blank: the colours end where all but a thousandth of the cells lie.
    top_colour = np.quantile(heights, 0.999)
    axes.imshow(heights, cmap="Blues", vmin=0, vmax=top_colour, origin="lower", extent=extent, interpolation="bilinear")
    if points is not None:
        axes.scatter(points[:, 0], points[:, 1], s=3, alpha=0.6, color=COLORS[2], linewidths=0)
    return figure


def warped_grid(
    forward: Callable[[np.ndarray], np.ndarray], radius: float = 3.0, lines: int = 25, title: str = ""
) -> Picture:
    """A square grid of the noise, as a flow carries it to the data: cells that shrink hold more density.

    Args:
      forward: from noise (n, 2), float32, to data (n, 2): `flow.bijector.forward`.
      radius: half a side of the grid, in standard deviations of the noise.
      lines: in each direction.
    """
    figure, axes = _plane(title)
    along, across = np.linspace(-radius, radius, 400), np.linspace(-radius, radius, lines)
    upright = np.stack(np.meshgrid(across, along, indexing="ij"), axis=-1)  # (lines, 400, 2): z1 fixed on each line
    for grid, color in ((upright, COLORS[0]), (upright[..., ::-1], COLORS[2])):
        carried = np.asarray(forward(grid.reshape(-1, 2).astype(np.float32))).reshape(grid.shape)
        for line in carried:
            axes.plot(line[:, 0], line[:, 1], color=color, linewidth=0.6)
    return figure


def field(
    vectors: Callable[[np.ndarray], np.ndarray],
    extent: tuple[float, float, float, float] = (-4, 4, -4, 4),
    points: np.ndarray | None = None,
    resolution: int = 24,
    title: str = "",
) -> Picture:
    """A vector field in the plane as arrows, the longest as long as a cell: a score, a flow's velocity.

    Args:
      vectors: from points (n, 2), float32, to vectors (n, 2): a denoising autoencoder's `score`.
      extent: left, right, bottom, top.
      points: (n, 2), drawn under it.
      resolution: arrows on each side, one in the middle of each cell.
    """
    cells = _cells(extent, resolution)
    arrows = np.asarray(vectors(cells))
    longest = np.linalg.norm(arrows, axis=1).max() or 1.0
    cell = min(extent[1] - extent[0], extent[3] - extent[2]) / resolution
    figure, axes = _plane(title)
    if points is not None:
        axes.scatter(points[:, 0], points[:, 1], s=3, alpha=0.6, color=COLORS[2], linewidths=0)
    # By scale 1 in the units of the axes an arrow ends where it points.
    scaled = arrows * cell / longest
    axes.quiver(*cells.T, *scaled.T, angles="xy", scale_units="xy", scale=1, color=COLORS[0], width=0.003)
    axes.set(xlim=extent[:2], ylim=extent[2:])
    return figure


def noise_to_data(
    flow: Flow, n: int = 1000, seed: int = 0, columns: int = 5, titles: Sequence[str] | None = None
) -> Picture:
    """Tiles: n points of noise, and where they are after each step of a flow of 2-D vectors, at the data at last.

    A point keeps its colour, which tells the direction from the origin where it was as noise.

    Args:
      flow: of event_shape (2,), its `flow_bijector` a chain of steps: MAF, IAF, RealNVP.
      columns: tiles in a row; the steps between the first and the last are thinned out where a row cannot hold them.
      titles: of the tiles; the number of steps taken by default.
    """
    steps = flow.flow_bijector.bijectors[::-1]  # a chain applies the last one first
    stages = [flow.base.sample(n, seed=(seed, 0))]
    for step in steps:
        stages.append(step.forward(stages[-1]))
    shown = np.unique(np.linspace(0, len(steps), min(columns, len(stages))).round().astype(int))
    titles = titles or [str(i) for i in shown]
    turn = np.arctan2(stages[0][:, 1], stages[0][:, 0])
    figure = Picture(figsize=(2.0 * len(shown), 2.3), layout="constrained")
    for axes, i, title in zip(np.ravel(figure.subplots(1, len(shown))), shown, titles, strict=True):
        x = np.asarray(stages[i])
        axes.scatter(x[:, 0], x[:, 1], c=turn, cmap="hsv", s=4, linewidths=0)
        axes.set(title=title, xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
    return figure


def manifold(model: LatentVariable, side: int = 15, shape: tuple[int, ...] | None = None, title: str = "") -> Picture:
    """What a model with a 2-D latent decodes over the plane (Kingma & Welling, 2014, figure 4).

    A grid of z, evenly spaced not in z but in probability: through the inverse CDF of the normal law, then, where the
    prior is a flow, through the flow. z1 grows to the right, z2 upwards.

    Args:
      model: of images, or of vectors that `shape` makes images.
      side: images in a row and in a column.
      shape: (h, w, c) of an image.
    """
    if model.latent != 2:
        raise InputError(f"the latent of this model has {model.latent} dimensions, not 2. Use plots.traversal.")
    steps = _quantiles(side)
    noise = np.stack(np.meshgrid(steps, steps[::-1]), axis=-1).reshape(-1, 2)
    return _decoded(model, model.latent_of(noise), side, shape, title)


def traversal(
    model: LatentVariable,
    z: np.ndarray | None = None,
    dimensions: Sequence[int] | None = None,
    side: int = 11,
    shape: tuple[int, ...] | None = None,
    title: str = "",
) -> Picture:
    """What a model decodes while one dimension of the latent goes through the quantiles of N(0, 1), a row for each.

    Args:
      model, side, shape: as in `manifold`.
      z: the other dimensions, (latent,): the code of an example; zeros by default.
      dimensions: which; all by default.
    """
    dimensions = range(model.latent) if dimensions is None else dimensions
    codes = np.tile(np.zeros(model.latent) if z is None else z, (len(dimensions), side, 1))
    for row, dimension in zip(codes, dimensions, strict=True):
        row[:, dimension] = _quantiles(side)
    return _decoded(model, codes.reshape(-1, model.latent), side, shape, title)


def interpolation(
    model: LatentVariable, starts: np.ndarray, ends: np.ndarray, side: int = 11, shape=None, title: str = ""
) -> Picture:
    """What a model decodes on the straight way from one code to another, a row for each pair of codes (n, latent)."""
    way = np.linspace(0, 1, side)[:, None]
    codes = [(1 - way) * start + way * end for start, end in zip(starts, ends, strict=True)]
    return _decoded(model, np.concatenate(codes), side, shape, title)


def _quantiles(side: int) -> np.ndarray:
    return np.array([NormalDist().inv_cdf((i + 0.5) / side) for i in range(side)])


def _decoded(model: LatentVariable, z, columns: int, shape: tuple[int, ...] | None, title: str) -> Picture:
    shape = shape or model.event_shape
    if len(shape) != 3 or shape[-1] not in (1, 3) or not model.bins:
        raise InputError(f"this model decodes no images but {model.event_shape}. Pass shape=(height, width, 1 or 3).")
    levels = model.decode(z).reshape(-1, *shape)
    return sheet(np.round(levels * (255 / (model.bins - 1))).astype(np.uint8), columns, title)


def _cells(extent: tuple[float, float, float, float], resolution: int) -> np.ndarray:
    """The middles of the cells of a grid, float32 (resolution ** 2, 2), row by row from the bottom."""
    left, right, bottom, top = extent
    x, y = ((np.arange(resolution) + 0.5) / resolution * (b - a) + a for a, b in ((left, right), (bottom, top)))
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)


def _plane(title: str) -> tuple[Picture, Axes]:
    """A figure of the plane on equal scales."""
    figure = Picture(figsize=(4.6, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel="x1", ylabel="x2", title=title, aspect="equal")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _range(values: np.ndarray) -> tuple[float, float]:
    """Where nearly all values lie, with a margin: a few outliers would squeeze the rest."""
    low, high = np.quantile(values, [0.002, 0.998])
    margin = 0.04 * (high - low) or 0.5
    return float(low - margin), float(high + margin)


def _colors(n: int) -> list:
    return [COLORS[i % len(COLORS)] for i in range(n)] if n != 2 else [COLORS[0], COLORS[2]]
