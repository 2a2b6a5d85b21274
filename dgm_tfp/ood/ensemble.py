"""WAIC of an ensemble (Choi et al., 2018, "WAIC, but why?")."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dgm_tfp.ood.any_model import log_prob
from dgm_tfp.ood.score import NotApplicable


def waic(models: Sequence[Any], x: np.ndarray) -> np.ndarray:
    """E_k[log p_k(x)] - Var_k[log p_k(x)], (n,), over models that differ in their seed: where they disagree, low.

    The mean is in nats, the variance in nats squared, and the paper adds them as they are. The variance has K - 1
    below it: the models are a sample of all that could have been trained.

    Raises:
      NotApplicable: one model, which has no variance.
    """
    if not isinstance(models, list | tuple) or len(models) < 2:
        raise NotApplicable("WAIC needs an ensemble: a list of two or more models.")
    log_probs = np.stack([log_prob(model, x) for model in models])
    return log_probs.mean(axis=0) - log_probs.var(axis=0, ddof=1)
