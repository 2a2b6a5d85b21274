"""Samples against their theory: distribution functions, acceptance rates, coverage."""

import itertools

import numpy as np
import pytest
import scipy.stats

from dgm_tfp import sampling
from dgm_tfp.errors import InputError


def test_exponential_ppf_is_the_inverse_and_its_samples_are_exponential():
    t = np.linspace(0, 5, 50)
    np.testing.assert_allclose(sampling.exponential_ppf(0.7)(1 - np.exp(-0.7 * t)), t, atol=1e-12)
    samples = sampling.inverse_cdf(sampling.exponential_ppf(0.7), 20_000, np.random.default_rng(0))
    assert scipy.stats.kstest(samples, scipy.stats.expon(scale=1 / 0.7).cdf).pvalue > 0.01
    assert scipy.stats.kstest(samples, scipy.stats.expon(scale=0.7).cdf).pvalue < 1e-6


def test_any_ppf_serves():
    samples = sampling.inverse_cdf(scipy.stats.gamma(2).ppf, 20_000, np.random.default_rng(1))
    assert scipy.stats.kstest(samples, scipy.stats.gamma(2).cdf).pvalue > 0.01


def test_discrete_ppf_gives_each_category_its_share_and_never_an_impossible_one():
    ppf = sampling.discrete_ppf([0, 3, 0, 1, 6, 0])  # not normalised
    np.testing.assert_array_equal(ppf(np.array([0, 0.29, 0.31, 0.39, 0.41, 1 - 1e-16])), [1, 1, 3, 3, 4, 4])
    counts = np.bincount(sampling.inverse_cdf(ppf, 20_000, np.random.default_rng(2)), minlength=6)
    assert counts[[0, 2, 5]].tolist() == [0, 0, 0]
    assert scipy.stats.chisquare(counts[[1, 3, 4]], [6000, 2000, 12_000]).pvalue > 0.01
    tenths = sampling.discrete_ppf([0.1] * 10)
    assert tenths(np.nextafter(1.0, 0.0)) == 9  # ten times 0.1 is less than 1


def test_grid_ppf_of_an_unnormalised_density_with_a_gap():
    def density(x):
        return 5 * (np.exp(-((x + 2) ** 2) / 0.18) + 2 * np.exp(-((x - 2) ** 2) / 0.5)) * (np.abs(x) > 0.5)

    mixture = scipy.stats.norm(-2, 0.3), scipy.stats.norm(2, 0.5)
    weights = np.array([0.3, 2 * 0.5]) / 1.3
    samples = sampling.inverse_cdf(
        sampling.grid_ppf(density, np.linspace(-6, 6, 4001)), 20_000, np.random.default_rng(3)
    )
    cdf = lambda x: sum(w * part.cdf(x) for w, part in zip(weights, mixture, strict=True))  # noqa: E731
    # 1e-3 of the mixture lies in the gap
    assert scipy.stats.kstest(samples, cdf).statistic < 0.015
    assert not ((samples > -0.49) & (samples < 0.49)).any()


def test_grid_ppf_draws_nothing_where_the_density_is_zero():
    ppf = sampling.grid_ppf(lambda x: np.abs(x - 1.5) > 0.5, np.linspace(-1, 3, 401))  # zero between 1 and 2
    samples = sampling.inverse_cdf(ppf, 20_000, np.random.default_rng(4))
    assert not ((samples > 1.011) & (samples < 1.989)).any()  # but for a trapezoid at each end
    assert (samples > 1.5).mean() == pytest.approx(1 / 3, abs=0.02)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: sampling.exponential_ppf(0), "rate is 0"),
        (lambda: sampling.discrete_ppf([0.5, -0.1]), "must not be negative"),
        (lambda: sampling.discrete_ppf([0, 0]), "nor all zero"),
        (lambda: sampling.grid_ppf(np.sin, np.linspace(0, 6, 10)), "negative or not finite"),
        (lambda: sampling.grid_ppf(np.zeros_like, np.linspace(0, 6, 10)), "zero on the whole grid"),
    ],
)
def test_what_is_no_distribution_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


