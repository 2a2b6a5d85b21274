"""The invertible 1x1 convolution: a learned mixing of channels (Kingma & Dhariwal, 2018, section 3.2)."""

import keras
import numpy as np
import scipy.linalg
import scipy.stats
import tensorflow as tf

from dgm_tfp.bijectors.one_pass import OnePass


class ChannelMix(OnePass):
    """From data to noise, at every pixel: z = W x with W = P L (U + diag(s)); log abs det = h w sum(log abs s).

    The decomposition makes the determinant a sum and the inverse two triangular solves.

    Args:
      packed: (c, c). Below the diagonal L (whose own diagonal is ones), above it U, on it log abs s.
      sign: (c,), the signs of s.
      permutation: (c, c), the matrix P.
    """

    def __init__(self, packed, sign, permutation, name: str = "channel_mix"):
        super().__init__(event_ndims=3, name=name)
        self.packed, self.sign, self.permutation = packed, sign, permutation

    def _factors(self, dtype):
        """P, L, U + diag(s) and log abs s. The triangles are cut out by masks: fewer ops to trace than band_part."""
        packed, sign, permutation = (tf.convert_to_tensor(p, dtype) for p in (self.packed, self.sign, self.permutation))
        below = np.tril(np.ones(packed.shape), -1)
        log_abs_s = tf.linalg.diag_part(packed)
        lower = packed * tf.constant(below, dtype) + tf.eye(packed.shape[0], dtype=dtype)
        upper = packed * tf.constant(below.T, dtype) + tf.linalg.diag(sign * tf.exp(log_abs_s))
        return permutation, lower, upper, log_abs_s

    def inverse_and_log_det(self, y):
        permutation, lower, upper, log_abs_s = self._factors(y.dtype)
        return _at_every_pixel(permutation @ lower @ upper, y), self._log_det(y, log_abs_s)

    def forward_and_log_det(self, x):
        permutation, lower, upper, log_abs_s = self._factors(x.dtype)
        # W^-1 = (U + diag(s))^-1 L^-1 P^T
        w_inverse = tf.linalg.triangular_solve(lower, tf.transpose(permutation))
        w_inverse = tf.linalg.triangular_solve(upper, w_inverse, lower=False)
        return _at_every_pixel(w_inverse, x), -self._log_det(x, log_abs_s)

    @staticmethod
    def _log_det(x, log_abs_s):
        height, width = x.shape[-3], x.shape[-2]
        return height * width * tf.reduce_sum(log_abs_s)


def _at_every_pixel(w, x):
    """Multiplies the channel vector of every pixel by `w`: as one product of two matrices, the pixels in rows."""
    pixels = tf.reshape(x, [-1, x.shape[-1]])
    return tf.reshape(tf.matmul(pixels, w, transpose_b=True), [-1, *x.shape[1:]])


class InvertibleConv(keras.layers.Layer):
    """Owns the LU factors of a 1x1 convolution; `bijector` is the map. W starts as a random rotation.

    Args:
      channels: c, the size of the last axis.
      seed: of the first rotation.
    """

    def __init__(self, channels: int, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        rotation = scipy.stats.ortho_group.rvs(channels, random_state=seed) if channels > 1 else np.ones((1, 1))
        permutation, lower, upper = scipy.linalg.lu(rotation)
        s = np.diag(upper)
        packed = np.tril(lower, -1) + np.triu(upper, 1) + np.diag(np.log(np.abs(s)))
        self.packed = self._weight(packed, "packed", trainable=True)
        self.sign = self._weight(np.sign(s), "sign", trainable=False)
        self.permutation = self._weight(permutation, "permutation", trainable=False)
        self.built = True

    @property
    def bijector(self) -> ChannelMix:
        return ChannelMix(self.packed, self.sign, self.permutation)

    def _weight(self, value: np.ndarray, name: str, trainable: bool):
        initializer = keras.initializers.Constant(value)
        return self.add_weight(shape=value.shape, initializer=initializer, trainable=trainable, name=name)
