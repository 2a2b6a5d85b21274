"""One door to the likelihood of any model."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from tensorflow_probability import distributions as tfd

from dgm_tfp.errors import InputError
from dgm_tfp.models import Generative, Likelihood
from dgm_tfp.ood.memory import remembered
from dgm_tfp.ood.score import NotApplicable


@remembered
def log_prob(model: Any, x: np.ndarray, batch_size: int = 250) -> np.ndarray:
    """log p(x) in nats (n,), or the model's lower bound on it.

    Args:
      model: one of

        - a `dgm_tfp.models.Likelihood`;
        - a `tfd.Distribution` over one example, its batch shape (): it gets x in its own dtype and nothing is added,
          so for a density over bytes dequantize x first (`dgm_tfp.bits.dequantize`);
        - any object with a method `log_prob`, also a `keras.Model`: it gets NumPy batches of x, as they are;
        - a `keras.Model` without one, whose call returns log p(x), (batch,).

      x: examples (n, ...), as the model takes them.
      batch_size: how many at a time.

    Raises:
      NotApplicable: the model has no likelihood.
      InputError: x is not what the model takes, or what it returns is not one finite number an example.
    """
    if isinstance(model, list | tuple):
        raise NotApplicable(f"an ensemble of {len(model)} models has no one likelihood.")
    if isinstance(model, Likelihood):  # x may be a pair here: such a model checks what it is given
        values = model.log_prob(x, batch_size=batch_size)
        return _checked(values, len(values), model)
    x = np.asarray(x)
    if x.ndim < 1 or not len(x):
        raise InputError(f"there are no examples to score: x has the shape {x.shape}. Pass at least one.")
    call = _function(model, x)
    parts = []
    for start in range(0, len(x), batch_size):
        batch = x[start : start + batch_size]
        try:
            values = np.asarray(call(batch))
        except InputError:
            raise
        except Exception as error:  # somebody else's code: whatever it raises, on what it was given
            raise InputError(
                f"log_prob of {_name(model)} failed on {batch.dtype.name} {batch.shape}: "
                f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            ) from error
        parts.append(_checked(values, len(batch), model))
    return np.concatenate(parts)


def _function(model: Any, x: np.ndarray) -> Callable[[np.ndarray], Any]:
    """What gives log p of a batch."""
    if isinstance(model, tfd.Distribution):
        return _distribution(model, x)
    if callable(getattr(model, "log_prob", None)):
        return model.log_prob
    if isinstance(model, keras.Model) and type(model).call is not keras.Model.call:
        if isinstance(model, Generative):
            raise NotApplicable(f"{_name(model)} has no likelihood: its scores are of another kind.")
        return lambda batch: model(batch, training=False)
    raise NotApplicable(f"{_name(model)} has no method log_prob. Give it one, from examples (n, ...) to nats (n,).")


def _distribution(distribution: tfd.Distribution, x: np.ndarray) -> Callable[[np.ndarray], Any]:
    name, dtype = _name(distribution), distribution.dtype
    if not hasattr(dtype, "as_numpy_dtype"):
        raise InputError(f"{name} is a joint distribution of several parts; expected one over arrays of one shape.")
    batch_shape, event_shape = (tuple(shape) for shape in (distribution.batch_shape, distribution.event_shape))
    if batch_shape != ():
        raise InputError(
            f"{name} has the batch shape {batch_shape}: it is many distributions. "
            f"Make it one over whole examples: tfd.Independent(distribution, {len(batch_shape)})."
        )
    if event_shape != x.shape[1:]:
        raise InputError(
            f"{name} models examples of shape {event_shape}, got {x.shape[1:]}. Pass (n, *event_shape), or tfd.Reshape."
        )
    return lambda batch: distribution.log_prob(batch.astype(dtype.as_numpy_dtype))


def _checked(values: np.ndarray, n: int, model: Any) -> np.ndarray:
    if values.shape != (n,) or values.dtype.kind not in "fiu":
        raise InputError(
            f"log_prob of {_name(model)} returned {values.dtype.name} {values.shape} for {n} examples; "
            f"expected ({n},), one number for each. Sum it over the axes of an example."
        )
    if not np.isfinite(values).all():
        found = ", ".join(sorted({str(value) for value in values[~np.isfinite(values)]}))
        raise InputError(
            f"log_prob of {_name(model)} is {found} for {(~np.isfinite(values)).sum()} of {n} examples. A mean or a "
            "rank of these means nothing: give the model a positive density everywhere, or clip what it returns."
        )
    return values


def _name(model: Any) -> str:
    return type(model).__name__