@pytest.mark.parametrize("factor", [1.0, 3.7])  # the target need not integrate to 1
def test_rejection_gives_the_target_and_accepts_z_over_k(factor):
    target, proposal = scipy.stats.beta(2, 4), scipy.stats.uniform()
    k = 2.2 * factor  # the maximum of the density is 2.11
    result = sampling.rejection(lambda x: factor * target.pdf(x), proposal, k, 30_000, np.random.default_rng(0))
    assert result.samples.shape == (30_000,)
    assert scipy.stats.kstest(result.samples, target.cdf).pvalue > 0.01
    share = factor / k
    proposed = 30_000 / share
    assert abs(result.acceptance - share) < 4 * np.sqrt(share * (1 - share) / proposed)


def test_rejection_in_the_plane():
    proposal = scipy.stats.multivariate_normal(np.zeros(2), 4 * np.eye(2))
    target = scipy.stats.multivariate_normal(np.zeros(2), np.eye(2))
    result = sampling.rejection(target.pdf, proposal, 4, 5000, np.random.default_rng(0))
    assert result.samples.shape == (5000, 2)
    assert result.acceptance == pytest.approx(1 / 4, abs=0.02)
    assert scipy.stats.kstest((result.samples**2).sum(axis=1), scipy.stats.chi2(2).cdf).pvalue > 0.01


def test_rejection_tells_of_a_k_that_is_too_small_and_what_would_do():
    target, proposal = scipy.stats.norm(0, 1), scipy.stats.norm(0, 2)
    with pytest.raises(InputError, match=r"is less than p\(z\).*k must be at least 2\. Take a greater k"):
        sampling.rejection(target.pdf, proposal, 1.5, 10, np.random.default_rng(0))
    exact = sampling.rejection(target.pdf, proposal, 2.0, 10_000, np.random.default_rng(0))  # k q touches p at 0
    assert exact.acceptance == pytest.approx(0.5, abs=0.02)


def test_rejection_gives_up_where_next_to_nothing_is_accepted():
    target = lambda x: 1e-9 * scipy.stats.norm.pdf(x)  # noqa: E731
    with pytest.raises(InputError, match=r"0 of 10 samples after 20000 proposals"):
        sampling.rejection(target, scipy.stats.norm(0, 2), 2, 10, np.random.default_rng(0), max_proposals=20_000)


def test_bootstrap_of_the_mean_knows_its_standard_error():
    values = np.random.default_rng(0).exponential(size=200)
    result = sampling.bootstrap(values, np.mean, method="percentile", resamples=4000)
    assert result.value == values.mean()
    assert result.se == pytest.approx(values.std() / np.sqrt(200), rel=0.05)
    assert len(result.resampled) == 4000
    np.testing.assert_allclose((result.low, result.high), np.quantile(result.resampled, [0.025, 0.975]), rtol=1e-3)


def test_bootstrap_keeps_rows_whole():
    """The statistic of resampled rows, written out: every multiset of three rows, each as often as it may come."""
    rows = np.array([[0.0, 1.0], [1.0, 3.0], [5.0, 2.0]])
    slope = lambda r: np.sum(r[:, 0] * r[:, 1])  # noqa: E731
    exact = [slope(rows[list(choice)]) for choice in itertools.product(range(3), repeat=3)]
    result = sampling.bootstrap(rows, slope, resamples=4000, method="percentile")
    assert set(np.unique(result.resampled)) == set(exact)
    assert result.resampled.mean() == pytest.approx(np.mean(exact), rel=0.05)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_bootstrap_covers_the_truth_about_as_often_as_it_says(method):
    hits = 0
    for seed in range(100):
        values = np.random.default_rng(seed).normal(3, 1, 40)
        result = sampling.bootstrap(values, np.mean, 0.9, method, resamples=200, seed=seed)
        hits += result.low <= 3 <= result.high
    assert 79 <= hits <= 97  # binomial(100, 0.88), the coverage at n = 40: outside with probability 0.005


def test_bca_moves_the_interval_of_a_skewed_estimate():
    values = np.random.default_rng(4).exponential(size=30)
    plain, corrected = (sampling.bootstrap(values, np.var, method=method) for method in ("percentile", "bca"))
    assert corrected.high > plain.high
    assert corrected.low > plain.low


def test_bootstrap_refuses_what_it_cannot_do():
    with pytest.raises(InputError, match="expected 'percentile' or 'bca'"):
        sampling.bootstrap(np.arange(5), np.mean, method="t")
    with pytest.raises(InputError, match="3 rows, all alike"):
        sampling.bootstrap(np.ones(3), np.mean)
    with pytest.raises(InputError, match="no BCa interval"):
        sampling.bootstrap(np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1.0]), np.median)
