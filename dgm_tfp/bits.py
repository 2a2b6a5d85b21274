"""From bytes to densities and back: dequantization and bits per dimension.

A byte image x in {0, ..., 255}^D has a probability, a flow has a density. With u uniform on [0, 1)^D and
y = x + u, Jensen's inequality ties the two together (Theis et al., 2016, section 3.1)::

    log P(x) = log of the integral of p(x + u) over u  >=  E_u[log p(x + u)]

All densities here live in the units of y: pixels in [0, 256). So bits per dimension are -log p(y) / (D log 2), with no
"+ 8 bits" to remember or to forget.
"""

import math

import numpy as np
import tensorflow as tf


def dequantize(images: tf.Tensor, seed: tf.Tensor | tuple[int, int], dtype: str = "float32") -> tf.Tensor:
    """y = x + u, with u uniform on [0, 1).

    Args:
      images: integers of any shape.
      seed: a pair of integers; the same pair gives the same noise.
      dtype: the floating-point type of the result.

    Returns:
      A tensor of the shape of `images`, strictly below x + 1 (in float32 the sum may round up to it; it is
      pulled back, so that floor(y) is x).
    """
    x = tf.cast(images, dtype)
    y = x + tf.random.stateless_uniform(tf.shape(x), seed=seed, dtype=x.dtype)
    return tf.minimum(y, x + (1.0 - 2.0**-15))  # 2**-15: the spacing of float32 just under 256


def quantize(y: np.ndarray | tf.Tensor, bins: int = 256) -> np.ndarray:
    """The inverse of `dequantize`: floor(y), clipped to {0, ..., bins - 1}; unsigned bytes where they suffice."""
    x = np.clip(np.floor(np.asarray(y)), 0, bins - 1)
    return x.astype(np.uint8 if bins <= 256 else np.int32)


def bits_per_dim(log_prob, event_size: int):
    """-log p(x) / (D log 2): the one definition of bits per dimension of this library.

    Args:
      log_prob: nats per example, a NumPy array or a tensor of any shape.
      event_size: D, the number of dimensions of one example (for an image, height x width x channels).
    """
    return -log_prob / (event_size * math.log(2.0))
