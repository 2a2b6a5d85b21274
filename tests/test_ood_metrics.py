"""Scores with known answers, and the figures."""

import matplotlib
import numpy as np
import pytest
import scipy.stats

from dgm_tfp import ood, plots


@pytest.mark.parametrize("shift", [-1.0, 0.0, 0.5, 2.0])
def test_auroc_of_two_gaussians(shift):
    """P(a > b) for a ~ N(shift, 1) and b ~ N(0, 1) is Phi(shift / sqrt(2))."""
    rng = np.random.default_rng(0)
    result = ood.auroc(rng.normal(shift, 1, 4000), rng.normal(0, 1, 4000), resamples=200)
    assert result.value == pytest.approx(scipy.stats.norm.cdf(shift / np.sqrt(2)), abs=0.02)
    assert result.low < result.value < result.high
    assert result.high - result.low < 0.04


def test_auroc_interval_covers_the_truth_about_as_often_as_it_says():
    truth = scipy.stats.norm.cdf(1 / np.sqrt(2))
    hits = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        result = ood.auroc(rng.normal(1, 1, 80), rng.normal(0, 1, 60), resamples=150, seed=seed)
        hits += result.low <= truth <= result.high
    assert 50 <= hits <= 60  # binomial(60, 0.95): fewer than 50 has probability 1e-4


def test_auroc_ties_count_half_and_the_ends_are_reached():
    assert ood.auroc(np.zeros(10), np.zeros(10), resamples=20).value == 0.5
    assert ood.auroc(np.ones(10), np.zeros(10), resamples=20) == (1.0, 1.0, 1.0)
    assert ood.auroc(np.zeros(10), np.ones(10), resamples=20) == (0.0, 0.0, 0.0)


def test_mean_and_standard_error():
    assert ood.mean(np.array([1.0, 3.0])) == (2.0, 1.0)
    one = ood.mean(np.array([5.0]))
    assert one.mean == 5.0
    assert np.isnan(one.se)


def test_figures_need_no_pyplot_and_no_screen(tmp_path):
    rng = np.random.default_rng(0)
    sets = {name: rng.normal(size=50) for name in ("train", "test", "other")}
    figures = [
        plots.histogram(sets, title="log-likelihood"),
        plots.histogram({"one": np.zeros(5)}),
        plots.volume_scatter({name: (values, values**2) for name, values in sets.items()}),
        plots.sheet(rng.integers(256, size=(11, 8, 8, 1)).astype(np.uint8), columns=4),
        plots.sheet(rng.integers(256, size=(3, 8, 8, 3)).astype(np.uint8)),
    ]
    for i, figure in enumerate(figures):
        figure.savefig(tmp_path / f"{i}.png")
        assert figure._repr_png_().startswith(b"\x89PNG")  # what a notebook asks for
        assert (tmp_path / f"{i}.png").read_bytes().startswith(b"\x89PNG")
    assert not matplotlib._pylab_helpers.Gcf.figs


def test_histogram_has_every_value_and_a_legend():
    figure = plots.histogram({"a": np.arange(100.0), "b": np.arange(50.0)})
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
    for patch in axes.patches:
        x, y = patch.get_xy().T
        area = abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
        assert area == pytest.approx(1)  # densities: what is beyond the ends is put into the end bins
    assert axes.get_xlabel() == "log p(x), nats"
