"""Pictures of flows in the plane: what is drawn where."""

import matplotlib
import numpy as np
import pytest
import tensorflow as tf

from dgm_tfp import models, plots
from tests.helpers import randomise, same


def test_density_is_darkest_at_the_mode_and_has_its_own_heights():
    figure = plots.density(lambda x: -((x - [1, -2]) ** 2).sum(axis=1), (-4, 4, -4, 4), resolution=81)
    image = figure.axes[0].images[0]
    heights = image.get_array()
    row, column = np.unravel_index(np.argmax(heights), heights.shape)
    left, right, bottom, top = image.get_extent()
    assert image.origin == "lower"
    same((left + (column + 0.5) / 81 * (right - left), bottom + (row + 0.5) / 81 * (top - bottom)), (1, -2), 0.05)
    # exp(-r^2) integrates to pi.
    assert heights.sum() * (8 / 81) ** 2 == pytest.approx(np.pi, rel=0.01)


def test_points_lie_over_the_density():
    points = np.array([[0.0, 1.0], [2.0, 3.0]])
    figure = plots.density(lambda x: -(x**2).sum(axis=1), points=points, resolution=20)
    same(figure.axes[0].collections[0].get_offsets(), points, 1e-12)


def test_warped_grid_is_the_map_of_straight_lines():
    figure = plots.warped_grid(lambda z: z @ np.array([[2.0, 0.0], [0.0, 0.5]], np.float32) + 1, radius=1.0, lines=3)
    lines = [line.get_xydata() for line in figure.axes[0].lines]
    assert len(lines) == 6
    same([line[[0, -1]] for line in lines[:3]], [[[x, 0.5], [x, 1.5]] for x in (-1, 1, 3)], 1e-6)  # z1 fixed
    same([line[[0, -1]] for line in lines[3:]], [[[-1, y], [3, y]] for y in (0.5, 1, 1.5)], 1e-6)  # z2 fixed


@pytest.mark.parametrize(("columns", "titles"), [(5, ["0", "1", "2", "3"]), (2, ["0", "3"])])
def test_noise_to_data_begins_with_noise_and_ends_with_what_the_flow_samples(columns, titles):
    flow = models.MAF((2,), steps=3, hidden=(8,))
    randomise(flow)
    figure = plots.noise_to_data(flow, n=50, seed=3, columns=columns)
    assert [axes.get_title() for axes in figure.axes] == titles
    first, last = (figure.axes[i].collections[0].get_offsets() for i in (0, -1))
    same(flow.bijector.forward(tf.constant(np.asarray(first, np.float32))), last, 1e-5)
    assert abs(np.asarray(first).mean()) < 0.5


def test_field_points_where_the_vectors_do():
    points = np.array([[0.5, 1.0], [1.0, 3.0]])
    figure = plots.field(lambda x: 3 * (x - [1, 2]), (0, 2, 0, 4), points, resolution=4)
    dots, arrows = figure.axes[0].collections
    same(dots.get_offsets(), points, 1e-12)
    starts, ends = np.asarray(arrows.XY), np.stack([arrows.U, arrows.V], axis=1)
    assert len(starts) == 16
    same(starts[[0, 1, 4]], [[0.25, 0.5], [0.75, 0.5], [0.25, 1.5]], 1e-6)
    same(np.linalg.norm(ends, axis=1).max(), 0.5, 1e-6)  # as long as a cell
    same(ends / ends[0], (starts - [1, 2]) / (starts[0] - [1, 2]), 1e-5)


def test_figures_of_the_plane_can_be_written(tmp_path):
    flow = models.RealNVP((2,), steps=2, hidden=(8,))
    figures = [
        plots.density(flow.log_prob, resolution=30),
        plots.warped_grid(flow.bijector.forward, lines=5),
        plots.noise_to_data(flow, n=20),
        plots.field(lambda x: -x),
    ]
    for i, figure in enumerate(figures):
        figure.savefig(tmp_path / f"{i}.png")
        assert (tmp_path / f"{i}.png").read_bytes().startswith(b"\x89PNG")
    assert not matplotlib._pylab_helpers.Gcf.figs
