"""The multi-scale architecture as a recursion (Dinh et al., 2017, section 3.6)."""

import tensorflow as tf

from dgm_tfp.bijectors.one_pass import OnePass
from dgm_tfp.bijectors.squeeze import Squeeze


class MultiScale(OnePass):
    """Half of the noise enters at this scale, the other half through the same thing one scale coarser.

    From data to noise: squeeze; `steps`; half of the channels is noise already, the other half goes through `coarser`;
    unsqueeze. Noise and data have the same shape, so the recursion needs no bookkeeping.

    Args:
      steps: a bijector on (h/2, w/2, 4c).
      coarser: a bijector on (h/2, w/2, 2c), or None at the coarsest scale.
    """

    def __init__(self, steps: OnePass, coarser: "OnePass | None" = None, name: str = "multiscale"):
        super().__init__(event_ndims=3, name=name)
        self.steps, self.coarser = steps, coarser

    def inverse_and_log_det(self, y):
        squeeze = Squeeze.of(y.shape)
        h, log_det = self.steps.inverse_and_log_det(squeeze.forward(y))
        if self.coarser is not None:
            noise, rest = tf.split(h, 2, axis=-1)
            rest, term = self.coarser.inverse_and_log_det(rest)
            h, log_det = tf.concat([noise, rest], axis=-1), log_det + term
        return squeeze.inverse(h), log_det

    def forward_and_log_det(self, x):
        squeeze = Squeeze.of(x.shape)
        h, log_det = squeeze.forward(x), 0.0
        if self.coarser is not None:
            noise, rest = tf.split(h, 2, axis=-1)
            rest, log_det = self.coarser.forward_and_log_det(rest)
            h = tf.concat([noise, rest], axis=-1)
        h, term = self.steps.forward_and_log_det(h)
        return squeeze.inverse(h), log_det + term
