"""Evidence against leave-one-out for Bayesian linear regression (Bishop, 2006, chapter 3; MacKay, 1992).

    t = phi w + noise,    w ~ N(0, I / alpha),    noise ~ N(0, I / beta)

Both are made of the same thing, predictive terms log p(t_k given the t before it): the evidence is the sum of all of
them, in any order; leave-one-out is the last one, averaged over the orders. Arrays are float64, logarithms in nats.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.stats

from dgm_tfp.errors import InputError


class Curves(NamedTuple):
    """By degree, each (len(degrees),): the log evidence, and the sum of the leave-one-out terms."""

    log_evidence: np.ndarray
    leave_one_out: np.ndarray


def polynomial(x: np.ndarray, degree: int) -> np.ndarray:
    """The powers 0..degree of x: (n,) -> (n, degree + 1). Keep x within [-1, 1]: one alpha serves all powers."""
    if degree < 0:
        raise InputError(f"degree is {degree}; expected 0 or more.")
    return np.vander(np.asarray(x, np.float64), degree + 1, increasing=True)


def posterior(phi: np.ndarray, t: np.ndarray, alpha: float, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean (m,) and covariance (m, m) of the weights given the data: Bishop (3.53), (3.54).

    Args:
      phi: features (n, m).
      t: targets (n,).
      alpha, beta: precisions (one over the variance) of the weights and of the noise.
    """
    covariance = scipy.linalg.inv(alpha * np.eye(phi.shape[1]) + beta * phi.T @ phi)
    return beta * covariance @ phi.T @ t, covariance


def predictive(phi: np.ndarray, mean: np.ndarray, covariance: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of t at the rows of phi, each (n,): Bishop (3.58), (3.59)."""
    return phi @ mean, np.sqrt(1 / beta + np.einsum("ni,ij,nj->n", phi, covariance, phi))


def log_evidence(phi: np.ndarray, t: np.ndarray, alpha: float, beta: float) -> float:
    """log p(t): the weights are integrated out, Bishop (3.86). Arguments as in `posterior`."""
    n, m = phi.shape
    mean, covariance = posterior(phi, t, alpha, beta)
    energy = 0.5 * beta * np.sum((t - phi @ mean) ** 2) + 0.5 * alpha * mean @ mean
    log_det = np.linalg.slogdet(covariance).logabsdet
    return float(0.5 * (m * np.log(alpha) + n * np.log(beta / (2 * np.pi)) + log_det) - energy)


def predictive_terms(phi: np.ndarray, t: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    """log p(t_k given t_1..t_{k-1}), (n,), in the order of the rows; their sum is the log evidence.

    The posterior after each row is the prior of the next: an update of rank one, Sherman and Morrison's formula.
    """
    mean, covariance = np.zeros(phi.shape[1]), np.eye(phi.shape[1]) / alpha
    terms = np.empty(len(t))
    for k, (row, target) in enumerate(zip(phi, t, strict=True)):
        spread = covariance @ row
        variance, error = 1 / beta + row @ spread, target - row @ mean
        terms[k] = -0.5 * (np.log(2 * np.pi * variance) + error**2 / variance)
        mean = mean + spread * error / variance
        covariance = covariance - np.outer(spread, spread) / variance
    return terms


def leave_one_out(phi: np.ndarray, t: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    """log p(t_i given all the others), (n,), without refitting.

    With C = I / beta + phi phi^T / alpha, the covariance of t: the prediction of t_i by the others has the variance
    1 / (C^-1)_ii and the error (C^-1 t)_i / (C^-1)_ii (Rasmussen and Williams, 2006, (5.12)).
    """
    inverse = scipy.linalg.inv(np.eye(len(t)) / beta + phi @ phi.T / alpha)
    variance = 1 / np.diag(inverse)
    return scipy.stats.norm.logpdf(variance * (inverse @ t), scale=np.sqrt(variance))


def terms_by_position(
    phi: np.ndarray, t: np.ndarray, alpha: float, beta: float, orders: int = 1000, seed: int = 0
) -> np.ndarray:
    """The k-th predictive term averaged over random orders of the data, (n,).

    The sum is the log evidence, whatever the orders; the last one tends to the mean of the leave-one-out terms.
    """
    rng = np.random.default_rng(seed)
    shuffled = (rng.permutation(len(t)) for _ in range(orders))
    return np.mean([predictive_terms(phi[order], t[order], alpha, beta) for order in shuffled], axis=0)


def curves(x: np.ndarray, t: np.ndarray, degrees: Sequence[int], alpha: float, beta: float) -> Curves:
    """Both scores of the polynomials of each degree, in nats; the better model has the greater ones."""
    features = [polynomial(x, degree) for degree in degrees]
    return Curves(
        np.array([log_evidence(phi, t, alpha, beta) for phi in features]),
        np.array([leave_one_out(phi, t, alpha, beta).sum() for phi in features]),
    )


def fit_precisions(
    phi: np.ndarray, t: np.ndarray, alpha: float = 1.0, beta: float = 1.0, tolerance: float = 1e-8, steps: int = 10_000
) -> tuple[float, float]:
    """alpha and beta at a maximum of the evidence, by MacKay's re-estimation: Bishop (3.91), (3.92), (3.95).

    gamma, the number of weights that the data determine, stands in both: alpha = gamma / |m|^2, and
    1 / beta = |t - phi m|^2 / (n - gamma).
    """
    eigenvalues = np.maximum(scipy.linalg.eigvalsh(phi.T @ phi), 0)
    for _ in range(steps):
        mean, _ = posterior(phi, t, alpha, beta)
        gamma = np.sum(beta * eigenvalues / (alpha + beta * eigenvalues))
        old, alpha = alpha, float(gamma / (mean @ mean))
        before, beta = beta, float((len(t) - gamma) / np.sum((t - phi @ mean) ** 2))
        if abs(np.log(alpha / old)) + abs(np.log(beta / before)) < tolerance:
            return alpha, beta
    raise InputError(f"alpha and beta did not settle in {steps} steps; give more data or fewer features.")
