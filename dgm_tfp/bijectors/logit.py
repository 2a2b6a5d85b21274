"""The logit transform of pixels (Dinh et al., 2017, section 4.1; Papamakarios et al., 2017, section 4.2)."""

import math

import tensorflow as tf

from dgm_tfp.bijectors.one_pass import OnePass


class LogitPixels(OnePass):
    """Real numbers to pixels in (0, bins), and back by x = logit(alpha + (1 - 2 alpha) y / bins).

    A flow on the real line need not learn where the pixels end: no density is spent beyond black and white. alpha keeps
    the two finite. With p = sigmoid(x) = alpha + (1 - 2 alpha) y / bins, per pixel::

        log dx/dy = log((1 - 2 alpha) / bins) - log p - log(1 - p)

    Forward takes every real x: what lies outside [logit(alpha), logit(1 - alpha)] goes to just outside [0, bins].

    Args:
      alpha: in (0, 1/2): 1e-6 for MNIST and 0.05 for CIFAR-10 in Papamakarios et al.
      bins: 256 for bytes.
    """

    def __init__(self, alpha: float, bins: int, event_ndims: int = 3, name: str = "logit_pixels"):
        super().__init__(event_ndims, name=name)
        self.alpha, self.bins = alpha, bins

    def forward_and_log_det(self, x):
        y = self.bins * (tf.sigmoid(x) - self.alpha) / (1 - 2 * self.alpha)
        return y, -self._log_det(x)

    def inverse_and_log_det(self, y):
        p = self.alpha + (1 - 2 * self.alpha) * y / self.bins
        q = self.alpha + (1 - 2 * self.alpha) * (self.bins - y) / self.bins  # 1 - p, without its rounding near white
        x = tf.math.log(p) - tf.math.log(q)
        return x, self._log_det(x)

    def _log_det(self, x):
        """log abs det dx/dy; -log p = softplus(-x) and -log(1 - p) = softplus(x)."""
        terms = math.log((1 - 2 * self.alpha) / self.bins) + tf.nn.softplus(-x) + tf.nn.softplus(x)
        return tf.reduce_sum(terms, axis=list(range(-self.forward_min_event_ndims, 0)))
