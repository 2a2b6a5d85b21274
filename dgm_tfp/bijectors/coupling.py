"""Coupling: one half of the last axis is scaled and shifted by functions of the other half (Dinh et al., 2017)."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from dgm_tfp.bijectors.affine import affine_forward, affine_inverse, bounded
from dgm_tfp.bijectors.one_pass import OnePass


class Coupling(OnePass):
    """y_a = x_a;  y_b = x_b exp(s(x_a)) + t(x_a);  log abs det = sum s(x_a).

    The Jacobian is triangular, and the inverse needs s and t but never their inverses: they may be any network.
    Half a is the first half of the last axis (the smaller one where it is odd), or of its channels in `order`.

    Args:
      conditioner: a function from x_a to t, or to t and s side by side on the last axis; which of the two is told by
        the size of what it returns. With t alone the layer preserves volume (NICE; constant-volume Glow). The s that
        is used is `bounded`.
      order: a permutation of 0..c-1, the channels of half a first: the mask of the paper. As they come by default.
    """

    def __init__(
        self,
        conditioner: Callable[[tf.Tensor], tf.Tensor],
        event_ndims: int = 3,
        order: np.ndarray | None = None,
        name: str = "coupling",
    ):
        super().__init__(event_ndims, name=name)
        self.conditioner, self.order = conditioner, order

    def forward_and_log_det(self, x):
        a, b = self._halves(x)
        shift, log_scale = self._shift_and_log_scale(a, b)
        return self.joined([a, affine_forward(b, shift, log_scale)]), self._log_det(log_scale)

    def inverse_and_log_det(self, y):
        a, b = self._halves(y)
        shift, log_scale = self._shift_and_log_scale(a, b)
        return self.joined([a, affine_inverse(b, shift, log_scale)]), -self._log_det(log_scale)

    def rerun(self, x, tape):
        # Half a is the same on both sides, so that s and t, computed once, serve both ways.
        a, b = self._halves(x)
        tape.watch(a)
        shift, log_scale = self._shift_and_log_scale(a, b)
        with tape.stop_recording():
            b = affine_forward(b, shift, log_scale)
        tape.watch(b)
        return [a, b], self.joined([a, affine_inverse(b, shift, log_scale)]), -self._log_det(log_scale)

    def _shift_and_log_scale(self, a, b):
        out = tf.cast(self.conditioner(a), a.dtype)  # the network may compute in bfloat16, the density may not
        if out.shape[-1] == b.shape[-1]:
            return out, None
        shift, log_scale = tf.split(out, 2, axis=-1)
        return shift, bounded(log_scale)

    def _log_det(self, log_scale):
        if log_scale is None:
            return 0.0
        return tf.reduce_sum(log_scale, axis=list(range(-self.forward_min_event_ndims, 0)))

    def _halves(self, x):
        x = x if self.order is None else tf.gather(x, self.order, axis=-1)
        half = x.shape[-1] // 2
        return tf.split(x, [half, x.shape[-1] - half], axis=-1)

    def joined(self, parts):
        x = tf.concat(parts, axis=-1)
        return x if self.order is None else tf.gather(x, np.argsort(self.order), axis=-1)
