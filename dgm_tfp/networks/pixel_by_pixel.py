"""Sampling from a `PixelNet` where each pixel costs one pixel's work, not an image's.

What a block takes from the rows above, its term, is known as soon as those rows are. So a new row begins with the terms
of all of its pixels, by convolutions over k rows; they are all that is kept of the image so far. Then, pixel by pixel,
each block is one matrix product of the features of the k // 2 pixels to the left and of the pixel itself, which are all
that is kept of the row so far. Nothing that the loop carries grows with the number of rows.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from dgm_tfp.networks.pixel_net import PixelNet


class GatedRows:
    """The terms of a gated net: the vertical stack, a row at a time."""

    def __init__(self, net: PixelNet, context: tf.Tensor | None):
        self.net, self.context = net, context

    def terms(self, above: Sequence[tf.Tensor]) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """Of the k // 2 rows above, for each block: every block's term, and its rows, less the oldest, plus the new.

        The row of the image itself is not known, and not seen: the first block's new row is zero.
        """
        v = tf.zeros_like(above[0][:, :1])
        terms, rows = [], []
        for block, old in zip(self.net.blocks, above, strict=True):
            window = tf.concat([old, v], axis=1)
            v, term = block.term(window, self.context)
            terms.append(term)
            rows.append(window[:, 1:])
        return terms, rows

    def known(self, rows: Sequence[tf.Tensor], terms: Sequence[tf.Tensor], x: tf.Tensor) -> list[tf.Tensor]:
        """The rows above the next row, now that the row x (n, 1, w, channels) is known."""
        return [tf.concat([rows[0][:, :-1], x], axis=1), *rows[1:]]


class MaskedRows(GatedRows):
    """The terms of a masked net, whose features of the rows above are needed too."""

    def terms(self, above):
        return [block.term(old, self.context) for block, old in zip(self.net.blocks, above, strict=True)], list(above)

    def known(self, rows, terms, x):
        result, h = [], x
        for block, old, term in zip(self.net.blocks, rows, terms, strict=True):
            result.append(tf.concat([old, h], axis=1)[:, 1:])
            h = block.row(h, term)
        return result


ROWS = {"gated": GatedRows, "masked": MaskedRows}


def sample(
    net: PixelNet,
    channels: int,
    draw: Callable[[tf.Tensor, tf.Tensor, tf.Tensor, int], tf.Tensor],
    encoded: Callable[[tf.Tensor], tf.Tensor],
    noise: tf.Tensor,
    context: tf.Tensor | None,
) -> tf.Tensor:
    """Images, drawn in reading order.

    Args:
      net: the network.
      channels: of the images.
      draw: from the net's numbers for a pixel (n, outputs), the pixel so far (n, channels), its noise and the group to
        be drawn to the pixel with that group in it.
      encoded: from pixels (..., channels) to what the net takes.
      noise: (h, w, n, numbers for a pixel).
      context: (n, k) or None.

    Returns:
      (n, h, w, channels), in the dtype of `noise`.
    """
    height, width = noise.shape[:2]
    count = tf.shape(noise)[2]
    blocks = net.blocks
    rows_of = ROWS[net.stack](net, None if context is None else context[:, None, None])
    # Read, and masked, once and not for every pixel.
    kernels = [tf.reshape(kernel, [-1, kernel.shape[-1]]) for kernel in (block.row_kernel() for block in blocks)]
    outs = [block.out.frozen() for block in blocks]
    head = net.hidden.frozen(), net.last.frozen()
    widths = [kernel.shape[-1] for kernel in kernels]
    features = [net.channels, *[block.out.mask.shape[1] for block in blocks[:-1]]]

    def zeros(*shape):
        return tf.zeros([count, *shape], net.compute_dtype)

    def one_row(i, above, image):
        terms, rows = rows_of.terms(above)
        columns = tf.transpose(tf.squeeze(tf.concat(terms, axis=-1), axis=1), [1, 0, 2])
        noise_row = noise[i]

        def one_pixel(j, left, row):
            term = tf.split(columns[j], widths, axis=-1)
            x = tf.zeros([count, channels], noise.dtype)
            for group in range(net.groups):
                h = tf.cast(encoded(x), net.compute_dtype)
                own = []
                for block, kernel, out, t, before in zip(blocks, kernels, outs, term, left, strict=True):
                    own.append(h)
                    h = block.finish(h, tf.concat([*before, h], axis=-1) @ kernel + t, out)
                x = draw(tf.cast(net.head(h, head), noise.dtype), x, noise_row[j], group)
            own[0] = tf.cast(encoded(x), net.compute_dtype)  # no feature sees the last group at its own pixel
            left = [(*before[1:], new) for before, new in zip(left, own, strict=True)]
            return j + 1, left, row.write(j, x)

        left = [(zeros(size),) * (block.size // 2) for size, block in zip(features, blocks, strict=True)]
        row = tf.TensorArray(noise.dtype, width, element_shape=[None, channels])
        row = tf.while_loop(lambda j, *_: j < width, one_pixel, (tf.constant(0), left, row), maximum_iterations=width)[
            2
        ].stack()
        x = tf.cast(encoded(tf.transpose(row, [1, 0, 2])[:, None]), net.compute_dtype)
        return i + 1, rows_of.known(rows, terms, x), image.write(i, row)

    above = [zeros(block.size // 2, width, size) for size, block in zip(features, blocks, strict=True)]
    image = tf.TensorArray(noise.dtype, height, element_shape=[width, None, channels])
    image = tf.while_loop(lambda i, *_: i < height, one_row, (tf.constant(0), above, image), maximum_iterations=height)[
        2
    ]
    return tf.transpose(image.stack(), [2, 0, 1, 3])
