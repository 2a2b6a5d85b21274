"""The affine law y = x exp(s) + t, written once: every bijector that scales and shifts uses it."""

import tensorflow as tf

from dgm_tfp.bijectors.one_pass import OnePass


def affine_forward(x, shift, log_scale):
    """y = x exp(log_scale) + shift. `log_scale=None` is the volume-preserving y = x + shift."""
    return x + shift if log_scale is None else x * tf.exp(log_scale) + shift


def affine_inverse(y, shift, log_scale):
    """x = (y - shift) exp(-log_scale)."""
    return y - shift if log_scale is None else (y - shift) * tf.exp(-log_scale)


def bounded(log_scale):
    """The s that is used of the one that a network returned: its tanh, so that no chain of layers can overflow."""
    return tf.tanh(log_scale)


class AffineLaw:
    """y = x exp(s) + t for one number, with results t and s, or y = x + t with the result t alone.

    A law has `forward`, noise to data, and `inverse`, data to noise; each returns the value and the logarithm of its
    slope, None where it is 0 everywhere. Results are what a network gives for each x: a list of one or two tensors of
    the shape of x. The s that is used is `bounded`. Results of zero are the identity.
    """

    outputs = 2

    def forward(self, x, results):
        shift, log_scale = _shift_and_log_scale(results)
        return affine_forward(x, shift, log_scale), log_scale

    def inverse(self, y, results):
        shift, log_scale = _shift_and_log_scale(results)
        return affine_inverse(y, shift, log_scale), None if log_scale is None else -log_scale


def _shift_and_log_scale(results):
    shift, *log_scale = results
    return shift, bounded(log_scale[0]) if log_scale else None


class Affine(OnePass):
    """The same shift and scale for every example: y = x exp(log_scale) + shift.

    `shift` and `log_scale` (tensors, or Keras variables, read at each use) broadcast against an example. A parameter of
    shape (c,) on an image of (h, w, c) acts h w times: log abs det = h w sum(log_scale).
    """

    def __init__(self, shift, log_scale, event_ndims: int = 3, name: str = "affine"):
        super().__init__(event_ndims, name=name)
        self.shift, self.log_scale = shift, log_scale

    def forward_and_log_det(self, x):
        shift, log_scale = self._parameters_for(x)
        return affine_forward(x, shift, log_scale), self._log_det(x, log_scale)

    def inverse_and_log_det(self, y):
        shift, log_scale = self._parameters_for(y)
        return affine_inverse(y, shift, log_scale), -self._log_det(y, log_scale)

    def _parameters_for(self, x):
        return tf.convert_to_tensor(self.shift, x.dtype), tf.convert_to_tensor(self.log_scale, x.dtype)

    def _log_det(self, x, log_scale):
        event_size = x.shape[-self.forward_min_event_ndims :].num_elements()
        return tf.reduce_sum(log_scale) * (event_size / log_scale.shape.num_elements())
