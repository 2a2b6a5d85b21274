"""The likelihood ratio with a background model (Ren et al., 2019)."""

from typing import Any

import numpy as np

from dgm_tfp.errors import InputError
from dgm_tfp.ood.any_model import log_prob


def likelihood_ratio(model: Any, x: np.ndarray, background: Any) -> np.ndarray:
    """log p(x) - log p_background(x) in nats (n,).

    The background is a model of the same kind, trained on mutated images (`mutate`): it keeps what all images share,
    such as how many pixels are black, and forgets what they show. The difference is what is left of log p: what they
    show.
    """
    return log_prob(model, x) - log_prob(background, x)


def mutate(x: np.ndarray, rate: float, seed: int = 0, bins: int = 256) -> np.ndarray:
    """Integers of the shape and dtype of x: each value replaced with probability `rate` by a uniform level 0..bins - 1.

    The paper chooses the rate on a third data set; 0.1 to 0.3 served for its images.
    """
    if not 0 <= rate <= 1:
        raise InputError(f"rate is {rate}; expected a probability.")
    rng = np.random.default_rng(seed)
    return np.where(rng.random(x.shape) < rate, rng.integers(bins, size=x.shape), x).astype(x.dtype)
