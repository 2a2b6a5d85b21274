"""The masked autoregressive bijector (Papamakarios et al., 2017)."""

import tensorflow as tf

from dgm_tfp.bijectors.affine import affine_forward, affine_inverse, bounded
from dgm_tfp.bijectors.one_pass import OnePass
from dgm_tfp.networks.made import MADE


class MaskedAutoregressive(OnePass):
    """z_d = (y_d - t_d) exp(-s_d), with t_d and s_d functions of y_<d;  log abs det dz/dy = -sum s (section 3.1).

    From data to noise it is one pass of the network. From noise to data y_d needs y_<d: the dimensions are found one
    after another, which costs about one more pass in all (`MADE.in_order`), not D.

    Args:
      made: a network with one output per input, t, or two, t and s. With t alone volume is preserved. The s that is
        used is `bounded`.
      context: (batch, `made.context`), the conditioning of each example.
    """

    def __init__(self, made: MADE, context: tf.Tensor | None = None, name: str = "masked_autoregressive"):
        super().__init__(event_ndims=1, name=name)
        self.made, self.context = made, context

    def inverse_and_log_det(self, y):
        results = tf.cast(self.made(y, self.context), y.dtype)
        shift, log_scale = _shift_and_log_scale(tf.unstack(results, axis=1))
        return affine_inverse(y, shift, log_scale), -_log_det(log_scale)

    def forward_and_log_det(self, x):
        y, results = self.made.in_order(
            lambda x_d, result: affine_forward(x_d, *_shift_and_log_scale(tf.unstack(result))), x, self.context
        )
        return y, _log_det(_shift_and_log_scale(tf.unstack(results, axis=1))[1])


def _shift_and_log_scale(results: list[tf.Tensor]):
    return results[0], (bounded(results[1]) if len(results) > 1 else None)


def _log_det(log_scale):
    return 0.0 if log_scale is None else tf.reduce_sum(log_scale, axis=-1)
