"""One door to the likelihood of any model."""

from typing import Any

import numpy as np

from dgm_tfp.ood.memory import remembered
from dgm_tfp.ood.score import NotApplicable


@remembered
def log_prob(model: Any, x: np.ndarray) -> np.ndarray:
    """log p(x) in nats (n,) under any model with `log_prob`."""
    if isinstance(model, list | tuple):
        raise NotApplicable(f"an ensemble of {len(model)} models has no one likelihood.")
    return np.asarray(model.log_prob(x))
