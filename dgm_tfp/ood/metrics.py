"""How well a score tells one data set from another. Plain functions over arrays of scores.

The example to be found, the positive one, is `outside`, as in Hendrycks et al. (2019): an alarm is raised where the
score is low.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.stats

from dgm_tfp.errors import InputError

TPR = 0.95  # the share of `outside` that FPR95 asks to be found


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

    Raises:
      InputError: no scores, or NaN among them.
    """
    return _bootstrap(_area, inside, outside, resamples, seed)


def auprc(inside: np.ndarray, outside: np.ndarray, resamples: int = 500, seed: int = 0) -> Interval:
    """Area under the precision-recall curve of finding `outside` by a low score: the average precision.

    The sum over thresholds of (gain in recall) times precision; precision is the share of `outside` among the alarms.
    Chance is m / (n + m), not 0.5: it depends on how many there are of each. Arguments as in `auroc`.
    """
    return _bootstrap(_average_precision, inside, outside, resamples, seed)


def fpr_at_95_tpr(inside: np.ndarray, outside: np.ndarray, resamples: int = 500, seed: int = 0) -> Interval:
    """The share of `inside` that raises an alarm where the threshold finds 95 % of `outside`: 0 is best.

    Chance is 0.95. The other convention, alarms missed where 95 % of `inside` pass (Liang et al., 2018), is this
    function of (-outside, -inside). Arguments as in `auroc`.
    """
    return _bootstrap(_false_alarms, inside, outside, resamples, seed)


# A measure is a function of two histograms over the distinct scores in rising order: how many of `inside` and of
# `outside` have each. A bootstrap sample is another pair of histograms, so the scores are sorted once.


def _area(inside: np.ndarray, outside: np.ndarray) -> float:
    lower = np.cumsum(outside) - outside / 2  # of `outside` below each score, ties half
    return float(np.sum(inside * lower) / (inside.sum() * outside.sum()))


def _average_precision(inside: np.ndarray, outside: np.ndarray) -> float:
    found, alarms = np.cumsum(outside), np.cumsum(inside + outside)
    return float(np.sum(outside * found / np.maximum(alarms, 1)) / found[-1])


def _false_alarms(inside: np.ndarray, outside: np.ndarray) -> float:
    found = np.cumsum(outside)
    threshold = np.searchsorted(found, np.ceil(round(TPR * found[-1], 6)))  # 0.95 m may round to just above a count
    return float(inside[: threshold + 1].sum() / inside.sum())


def _bootstrap(
    measure: Callable[[np.ndarray, np.ndarray], float], inside, outside, resamples: int, seed: int
) -> Interval:
    scores = [np.asarray(inside, np.float64), np.asarray(outside, np.float64)]
    for name, values in zip(("inside", "outside"), scores, strict=True):
        if values.ndim != 1 or not len(values):
            raise InputError(f"the scores of `{name}` have the shape {values.shape}; expected (n,), n at least 1.")
        if missing := int(np.isnan(values).sum()):
            raise InputError(f"{missing} of the {len(values)} scores of `{name}` are NaN. Leave those examples out.")
    distinct, place = np.unique(np.concatenate(scores), return_inverse=True)
    places = np.split(place.ravel(), [len(scores[0])])
    rng = np.random.default_rng(seed)

    def histograms(sample: Callable[[np.ndarray], np.ndarray]) -> list[np.ndarray]:
        return [np.bincount(sample(place), minlength=len(distinct)) for place in places]

    drawn = [measure(*histograms(lambda place: rng.choice(place, len(place)))) for _ in range(resamples)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(measure(*histograms(lambda place: place)), float(low), float(high))
