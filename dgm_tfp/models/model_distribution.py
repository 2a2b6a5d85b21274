"""The law of a model's examples as a `tfd.Distribution`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

if TYPE_CHECKING:
    from dgm_tfp.models.generative import Generative


class ModelDistribution(tfd.Distribution):
    """p(x) of a model, for x of its `event_shape`. Like the bijectors of a flow it reads the weights at each use.

    A subclass gives `_log_prob` and `_sample_n`.

    Args:
      model: whose examples they are.
      parameters: what the subclass was constructed with, by name.
      name: of the distribution.
    """

    def __init__(self, model: Generative, parameters: dict[str, Any], name: str):
        self._model = model
        super().__init__(
            dtype=tf.as_dtype(model.variable_dtype),
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {}

    def _event_shape(self):
        return tf.TensorShape(self._model.event_shape)

    def _event_shape_tensor(self):
        return tf.constant(self._model.event_shape)

    def _batch_shape(self):
        return tf.TensorShape([])

    def _batch_shape_tensor(self):
        return tf.constant([], tf.int32)
