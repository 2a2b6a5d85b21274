"""Squeeze: trade space for channels. (h, w, c) -> (h/2, w/2, 4c), a permutation, so the log-determinant is 0."""

import tensorflow as tf

from dgm_tfp.bijectors.one_pass import OnePass


class Squeeze(OnePass):
    """`forward` puts each 2x2 block of pixels into the channels of one pixel; `inverse` puts it back.

    Args:
      block: (2, 2); for a signal, an image of one row or one column, (1, 2) or (2, 1).
    """

    def __init__(self, block: tuple[int, int] = (2, 2), name: str = "squeeze"):
        super().__init__(event_ndims=3, name=name)
        self.block = block

    @classmethod
    def of(cls, shape) -> "Squeeze":
        """The squeeze of images of the shape (..., h, w, c): an axis of one pixel is left alone."""
        return cls((2 if shape[-3] > 1 else 1, 2 if shape[-2] > 1 else 1))

    def forward_and_log_det(self, x):
        # For a signal the two neighbours lie next to each other in memory: a reshape.
        y = tf.nn.space_to_depth(x, 2) if self.block == (2, 2) else tf.reshape(x, [-1, *self.squeezed(*x.shape[-3:])])
        return y, tf.zeros((), x.dtype)

    def inverse_and_log_det(self, y):
        x = (
            tf.nn.depth_to_space(y, 2)
            if self.block == (2, 2)
            else tf.reshape(y, [-1, *self._unsqueezed(*y.shape[-3:])])
        )
        return x, tf.zeros((), y.dtype)

    def squeezed(self, h: int, w: int, c: int) -> list[int]:
        """The shape (h, w, c) after the squeeze."""
        rows, columns = self.block
        return [h // rows, w // columns, c * rows * columns]

    def _unsqueezed(self, h: int, w: int, c: int) -> list[int]:
        rows, columns = self.block
        return [h * rows, w * columns, c // (rows * columns)]

    def _forward_event_shape(self, input_shape):
        return tf.TensorShape([*input_shape[:-3], *self.squeezed(*input_shape[-3:])])

    def _inverse_event_shape(self, output_shape):
        return tf.TensorShape([*output_shape[:-3], *self._unsqueezed(*output_shape[-3:])])
