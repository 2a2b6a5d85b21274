"""New objects from a distribution that one has: inverse CDF, rejection sampling, bootstrap."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.integrate
import scipy.stats

from dgm_tfp.errors import InputError

MARGIN = 1e-9  # relative: k q may touch p, and rounding then puts p above it


class Rejection(NamedTuple):
    """What rejection sampling gave: `samples` (n, ...), and `acceptance`, the share of all proposals that were kept."""

    samples: np.ndarray
    acceptance: float


class Bootstrap(NamedTuple):
    """An estimate, the ends of its interval, its standard error, and the statistic of each resample, (resamples,)."""

    value: float
    low: float
    high: float
    se: float
    resampled: np.ndarray


def inverse_cdf(ppf: Callable[[np.ndarray], np.ndarray], n: int, rng: np.random.Generator) -> np.ndarray:
    """n samples F^-1(u) with u uniform on [0, 1): P(F^-1(u) <= t) = P(u <= F(t)) = F(t).

    Args:
      ppf: F^-1, from probabilities (n,) to values (n,): `scipy.stats.gamma(2).ppf`, or one of the functions below.
    """
    return ppf(rng.random(n))


def exponential_ppf(rate: float) -> Callable[[np.ndarray], np.ndarray]:
    """F^-1(u) = -ln(1 - u) / rate of the density rate exp(-rate t), t >= 0."""
    if rate <= 0:
        raise InputError(f"rate is {rate}; an exponential density needs a positive one.")
    return lambda u: -np.log1p(-u) / rate


def discrete_ppf(probabilities: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """F^-1(u) of the categories 0..K-1: the first whose cumulative probability exceeds u.

    Args:
      probabilities: (K,), not negative; divided by their sum.
    """
    probabilities = np.asarray(probabilities, np.float64)
    if (probabilities < 0).any() or probabilities.sum() <= 0:
        raise InputError("probabilities must not be negative, nor all zero.")
    cumulative = np.cumsum(probabilities) / probabilities.sum()
    last = np.flatnonzero(probabilities)[-1]  # rounding may leave the sum just below 1
    return lambda u: np.minimum(np.searchsorted(cumulative, u, side="right"), last)


def grid_ppf(density: Callable[[np.ndarray], np.ndarray], grid: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """F^-1 by table: the CDF of a density, normalised or not, summed by trapezoids and joined by straight lines.

    Args:
      density: from points (m,) to heights (m,), not negative.
      grid: (m,), increasing; what lies beyond its ends is never drawn.
    """
    heights = np.asarray(density(grid), np.float64)
    if (heights < 0).any() or not np.isfinite(heights).all():
        raise InputError("the density is negative or not finite somewhere on the grid.")
    cumulative = scipy.integrate.cumulative_trapezoid(heights, grid, initial=0.0)
    if cumulative[-1] <= 0:
        raise InputError("the density is zero on the whole grid; give a grid where it is not.")
    # Where F is flat `interp` takes the right end for the left one: nothing is drawn in between.
    return lambda u: np.interp(u, cumulative / cumulative[-1], grid)


def rejection(
    target: Callable[[np.ndarray], np.ndarray],
    proposal: Any,
    k: float,
    n: int,
    rng: np.random.Generator,
    batch_size: int = 10_000,
    max_proposals: int = 10_000_000,
) -> Rejection:
    """n samples of the target: draw z ~ q and u ~ U(0, k q(z)), keep z where u <= p(z) (Bishop, 2006, 11.1.2).

    (z, u) is uniform under k q, so what is kept is uniform under p, and the share that is kept is Z / k, Z the
    integral of p.

    Args:
      target: p, from points (m, ...) to heights (m,); it need not integrate to 1.
      proposal: q, normalised, a frozen distribution with SciPy's `pdf` and `rvs(size, random_state)`.
      k: with k q(z) >= p(z) everywhere; looked at in every point that is drawn.
      max_proposals: gives up after so many.

    Raises:
      InputError: k q < p in some point, or n samples were not reached.
    """
    kept: list[np.ndarray] = []
    accepted = proposed = 0
    while accepted < n:
        z = proposal.rvs(size=batch_size, random_state=rng)
        p, ceiling = np.asarray(target(z)), k * proposal.pdf(z)
        if (p > ceiling * (1 + MARGIN)).any():
            worst = int(np.argmax(p / ceiling))
            raise InputError(
                f"k q(z) = {ceiling[worst]:.4g} is less than p(z) = {p[worst]:.4g} at z = {np.round(z[worst], 3)}: "
                f"k must be at least {k * p[worst] / ceiling[worst]:.4g}. Take a greater k, or a wider proposal."
            )
        keep = rng.random(batch_size) * ceiling <= p
        kept.append(z[keep & (ceiling > 0)])
        accepted, proposed = accepted + len(kept[-1]), proposed + batch_size
        if proposed >= max_proposals and accepted < n:
            raise InputError(
                f"{accepted} of {n} samples after {proposed} proposals: the acceptance rate, the integral of p over k, "
                "is too small. Take a proposal closer to the target, or a greater max_proposals."
            )
    return Rejection(np.concatenate(kept)[:n], accepted / proposed)


def bootstrap(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], float],
    confidence: float = 0.95,
    method: str = "bca",
    resamples: int = 2000,
    seed: int = 0,
) -> Bootstrap:
    """An interval for statistic(F) with the empirical F_n in place of the unknown F (Efron and Tibshirani, 1993).

    `scipy.stats.bootstrap` does it, on the numbers of the rows and not on the values: it resamples each column apart,
    and here a row may be a point, or an object with its label, that must stay whole.

    Args:
      values: (n, ...), one row an observation.
      statistic: from rows (n, ...) to a number.
      method: "percentile", or "bca", which corrects for bias and for a spread that changes with the value.
    """
    values = np.asarray(values)
    if method not in ("percentile", "bca"):
        raise InputError(f"method is {method!r}; expected 'percentile' or 'bca'.")
    if len(values) < 2 or (values == values[:1]).all():
        raise InputError(f"{len(values)} rows, all alike: nothing to resample; expected at least two that differ.")
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):  # what fails is an error below, with a remedy
        warnings.simplefilter("ignore", scipy.stats.DegenerateDataWarning)
        result = scipy.stats.bootstrap(
            (np.arange(len(values)),),
            lambda rows: statistic(values[rows]),
            n_resamples=resamples,
            vectorized=False,
            confidence_level=confidence,
            method=method,
            random_state=np.random.default_rng(seed),
        )
    low, high = result.confidence_interval
    if np.isnan([low, high]).any():
        raise InputError("the statistic does not move when a row is left out: no BCa interval; take 'percentile'.")
    resampled = result.bootstrap_distribution
    return Bootstrap(float(statistic(values)), float(low), float(high), float(result.standard_error), resampled)
