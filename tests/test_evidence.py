"""Closed forms against what they stand for: the joint density, refitting, all orders."""

import itertools

import numpy as np
import pytest
import scipy.stats

from dgm_tfp import evidence
from dgm_tfp.errors import InputError

ALPHA, BETA = 0.5, 9.0


@pytest.fixture
def cubic():
    """Nine points of a cubic with noise of standard deviation 1/3."""
    rng = np.random.default_rng(0)
    x = np.linspace(-1, 1, 9)
    return x, 2 * x - 3 * x**3 + rng.normal(0, 1 / 3, 9)


@pytest.mark.parametrize("degree", [0, 1, 3, 12])  # 12: more weights than points
def test_evidence_is_the_joint_density_and_the_sum_of_predictive_terms_in_any_order(cubic, degree):
    x, t = cubic
    phi = evidence.polynomial(x, degree)
    joint = scipy.stats.multivariate_normal(np.zeros(9), np.eye(9) / BETA + phi @ phi.T / ALPHA).logpdf(t)
    assert evidence.log_evidence(phi, t, ALPHA, BETA) == pytest.approx(joint, abs=1e-8)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(9)
        terms = evidence.predictive_terms(phi[order], t[order], ALPHA, BETA)
        assert terms.sum() == pytest.approx(joint, abs=1e-8)


def test_a_predictive_term_is_the_prediction_of_the_posterior_before_it(cubic):
    x, t = cubic
    phi = evidence.polynomial(x, 3)
    terms = evidence.predictive_terms(phi, t, ALPHA, BETA)
    for k in (0, 1, 4, 8):
        mean, covariance = evidence.posterior(phi[:k], t[:k], ALPHA, BETA)
        loc, scale = evidence.predictive(phi[k : k + 1], mean, covariance, BETA)
        assert terms[k] == pytest.approx(scipy.stats.norm(loc, scale).logpdf(t[k]).item(), abs=1e-10)


@pytest.mark.parametrize("degree", [1, 3, 12])
def test_leave_one_out_equals_refitting(cubic, degree):
    x, t = cubic
    phi = evidence.polynomial(x, degree)
    refitted = []
    for i in range(9):
        rest = np.arange(9) != i
        mean, covariance = evidence.posterior(phi[rest], t[rest], ALPHA, BETA)
        loc, scale = evidence.predictive(phi[[i]], mean, covariance, BETA)
        refitted.append(scipy.stats.norm(loc, scale).logpdf(t[i]).item())
    np.testing.assert_allclose(evidence.leave_one_out(phi, t, ALPHA, BETA), refitted, atol=1e-8)


def test_leave_one_out_is_the_last_term_averaged_over_all_orders():
    rng = np.random.default_rng(1)
    x, t = rng.uniform(-1, 1, 5), rng.normal(size=5)
    phi = evidence.polynomial(x, 2)
    orders = [list(order) for order in itertools.permutations(range(5))]
    terms = np.array([evidence.predictive_terms(phi[order], t[order], ALPHA, BETA) for order in orders])
    assert terms[:, -1].mean() == pytest.approx(evidence.leave_one_out(phi, t, ALPHA, BETA).mean(), abs=1e-10)
    assert np.ptp(terms.sum(axis=1)) < 1e-10  # the evidence does not know the order
    sampled = evidence.terms_by_position(phi, t, ALPHA, BETA, orders=2000)
    np.testing.assert_allclose(sampled, terms.mean(axis=0), atol=0.15)
    assert sampled.sum() == pytest.approx(evidence.log_evidence(phi, t, ALPHA, BETA), abs=1e-8)


def test_on_average_the_model_that_made_the_data_has_the_best_scores():
    """Gibbs' inequality, for the joint density and for each prediction; data drawn from the prior of degree 3."""
    x, rng = np.linspace(-1, 1, 12), np.random.default_rng(0)
    phi = evidence.polynomial(x, 3)
    data = [phi @ rng.normal(0, ALPHA**-0.5, 4) + rng.normal(0, BETA**-0.5, 12) for _ in range(300)]
    scores = [evidence.curves(x, t, range(7), ALPHA, BETA) for t in data]
    assert np.argmax(np.mean([one.log_evidence for one in scores], axis=0)) == 3
    assert np.argmax(np.mean([one.leave_one_out for one in scores], axis=0)) == 3
    assert scores[0].log_evidence[3] == evidence.log_evidence(phi, data[0], ALPHA, BETA)
    assert scores[0].leave_one_out[3] == evidence.leave_one_out(phi, data[0], ALPHA, BETA).sum()


def test_fitted_precisions_are_a_maximum_of_the_evidence():
    x = np.linspace(-1, 1, 60)
    t = 2 * x - 4 * x**3 + np.random.default_rng(0).normal(0, 1 / 3, 60)
    phi = evidence.polynomial(x, 5)
    alpha, beta = evidence.fit_precisions(phi, t)
    best = evidence.log_evidence(phi, t, alpha, beta)
    for a, b in ((1.05, 1), (0.95, 1), (1, 1.05), (1, 0.95)):
        assert evidence.log_evidence(phi, t, a * alpha, b * beta) < best
    assert 1 / np.sqrt(beta) == pytest.approx(1 / 3, rel=0.2)
    with pytest.raises(InputError, match="did not settle in 1 steps"):
        evidence.fit_precisions(phi, t, steps=1)


def test_a_negative_degree_is_refused():
    with pytest.raises(InputError, match="degree is -1"):
        evidence.polynomial(np.zeros(3), -1)
