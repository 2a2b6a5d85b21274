"""A bijector for each example, chosen by its conditioning vector."""

from collections.abc import Callable

import tensorflow as tf

from dgm_tfp.bijectors.one_pass import OnePass


class Conditional(OnePass):
    """y = f(x; c) for each example's own c, and log abs det dy/dx at that c.

    Like `BatchAxes` it takes any number of batch axes; those of x and c broadcast against each other.

    Args:
      make: a function from conditioning vectors (n, k) to a bijector on n examples.
      conditioning: c, of shape (..., k).
      event_ndims: of the bijector that is made.
    """

    def __init__(
        self,
        make: Callable[[tf.Tensor], OnePass],
        conditioning: tf.Tensor,
        event_ndims: int,
        name: str = "conditional",
    ):
        super().__init__(event_ndims, name=name)
        self.make, self.conditioning = make, conditioning

    def forward_and_log_det(self, x):
        x, conditioning, batch_shape = self._flat(x)
        return _shaped(batch_shape, x, *self.make(conditioning).forward_and_log_det(x))

    def inverse_and_log_det(self, y):
        y, conditioning, batch_shape = self._flat(y)
        return _shaped(batch_shape, y, *self.make(conditioning).inverse_and_log_det(y))

    def _flat(self, x):
        """x and c with one batch axis, and what it stands for."""
        event_shape = x.shape[-self.forward_min_event_ndims :]
        conditioning = self.conditioning
        axes = tf.broadcast_dynamic_shape(tf.shape(x)[: -self.forward_min_event_ndims], tf.shape(conditioning)[:-1])
        x = tf.broadcast_to(x, tf.concat([axes, event_shape], axis=0))
        conditioning = tf.broadcast_to(conditioning, tf.concat([axes, conditioning.shape[-1:]], axis=0))
        return tf.reshape(x, [-1, *event_shape]), tf.reshape(conditioning, [-1, conditioning.shape[-1]]), axes


def _shaped(batch_shape, flat, y, log_det):
    y = tf.reshape(y, tf.concat([batch_shape, tf.shape(y)[1:]], axis=0))
    return y, tf.reshape(tf.broadcast_to(log_det, tf.shape(flat)[:1]), batch_shape)
