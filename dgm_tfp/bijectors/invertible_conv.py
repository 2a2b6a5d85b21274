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
      permutation: (c,) integers; row i of W is row permutation[i] of L (U + diag(s)).
    """

    def __init__(self, packed, sign, permutation, name: str = "channel_mix"):
        super().__init__(event_ndims=3, name=name)
        self.packed, self.sign, self.permutation = packed, sign, permutation

    def _triangles(self, dtype):
        packed = tf.convert_to_tensor(self.packed, dtype)
        log_abs_s = tf.linalg.diag_part(packed)
        lower = tf.linalg.set_diag(tf.linalg.band_part(packed, -1, 0), tf.ones_like(log_abs_s))
        s = tf.convert_to_tensor(self.sign, dtype) * tf.exp(log_abs_s)
        return lower, tf.linalg.set_diag(tf.linalg.band_part(packed, 0, -1), s), log_abs_s

    def inverse_and_log_det(self, y):
        lower, upper, log_abs_s = self._triangles(y.dtype)
        w = tf.gather(lower @ upper, tf.convert_to_tensor(self.permutation))
        return _at_every_pixel(w, y), self._log_det(y, log_abs_s)

    def forward_and_log_det(self, x):
        lower, upper, log_abs_s = self._triangles(x.dtype)
        eye = tf.eye(tf.shape(lower)[0], dtype=x.dtype)
        lower_inverse = tf.linalg.triangular_solve(lower, eye)
        w_inverse = tf.linalg.triangular_solve(upper, lower_inverse, lower=False)  # U^-1 L^-1
        w_inverse = tf.gather(w_inverse, tf.convert_to_tensor(self.permutation), axis=1)  # ... P^T
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
        permutation, lower, upper = scipy.linalg.lu(rotation, p_indices=True)
        s = np.diag(upper)
        packed = np.tril(lower, -1) + np.triu(upper, 1) + np.diag(np.log(np.abs(s)))
        self.packed = self.add_weight(
            shape=packed.shape, initializer=keras.initializers.Constant(packed), name="packed"
        )
        self.sign = self.add_weight(
            shape=(channels,), initializer=keras.initializers.Constant(np.sign(s)), trainable=False, name="sign"
        )
        self.permutation = self.add_weight(
            shape=(channels,),
            initializer=keras.initializers.Constant(permutation),
            trainable=False,
            dtype="int32",
            name="permutation",
        )
        self.built = True

    @property
    def bijector(self) -> ChannelMix:
        return ChannelMix(self.packed, self.sign, self.permutation)
