"""Dataset shift: test data whose p(x, y) is not that of the training data (Moreno-Torres et al., 2012).

    covariate           p(x) changes,    p(y given x) stays
    prior probability   p(y) changes,    p(x given y) stays
    concept             p(y given x) changes,    p(x) stays

Each function makes such a set out of a labelled one by dropping rows or by drawing labels anew, and repeats no row.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from dgm_tfp.errors import InputError


class Labelled(NamedTuple):
    """Objects (n, ...) and their labels (n,)."""

    x: np.ndarray
    y: np.ndarray


def covariate(x: np.ndarray, y: np.ndarray, weight: Callable[[np.ndarray], np.ndarray], seed: int = 0) -> Labelled:
    """Rows kept with a probability that depends on x alone, so p'(x) = p(x) w(x) / E w, and p(y given x) stays.

    It is rejection sampling with the data themselves as the proposal: a row is kept with probability w(x) / max w.

    Args:
      x: objects (n, ...).
      y: labels (n,).
      weight: w, from objects (n, ...) to numbers (n,), not negative; only their ratios matter.
    """
    _same_length(x, y)
    w = np.asarray(weight(x), np.float64)
    if w.shape != (len(x),) or not np.isfinite(w).all() or (w < 0).any() or w.max() <= 0:
        raise InputError(f"weight(x) must be {len(x)} finite numbers, not negative and not all zero; got {w.shape}.")
    keep = np.random.default_rng(seed).random(len(x)) * w.max() < w
    return Labelled(x[keep], y[keep])


def prior_probability(x: np.ndarray, y: np.ndarray, shares: Mapping[int, float], seed: int = 0) -> Labelled:
    """As many rows as there can be with given shares of the classes; within a class rows are dropped at random.

    So p'(y) is as given, up to rounding, and p(x given y) stays. The order of the rows is kept.

    Args:
      x: objects (n, ...).
      y: labels (n,).
      shares: p'(y) of each class that is to be there; divided by their sum.
    """
    _same_length(x, y)
    total = float(sum(shares.values()))
    if total <= 0 or min(shares.values()) < 0:
        raise InputError(f"shares are {dict(shares)}; expected numbers that are not negative, and not all zero.")
    wanted = {label: share / total for label, share in shares.items() if share > 0}
    rows = {label: np.flatnonzero(y == label) for label in wanted}
    if missing := [label for label in wanted if not len(rows[label])]:
        raise InputError(f"there is no row of class {missing[0]}; the classes are {np.unique(y).tolist()}.")
    n = min(len(rows[label]) / share for label, share in wanted.items())
    rng = np.random.default_rng(seed)
    chosen = [rng.choice(rows[label], round(n * share), replace=False) for label, share in wanted.items()]
    keep = np.sort(np.concatenate(chosen))
    return Labelled(x[keep], y[keep])


def concept(
    x: np.ndarray,
    y: np.ndarray,
    transition: np.ndarray | Callable[[np.ndarray], np.ndarray],
    seed: int = 0,
) -> Labelled:
    """The same objects with labels drawn anew: p'(y given x) = sum over c of p(c given x) T[c, y], and p(x) stays.

    Args:
      x: objects (n, ...).
      y: labels (n,), integers 0..K-1.
      transition: T (K, K), its rows probabilities: from the old label to the new one; or a function from x to
        (n, K, K), where the change depends on x.
    """
    _same_length(x, y)
    table = np.asarray(transition(x) if callable(transition) else transition, np.float64)
    classes = table.shape[-1]
    if table.shape not in ((classes, classes), (len(x), classes, classes)):
        raise InputError(f"transition has the shape {table.shape}; expected (K, K) or ({len(x)}, K, K).")
    if (table < 0).any() or not np.allclose(table.sum(axis=-1), 1):
        raise InputError("transition must hold probabilities: not negative, each row with the sum 1.")
    if y.min() < 0 or y.max() >= classes:
        raise InputError(f"labels are {y.min()}..{y.max()}; transition knows 0..{classes - 1}.")
    rows = table[y] if table.ndim == 2 else table[np.arange(len(y)), y]  # (n, K)
    cumulative = np.cumsum(rows, axis=1)
    u = np.random.default_rng(seed).random((len(y), 1)) * cumulative[:, -1:]
    return Labelled(x, (u >= cumulative).sum(axis=1).astype(y.dtype))


def _same_length(x: np.ndarray, y: np.ndarray) -> None:
    if len(x) != len(y) or not len(x):
        raise InputError(f"{len(x)} objects and {len(y)} labels; expected as many, and at least one.")
