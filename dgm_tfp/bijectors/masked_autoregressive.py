"""The masked autoregressive bijector (Papamakarios et al., 2017)."""

import tensorflow as tf

from dgm_tfp.bijectors.affine import AffineLaw
from dgm_tfp.bijectors.one_pass import OnePass
from dgm_tfp.networks.made import MADE


class MaskedAutoregressive(OnePass):
    """z_d = (y_d - t_d) exp(-s_d), with t_d and s_d functions of y_<d;  log abs det dz/dy = -sum s (section 3.1).

    From data to noise it is one pass of the network. From noise to data y_d needs y_<d: the dimensions are found one
    after another, which costs about one more pass in all (`MADE.in_order`), not D.

    Args:
      made: a network with as many outputs per input as the law has results: of the affine law one, t, or two, t and s.
        With t alone volume is preserved.
      context: (batch, `made.context`), the conditioning of each example.
      law: what happens to each dimension, an `AffineLaw` by default or a `SplineLaw`.
    """

    def __init__(self, made: MADE, context: tf.Tensor | None = None, law=None, name: str = "masked_autoregressive"):
        super().__init__(event_ndims=1, name=name)
        self.made, self.context, self.law = made, context, law or AffineLaw()

    def inverse_and_log_det(self, y):
        results = tf.cast(self.made(y, self.context), y.dtype)
        z, log_slope = self.law.inverse(y, tf.unstack(results, axis=1))
        return z, _log_det(log_slope)

    def forward_and_log_det(self, x):
        y, results = self.made.in_order(
            lambda x_d, result: self.law.forward(x_d, tf.unstack(result))[0], x, self.context
        )
        return y, _log_det(self.law.forward(x, tf.unstack(results, axis=1))[1])


def _log_det(log_slope):
    return 0.0 if log_slope is None else tf.reduce_sum(log_slope, axis=-1)
