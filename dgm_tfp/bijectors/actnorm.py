"""ActNorm: an affine map per channel whose first values come from data (Kingma & Dhariwal, 2018, section 3.1)."""

import keras
import tensorflow as tf

from dgm_tfp.bijectors.affine import Affine


class ActNorm(keras.layers.Layer):
    """Owns a shift and a log-scale per channel; `bijector` is the map.

    From data to noise: z = (x - shift) exp(-log_scale), log abs det = -h w sum(log_scale); of a vector h w is 1.
    It is the identity until `adapt` has seen data.

    Args:
      channels: the size of the last axis.
      event_ndims: 3 for images, 1 for vectors, each of whose dimensions is a channel.
    """

    def __init__(self, channels: int, event_ndims: int = 3, **kwargs):
        super().__init__(**kwargs)
        self.event_ndims = event_ndims
        self.shift = self.add_weight(shape=(channels,), initializer="zeros", name="shift")
        self.log_scale = self.add_weight(shape=(channels,), initializer="zeros", name="log_scale")
        self.built = True

    @property
    def bijector(self) -> Affine:
        return Affine(self.shift, self.log_scale, self.event_ndims, name="actnorm")

    def adapt(self, x: tf.Tensor, epsilon: float = 1e-3) -> None:
        """Makes the noise side have mean 0 and variance 1 per channel on `x`: (n, h, w, channels) or (n, channels).

        `epsilon` is the least standard deviation. A constant channel (the black frame of a digit) would otherwise get
        the scale 1/0.
        """
        mean, variance = tf.nn.moments(x, axes=list(range(x.shape.rank - 1)))
        self.shift.assign(mean)
        self.log_scale.assign(tf.math.log(tf.maximum(tf.sqrt(variance), epsilon)))
