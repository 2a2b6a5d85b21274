"""How well a score tells one data set from another. Plain functions over arrays of scores."""

from typing import NamedTuple

import numpy as np
import scipy.stats
from sklearn.metrics import roc_auc_score


class Interval(NamedTuple):
    """An estimate with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


class Mean(NamedTuple):
    """A mean with its standard error."""

    mean: float
    se: float


def mean(values: np.ndarray) -> Mean:
    """The mean of a sample and its standard error, s / sqrt(n), with n - 1 in s; with one value it is not a number."""
    se = float(scipy.stats.sem(values)) if len(values) > 1 else float("nan")
    return Mean(float(np.mean(values)), se)


def auroc(inside: np.ndarray, outside: np.ndarray, resamples: int = 500, seed: int = 0) -> Interval:
    """Area under the ROC curve of telling `outside` by a low score, with a percentile bootstrap interval of 95 %.

    It is the probability that a random example of `inside` scores higher than one of `outside` (ties count half).
    0.5: the score knows nothing. Below 0.5: it *prefers* the other data, the paradox of Nalisnick et al. (2019).

    Args:
      inside: scores (n,) of data like the training set; higher should mean more in-distribution.
      outside: scores (m,) of the other data.
      resamples: how many bootstrap samples, each drawn from both sets apart.
      seed: of the bootstrap.
    """

    def area(a, b):
        return roc_auc_score(np.r_[np.ones(len(a)), np.zeros(len(b))], np.r_[a, b])

    rng = np.random.default_rng(seed)
    areas = [area(rng.choice(inside, len(inside)), rng.choice(outside, len(outside))) for _ in range(resamples)]
    low, high = np.quantile(areas, [0.025, 0.975])
    return Interval(float(area(inside, outside)), float(low), float(high))
