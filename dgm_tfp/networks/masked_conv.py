"""Masked convolutions: a pixel sees those before it in reading order (van den Oord et al., 2016a, section 3.4)."""

import keras
import numpy as np
import tensorflow as tf


def group_of(channels: int, groups: int) -> np.ndarray:
    """To which of `groups` each channel belongs: 0, ..., groups - 1 in blocks as equal as they can be."""
    return np.arange(channels) * groups // channels


def mask(kind: str, size: int, in_channels: int, filters: int, groups: int = 1, above: str = "same row") -> np.ndarray:
    """Zeros and ones for a kernel whose last row is the pixel's own: (size // 2 + 1, size, in_channels, filters).

    The rows below the pixel, which a mask of size x size sets to zero, are left out. Feature channels stand in groups,
    one for each colour in the order R, G, B: a feature of group g may see at its own pixel

        type A, the first layer:   groups < g
        type B, the others:        groups <= g

    and every group at the pixels before it. With one group type A sees nothing of its own pixel.

    Args:
      kind: "A" or "B".
      size: k, odd.
      in_channels, filters: channels before and after.
      groups: of the channels.
      above: "same row" as said; "only": nothing of the pixel's own row (the vertical stack's first layer);
        "whole row": all of it (the vertical stack's other layers, whose features know of earlier rows only).
    """
    result = np.ones((size // 2 + 1, size, in_channels, filters))
    if above == "only":
        result[-1] = 0
    if above == "same row":
        before, after = group_of(in_channels, groups)[:, None], group_of(filters, groups)
        result[-1, size // 2] = before < after if kind == "A" else before <= after
        result[-1, size // 2 + 1 :] = 0
    return result


class MaskedConv2D(keras.layers.Layer):
    """A convolution whose kernel is multiplied by a mask in every pass, so that no optimizer can undo it.

    Each example is padded with zeros: above, and left and right so that the mask's anchor is the pixel itself.

    Args:
      mask: (rows, columns, in_channels, filters), the last row that of the pixel.
      anchor: the pixel's column in it.
      bias: whether to add one.
      seed: of the weights.
      dtype: a Keras dtype policy.
    """

    def __init__(self, mask: np.ndarray, anchor: int, bias: bool = True, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.mask, self.anchor = mask, anchor
        # Glorot's initialisation, with the number of inputs that a feature really has.
        seen = max(1.0, mask.sum(axis=(0, 1, 2)).mean())
        values = np.random.default_rng(seed).normal(size=mask.shape) * mask / np.sqrt(seen)
        self.weight = self.add_weight(shape=mask.shape, initializer=keras.initializers.Constant(values), name="kernel")
        self.bias = self.add_weight(shape=mask.shape[-1:], initializer="zeros", name="bias") if bias else None
        self.built = True

    @property
    def kernel(self) -> tf.Tensor:
        """The masked kernel, in the compute dtype."""
        return tf.cast(self.weight.value, self.compute_dtype) * tf.constant(self.mask, self.compute_dtype)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """(batch, h, w, in_channels) to (batch, h, w, filters)."""
        return self.on_rows(tf.pad(x, [[0, 0], [self.mask.shape[0] - 1, 0], [0, 0], [0, 0]]))

    def on_rows(self, x: tf.Tensor) -> tf.Tensor:
        """The same for x with the rows above it in place, which are not padded: as many rows fewer come out."""
        right = self.mask.shape[1] - 1 - self.anchor
        x = tf.pad(tf.cast(x, self.compute_dtype), [[0, 0], [0, 0], [self.anchor, right], [0, 0]])
        y = tf.nn.conv2d(x, self.kernel, 1, "VALID")
        return y if self.bias is None else tf.nn.bias_add(y, tf.cast(self.bias.value, self.compute_dtype))
