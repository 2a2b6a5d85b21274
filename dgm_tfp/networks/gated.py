"""PixelCNN's blocks: gated, with two stacks and no blind spot, and the plain masked one (van den Oord et al., 2016)."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from dgm_tfp.networks.masked_conv import MaskedConv2D, group_of, mask


class Pointwise(keras.layers.Layer):
    """A 1x1 convolution, as a matrix product: feature groups see the groups up to their own, or all.

    Args:
      inputs, outputs: channels before and after.
      groups: of the channels, one for each colour; 1 for no mask.
      gain: a factor on the initial weights.
      bias: whether to add one.
      seed: of the weights.
      dtype: a Keras dtype policy.
    """

    def __init__(self, inputs, outputs, groups=1, gain=1.0, bias=True, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.mask = (group_of(inputs, groups)[:, None] <= group_of(outputs, groups)).astype(float)
        values = np.random.default_rng(seed).normal(size=(inputs, outputs)) * gain * self.mask
        values /= np.sqrt(np.maximum(1, self.mask.sum(axis=0)))
        self.weight = self.add_weight(
            shape=values.shape, initializer=keras.initializers.Constant(values), name="kernel"
        )
        self.bias = self.add_weight(shape=(outputs,), initializer="zeros", name="bias") if bias else None
        self.built = True

    @property
    def kernel(self) -> tf.Tensor:
        kernel = tf.cast(self.weight.value, self.compute_dtype)
        return kernel if self.mask.all() else kernel * tf.constant(self.mask, self.compute_dtype)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """(..., inputs) to (..., outputs)."""
        y = self.frozen()(tf.reshape(tf.cast(x, self.compute_dtype), [-1, self.mask.shape[0]]))
        return tf.reshape(y, tf.concat([tf.shape(x)[:-1], y.shape[-1:]], axis=0))

    def frozen(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """The same for (n, inputs), with the weights as they are now: for a loop, which would read them each time."""
        kernel = self.kernel
        if self.bias is None:
            return lambda x: x @ kernel
        bias = tf.cast(self.bias.value, self.compute_dtype)
        return lambda x: tf.nn.bias_add(x @ kernel, bias)


def gate(x: tf.Tensor) -> tf.Tensor:
    """tanh(a) sigmoid(b) for the halves a and b of the channels (van den Oord et al., 2016b, equation 2)."""
    a, b = tf.split(x, 2, axis=-1)
    return tf.tanh(a) * tf.sigmoid(b)


class Block(keras.layers.Layer):
    """What both kinds of block share: the pixel's own row.

    With `term` for all that a block takes from the rows above, from its bias and from the conditioning, features are::

        z = term + (features of the pixels to the left, and of the pixel itself) * kernel
        features = features + W act(z)

    Only the second half of the sum changes along a row; cached sampling (`networks.pixel_by_pixel`) rests on that.
    """

    first: bool
    size: int
    out: Pointwise

    def activation(self, z: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError

    def row_kernel(self) -> tf.Tensor:
        """The kernel of the pixels to the left and of the pixel: (k // 2 + 1, channels before, channels of z)."""
        raise NotImplementedError

    def finish(self, h: tf.Tensor, z: tf.Tensor, out: Callable | None = None) -> tf.Tensor:
        """The block's features, of h those of the block before; the first block adds nothing to its input."""
        y = (out or self.out)(self.activation(z))
        return y if self.first else tf.cast(h, y.dtype) + y


class MaskedBlock(Block):
    """h + W relu(masked convolution of h): the plain PixelCNN, whose receptive field has a blind spot.

    Args:
      channels: before it.
      filters: after it.
      size: k, of the kernel.
      groups: of the channels, one for each colour; 1 where a pixel's colours are drawn together.
      context: size of the conditioning vector; 0 for none.
      first: the first block is of type A and adds nothing to its input.
      seed: of the weights.
      dtype: a Keras dtype policy.
    """

    def __init__(self, channels, filters, size, groups=1, context=0, first=False, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.first, self.size = first, size
        kind = "A" if first else "B"
        shared = {"dtype": self.dtype_policy}
        self.conv = MaskedConv2D(mask(kind, size, channels, filters, groups), size // 2, seed=seed, **shared)
        self.out = Pointwise(filters, filters, groups, seed=seed + 1, **shared)
        self.context = Pointwise(context, filters, bias=False, seed=seed + 2, **shared) if context else None
        self.built = True

    def activation(self, z):
        return tf.nn.relu(z)

    def row_kernel(self):
        return self.conv.kernel[-1, : self.size // 2 + 1]

    def call(self, h: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
        """Features (batch, h, w, filters) of those of the block before and of conditioning (batch, 1, 1, k)."""
        z = self.conv(h)
        return self.finish(h, z if context is None else z + self.context(context))

    def term(self, above: tf.Tensor, context: tf.Tensor | None) -> tf.Tensor:
        """The term of the next row, of the features of the k // 2 rows above it: (batch, 1, w, filters)."""
        z = self.conv.on_rows(tf.pad(above, [[0, 0], [0, 1], [0, 0], [0, 0]]))  # its own row is not there yet
        return z if context is None else z + self.context(context)

    def row(self, h: tf.Tensor, term: tf.Tensor) -> tf.Tensor:
        """The features of one whole row, (batch, 1, w, filters), when its pixels are known."""
        padded = tf.pad(tf.cast(h, term.dtype), [[0, 0], [0, 0], [self.size // 2, 0], [0, 0]])
        return self.finish(h, term + tf.nn.conv2d(padded, self.row_kernel()[None], 1, "VALID"))


class GatedBlock(Block):
    """The vertical and the horizontal stack of Gated PixelCNN (van den Oord et al., 2016b, figure 2)::

        a  = n x n convolution of v + V c            rows above the pixel, and in them every column
        v' = tanh(a_1) sigmoid(a_2)
        b  = 1 x n convolution of h + W a + U c      the pixel's row, left of it, and the rows above through a
        h' = h + R (tanh(b_1) sigmoid(b_2))

    The arguments are those of `MaskedBlock`. The vertical stack knows of earlier rows only, so it needs no groups.
    """

    def __init__(self, channels, filters, size, groups=1, context=0, first=False, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.first, self.size = first, size
        shared = {"dtype": self.dtype_policy}
        rows = mask("A", size, channels, 2 * filters, above="only" if first else "whole row")
        # Each half of the 2 x filters has every group in it.
        row = mask("A" if first else "B", size, channels, filters, groups)[-1:, : size // 2 + 1]
        self.vertical = MaskedConv2D(rows, size // 2, seed=seed, **shared)
        self.horizontal = MaskedConv2D(np.tile(row, 2), size // 2, bias=False, seed=seed + 1, **shared)
        self.link = Pointwise(2 * filters, 2 * filters, seed=seed + 2, **shared)
        self.out = Pointwise(filters, filters, groups, seed=seed + 3, **shared)
        self.context = Pointwise(context, 4 * filters, bias=False, seed=seed + 4, **shared) if context else None
        self.built = True

    def activation(self, z):
        return gate(z)

    def row_kernel(self):
        return self.horizontal.kernel[0]

    def call(self, v: tf.Tensor, h: tf.Tensor, context: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Both stacks' features, (batch, h, w, filters) each."""
        v, term = self._stack(self.vertical(v), context)
        return v, self.finish(h, term + self.horizontal(h))

    def term(self, rows: tf.Tensor, context: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """The vertical features and the term of the next row, of the k // 2 rows above it and the row itself."""
        return self._stack(self.vertical.on_rows(rows), context)

    def _stack(self, a, context):
        down, across = (0.0, 0.0) if context is None else tf.split(self.context(context), 2, axis=-1)
        a += down
        return gate(a), self.link(a) + across
