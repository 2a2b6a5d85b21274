"""Coupling: one half of the last axis is scaled and shifted by functions of the other half (Dinh et al., 2017)."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from dgm_tfp.bijectors.affine import AffineLaw
from dgm_tfp.bijectors.one_pass import OnePass
from dgm_tfp.bijectors.spline import SplineLaw


class Coupling(OnePass):
    """y_a = x_a;  y_b = x_b exp(s(x_a)) + t(x_a);  log abs det = sum s(x_a).

    The Jacobian is triangular, and the inverse needs s and t but never their inverses: they may be any network.
    Half a is the first half of the last axis (the smaller one where it is odd), or of its channels in `order`.

    Args:
      conditioner: a function from x_a to the law's results, side by side on the last axis: of the affine law to t and
        s, or to t alone; which of the two is told by the size of what it returns. With t alone the layer preserves
        volume (NICE; constant-volume Glow). The s that is used is `bounded`.
      order: a permutation of 0..c-1, the channels of half a first: the mask of the paper. As they come by default.
      law: what happens to each number of half b, an `AffineLaw` by default or a `SplineLaw`.
    """

    def __init__(
        self,
        conditioner: Callable[[tf.Tensor], tf.Tensor],
        event_ndims: int = 3,
        order: np.ndarray | None = None,
        law: AffineLaw | SplineLaw | None = None,
        name: str = "coupling",
    ):
        super().__init__(event_ndims, name=name)
        self.conditioner, self.order, self.law = conditioner, order, law or AffineLaw()

    def forward_and_log_det(self, x):
        a, b = self._halves(x)
        b, log_slope = self.law.forward(b, self._results(a, b))
        return self._joined(a, b), self._log_det(log_slope)

    def inverse_and_log_det(self, y):
        a, b = self._halves(y)
        b, log_slope = self.law.inverse(b, self._results(a, b))
        return self._joined(a, b), self._log_det(log_slope)

    def _results(self, a, b):
        out = tf.cast(self.conditioner(a), a.dtype)  # the network may compute in bfloat16, the density may not
        return tf.split(out, out.shape[-1] // b.shape[-1], axis=-1)

    def _log_det(self, log_slope):
        if log_slope is None:
            return 0.0
        return tf.reduce_sum(log_slope, axis=list(range(-self.forward_min_event_ndims, 0)))

    def _halves(self, x):
        x = x if self.order is None else tf.gather(x, self.order, axis=-1)
        half = x.shape[-1] // 2
        return tf.split(x, [half, x.shape[-1] - half], axis=-1)

    def _joined(self, a, b):
        x = tf.concat([a, b], axis=-1)
        return x if self.order is None else tf.gather(x, np.argsort(self.order), axis=-1)
