"""Each kind of shift changes its own factor, by as much as it says, and leaves the other one."""

import numpy as np
import pytest
import scipy.stats

from dgm_tfp import shift
from dgm_tfp.errors import InputError


@pytest.fixture(scope="module")
def labelled():
    """x ~ U(0, 1), p(y = 1 given x) = x, and 20,000 rows; a second column numbers the rows."""
    rng = np.random.default_rng(0)
    x = rng.random(20_000)
    return np.stack([x, np.arange(len(x))], axis=1), (rng.random(len(x)) < x).astype(np.int32)


def posterior_p_value(x, y, law):
    """Chi-squared test of p(y = 1 given x) = law(x), over ten bins of x."""
    bins = np.minimum((10 * x).astype(int), 9)
    n, ones = np.bincount(bins, minlength=10), np.bincount(bins, y, minlength=10)
    expected = np.bincount(bins, law(x), minlength=10)
    return scipy.stats.chi2(10).sf(np.sum((ones - expected) ** 2 / (expected * (1 - expected / n))))


def test_covariate_shift_moves_x_and_leaves_y_given_x(labelled):
    x, y = labelled
    shifted = shift.covariate(x, y, lambda x: 3 * x[:, 0], seed=1)
    assert len(shifted.x) == pytest.approx(len(x) / 2, rel=0.03)  # E w / max w
    assert scipy.stats.kstest(shifted.x[:, 0], lambda t: t**2).pvalue > 0.01  # p'(x) = 2 x
    assert posterior_p_value(shifted.x[:, 0], shifted.y, lambda x: x) > 0.01
    assert posterior_p_value(shifted.x[:, 0], shifted.y, lambda x: x**0.8) < 1e-6  # the test can fail
    assert shifted.y.mean() == pytest.approx(2 / 3, abs=0.02)  # p(y) moves with p(x)
    assert len(np.unique(shifted.x[:, 1])) == len(shifted.x)  # no row twice


def test_prior_shift_moves_y_and_leaves_x_given_y(labelled):
    x, y = labelled
    shifted = shift.prior_probability(x, y, {0: 1, 1: 4}, seed=1)
    assert shifted.y.mean() == pytest.approx(0.8, abs=1e-3)
    assert np.sum(shifted.y) == np.sum(y)  # as many rows as can be: all of the scarcer class
    for label, cdf in ((0, lambda t: 2 * t - t**2), (1, lambda t: t**2)):
        assert scipy.stats.kstest(shifted.x[shifted.y == label, 0], cdf).pvalue > 0.01
    bayes = lambda x: 4 * x / (4 * x + 1 - x)  # noqa: E731
    assert posterior_p_value(shifted.x[:, 0], shifted.y, bayes) > 0.01
    assert posterior_p_value(shifted.x[:, 0], shifted.y, lambda x: x) < 1e-6  # p(y given x) does move
    assert (np.diff(shifted.x[:, 1]) > 0).all()  # in the old order, no row twice


def test_prior_shift_may_drop_a_class(labelled):
    assert set(shift.prior_probability(*labelled, {1: 1}).y) == {1}
    assert set(shift.prior_probability(*labelled, {0: 0.0, 1: 1}).y) == {1}


@pytest.mark.parametrize("local", [False, True])
def test_concept_shift_changes_y_given_x_and_not_one_x(labelled, local):
    x, y = labelled
    table = np.array([[0.9, 0.1], [0.4, 0.6]])
    transition = (lambda x: np.where(x[:, :1, None] < 0.5, np.eye(2), table)) if local else table
    shifted = shift.concept(x, y, transition, seed=1)
    assert shifted.x is x
    assert shifted.y.dtype == y.dtype
    changed = lambda x: 0.1 * (1 - x) + 0.6 * x  # noqa: E731
    law = (lambda x: np.where(x < 0.5, x, changed(x))) if local else changed
    assert posterior_p_value(x[:, 0], shifted.y, law) > 0.01
    assert posterior_p_value(x[:, 0], shifted.y, lambda x: x) < 1e-6
    assert local == np.array_equal(shifted.y[x[:, 0] < 0.5], y[x[:, 0] < 0.5])


def test_the_seed_decides(labelled):
    one, same, other = (shift.covariate(*labelled, lambda x: x[:, 0], seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.x, same.x)
    assert one.x.shape != other.x.shape or not np.array_equal(one.x, other.x)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x, y: shift.covariate(x, y[1:], lambda x: x[:, 0]), "20000 objects and 19999 labels"),
        (lambda x, y: shift.covariate(x, y, lambda x: x[:, 0] - 0.5), "not negative"),
        (lambda x, y: shift.covariate(x, y, lambda x: x), r"got \(20000, 2\)"),
        (lambda x, y: shift.prior_probability(x, y, {0: 1, 2: 1}), r"no row of class 2; the classes are \[0, 1\]"),
        (lambda x, y: shift.prior_probability(x, y, {0: -1, 1: 2}), "not negative"),
        (lambda x, y: shift.concept(x, y, np.ones((2, 2))), "each row with the sum 1"),
        (lambda x, y: shift.concept(x, y, np.ones((1, 1))), r"labels are 0..1; transition knows 0..0"),
        (lambda x, y: shift.concept(x, y, np.ones((2, 3)) / 3), r"expected \(K, K\)"),
    ],
)
def test_mistakes_are_told(labelled, make, words):
    with pytest.raises(InputError, match=words):
        make(*labelled)
