"""The network of a PixelCNN: for each pixel numbers that depend on the pixels before it alone."""

from collections.abc import Callable

import keras
import tensorflow as tf

from dgm_tfp.networks.gated import Block, GatedBlock, MaskedBlock, Pointwise

STACKS = {"gated": GatedBlock, "masked": MaskedBlock}


class PixelNet(keras.layers.Layer):
    """A first block of type A, blocks of type B, and two 1x1 convolutions.

    Args:
      channels: numbers that it takes for each pixel.
      outputs: numbers for each pixel.
      filters: features of each stack.
      count: of the blocks, the first included.
      first_size, size: of the kernel of the first block and of the others, odd.
      head: features of the layer before the last.
      stack: "gated" or "masked".
      groups: 1, or the channels of the image where the numbers for one see those before it at the same pixel.
      context: size of the conditioning vector; 0 for none.
      seed: of the weights.
      dtype: a Keras dtype policy.
    """

    def __init__(
        self, channels, outputs, filters, count, first_size, size, head, stack, groups=1, context=0, seed=0, **kwargs
    ):
        super().__init__(**kwargs)
        self.stack, self.count, self.groups, self.channels = stack, count, groups, channels
        for i in range(count):
            block = STACKS[stack](
                filters if i else channels,
                filters,
                size if i else first_size,
                groups=groups,
                context=context,
                first=i == 0,
                seed=1000 * (seed + 1) + 10 * i,
                dtype=self.dtype_policy,
            )
            setattr(self, f"block_{i}", block)  # an attribute each: tf.train.Checkpoint does not see a list
        last = 1000 * (seed + 1) + 10 * count
        self.hidden = Pointwise(filters, head, groups, gain=2**0.5, seed=last, dtype=self.dtype_policy)
        self.last = Pointwise(head, outputs, groups, gain=0.0, seed=last + 1, dtype=self.dtype_policy)
        self.built = True

    @property
    def blocks(self) -> list[Block]:
        """The one next to the image first."""
        return [getattr(self, f"block_{i}") for i in range(self.count)]

    def call(self, x: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
        """Images (batch, h, w, channels) in [-1, 1], conditioning (batch, k): (batch, h, w, outputs)."""
        context = None if context is None else context[:, None, None]
        v = h = tf.cast(x, self.compute_dtype)
        for block in self.blocks:
            if self.stack == "gated":
                v, h = block(v, h, context)
            else:
                h = block(h, context)
        return self.head(h)

    def head(self, h: tf.Tensor, layers: tuple[Callable, Callable] | None = None) -> tf.Tensor:
        """The last two layers, or `layers` in their place: (..., filters) to (..., outputs)."""
        hidden, last = layers or (self.hidden, self.last)
        return last(tf.nn.relu(hidden(tf.nn.relu(h))))
