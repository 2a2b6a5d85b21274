"""The Indian buffet against its theory, and the cascade."""

import numpy as np
import pytest
import scipy.stats
from matplotlib.figure import Figure

from dgm_tfp import buffet
from dgm_tfp.errors import InputError


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 1.0), (1.0, 2.0), (3.0, 0.5)])
def test_dishes_are_poisson_and_each_customer_has_alpha_of_them(alpha, beta):
    n, repeats = 8, 3000
    draws = [buffet.buffet(n, alpha, beta, seed) for seed in range(repeats)]
    dishes = np.array([draw.shape[1] for draw in draws])
    expected = alpha * sum(beta / (beta + i - 1) for i in range(1, n + 1))
    assert buffet.expected_dishes(n, alpha, beta) == pytest.approx(expected)
    assert dishes.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / repeats))
    assert dishes.var() == pytest.approx(expected, rel=0.12)  # Poisson
    per_customer = np.mean([draw.sum(axis=1) for draw in draws], axis=0)  # each of them, first and last
    np.testing.assert_allclose(per_customer, alpha, atol=4.5 * np.sqrt(alpha / repeats))
    assert all(draw.any(axis=0).all() for draw in draws)


def test_customers_are_exchangeable():
    """The number of dishes that a pair shares has one law for all pairs: mean alpha / (beta + 1)."""
    alpha, beta, repeats = 2.0, 1.5, 4000
    draws = [buffet.buffet(5, alpha, beta, seed).astype(int) for seed in range(repeats)]
    shared = np.mean([draw @ draw.T for draw in draws], axis=0)
    pairs = shared[np.triu_indices(5, 1)]
    np.testing.assert_allclose(pairs, alpha / (beta + 1), atol=4.5 * np.sqrt(alpha / (beta + 1) / repeats))


def test_layers_of_a_cascade_fit_together_and_each_is_a_buffet():
    widths = []
    for seed in range(2000):
        layers = buffet.cascade(5, 1.0, 1.0, seed)
        units = 5
        for matrix in layers:
            assert matrix.shape[0] == units
            assert matrix.any(axis=0).all()
            units = matrix.shape[1]
        widths.append([5, *(matrix.shape[1] for matrix in layers), 0])
    seconds = np.array([width[1] for width in widths])
    counts = np.bincount(np.minimum(seconds, 6), minlength=7)
    law = scipy.stats.poisson(buffet.expected_dishes(5, 1.0))
    assert scipy.stats.chisquare(counts, 2000 * np.append(law.pmf(range(6)), law.sf(5))).pvalue > 0.01
    # The chain K -> Poisson(expected_dishes(K)), one layer farther
    after_two = np.array([width[2] for width in widths if len(width) > 2 and width[1] == 2])
    expected = buffet.expected_dishes(2, 1.0)
    assert after_two.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / len(after_two)))


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 1.0), (1.0, 2.0), (1.5, 1.0)])
def test_the_cascade_ends_after_as_many_layers_as_its_markov_chain_says(alpha, beta):
    """Expected depth from the absorbing chain of widths, by linear equations: d = 1 + P d over widths above 0."""
    widest = 60
    rates = [buffet.expected_dishes(k, alpha, beta) for k in range(1, widest + 1)]
    chain = np.array([scipy.stats.poisson(rate).pmf(np.arange(1, widest + 1)) for rate in rates])
    expected = np.linalg.solve(np.eye(widest) - chain, chain.sum(axis=1))[4]  # hidden layers above five units
    depths = np.array([len(buffet.cascade(5, alpha, beta, seed)) for seed in range(1500)])
    assert depths.mean() == pytest.approx(expected, abs=4 * depths.std() / np.sqrt(len(depths)))


def test_a_cascade_that_does_not_end_is_told():
    with pytest.raises(InputError, match=r"has not ended after 20 layers, \d+ units wide.*Take a smaller alpha"):
        buffet.cascade(5, 8.0, max_layers=20)


@pytest.mark.parametrize(("alpha", "beta"), [(0, 1), (1, -1)])
def test_parameters_are_positive(alpha, beta):
    with pytest.raises(InputError, match="both must be positive"):
        buffet.cascade(3, alpha, beta)


def test_a_drawing_has_every_unit_and_every_edge():
    layers = [np.array([[1, 0], [1, 1], [0, 1]], bool), np.array([[1], [0]], bool)]
    axes = Figure().subplots()
    buffet.draw(axes, layers, visible=3)
    assert len(axes.lines) == 5
    assert [len(units.get_offsets()) for units in axes.collections] == [3, 2, 1]
    ends = {tuple(np.round(line.get_xydata().ravel(), 3)) for line in axes.lines}
    assert (-1.0, 0.0, -0.5, 1.0) in ends  # the first unit and its parent
    assert (-0.5, 1.0, 0.0, 2.0) in ends
    empty = Figure().subplots()
    buffet.draw(empty, [], visible=4)
    assert [len(units.get_offsets()) for units in empty.collections] == [4]
