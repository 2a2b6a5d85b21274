"""One door to the likelihood of any model."""

from typing import Any

import numpy as np


def log_prob(model: Any, x: np.ndarray) -> np.ndarray:
    """log p(x) in nats (n,) under any model with `log_prob`."""
    return np.asarray(model.log_prob(x))
