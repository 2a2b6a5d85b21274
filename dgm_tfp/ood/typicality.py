"""Typicality (Nalisnick et al., 2019b, "Detecting out-of-distribution inputs to deep generative models using
typicality"): a sample of p is not where log p is greatest, but where it is near its mean, minus the entropy.

    epsilon(x_1..x_M) = abs( -1/M sum log p(x_m) - H ),    H = -1/N sum log p(train_n)

All values are in nats per image. `train` is what the mean is taken over; a few thousand images do.
"""

from typing import Any

import numpy as np

from dgm_tfp.errors import InputError
from dgm_tfp.ood.any_model import log_prob


def typicality(model: Any, x: np.ndarray, train: np.ndarray) -> np.ndarray:
    """-epsilon of each image alone, (n,): minus the distance of log p(x) from its mean over the training images."""
    return batch_typicality(model, x, train, size=1)


def batch_typicality(model: Any, x: np.ndarray, train: np.ndarray, size: int = 10) -> np.ndarray:
    """-epsilon of groups of `size` images, (n // size,): x[:size], x[size:2 size], ...; a rest is left out.

    A group is judged as a whole: the images in it are taken to come from one source.

    Raises:
      InputError: fewer images than `size`.
    """
    if not 1 <= size <= len(x):
        raise InputError(f"size is {size} with {len(x)} images; expected 1 to {len(x)}.")
    groups = log_prob(model, x)[: len(x) // size * size].reshape(-1, size)
    return -np.abs(groups.mean(axis=1) - log_prob(model, train).mean())


def typicality_threshold(
    model: Any,
    train: np.ndarray,
    size: int = 10,
    alpha: float = 0.01,
    validation: np.ndarray | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> float:
    """The epsilon above which a group is called atypical: of groups like the training data a share `alpha` is.

    The paper's algorithm 1: groups are drawn with replacement from held-out images, and the threshold is the quantile
    1 - alpha of their epsilon. A group of `x` is rejected where -batch_typicality(model, x, train, size) exceeds it.

    Args:
      size: M, images in a group.
      alpha: the share of false alarms.
      validation: images that the model was not trained on; `train` by default, which a model that overfits finds more
        likely than new images of the same kind: the threshold is then too tight.
      resamples: groups drawn.
      seed: of the draws.
    """
    if not 0 < alpha < 1:
        raise InputError(f"alpha is {alpha}; expected a share of false alarms between 0 and 1.")
    values = log_prob(model, train if validation is None else validation)
    groups = np.random.default_rng(seed).choice(values, (resamples, size)).mean(axis=1)
    return float(np.quantile(np.abs(groups - log_prob(model, train).mean()), 1 - alpha))
