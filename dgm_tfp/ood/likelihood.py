"""The likelihood as a score, and its two terms under a flow."""

from typing import Any

import numpy as np

from dgm_tfp.models import Decomposition, Flow
from dgm_tfp.ood.any_model import log_prob
from dgm_tfp.ood.memory import remembered
from dgm_tfp.ood.score import NotApplicable


def likelihood(model: Any, x: np.ndarray) -> np.ndarray:
    """log p(x) in nats (n,), or the model's lower bound on it: Bishop's (1994) novelty detector.

    The score that Nalisnick et al. (2019) found to prefer the other data.
    """
    return log_prob(model, x)


def log_p_z(model: Any, x: np.ndarray) -> np.ndarray:
    """log p(z) of z = f(x) in nats (n,): the first term of a flow's likelihood (Nalisnick et al., 2019, figure 3a)."""
    return _parts(model, x).log_p_z


def log_volume(model: Any, x: np.ndarray) -> np.ndarray:
    """log abs det df/dx in nats (n,): the second term of a flow's likelihood (Nalisnick et al., 2019, figure 3b)."""
    return _parts(model, x).log_volume


@remembered
def _parts(model: Any, x: np.ndarray) -> Decomposition:
    if not isinstance(model, Flow):
        raise NotApplicable(f"{type(model).__name__} is no flow: its likelihood has no log p(z) and no volume.")
    return model.decompose(x)
