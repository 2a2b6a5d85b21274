"""The product with a masked kernel whose zeros lie below a staircase, without most of the multiplications by zero."""

import numpy as np
import tensorflow as tf

BLOCKS = 4
SMALLEST = 256  # below it a product is so fast that cutting it up costs more


def staircase(mask: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Cuts a mask whose columns see more and more rows: for each block of columns (first, end), (new rows first, end).

    A block of columns sees all the rows up to its end. One block, which is the whole product, where the mask is small.
    """
    rows, columns = mask.shape
    blocks = BLOCKS if min(rows, columns) >= SMALLEST else 1
    ends = [columns * (i + 1) // blocks for i in range(blocks)]
    seen = [int(np.flatnonzero(mask[:, :end].any(axis=1)).max(initial=-1)) + 1 for end in ends]
    return list(zip([0, *ends[:-1]], ends, [0, *seen[:-1]], seen, strict=True))


def product(x: tf.Tensor, kernel: tf.Tensor, cuts: list[tuple[int, int, int, int]]) -> tf.Tensor:
    """x @ kernel, of the shapes (batch, rows) and (rows, columns), for a kernel that is zero outside its mask.

    Four blocks do 5/8 of the multiplications, in both products of the gradient too. The gradient is written out:
    TensorFlow's own one of a slice is a full matrix of zeros with the slice in it, for every block.

    Args:
      cuts: what `staircase` makes of the mask.
    """
    if len(cuts) == 1:
        return x @ kernel

    @tf.custom_gradient
    def blockwise(x, kernel):
        parts = [x[:, :seen] @ kernel[:seen, first:end] for first, end, _, seen in cuts]
        return tf.concat(parts, axis=1), lambda dy: (_gradient_of_x(dy, kernel, cuts), _gradient_of_kernel(x, dy, cuts))

    return blockwise(x, kernel)


def _gradient_of_x(dy, kernel, cuts):
    """Rows that a block of columns is the first to see are seen by all later columns as well."""
    parts = [tf.matmul(dy[:, first:], kernel[new:seen, first:], transpose_b=True) for first, _, new, seen in cuts]
    unseen = kernel.shape[0] - cuts[-1][3]
    return tf.pad(tf.concat(parts, axis=1), [[0, 0], [0, unseen]]) if unseen else tf.concat(parts, axis=1)


def _gradient_of_kernel(x, dy, cuts):
    """Zero below the staircase, where the mask makes it zero in any case."""
    parts = [
        tf.pad(tf.matmul(x[:, new:seen], dy[:, first:], transpose_a=True), [[0, 0], [first, 0]])
        for first, _, new, seen in cuts
    ]
    kernel = tf.concat(parts, axis=0)
    unseen = x.shape[1] - cuts[-1][3]
    return tf.pad(kernel, [[0, unseen], [0, 0]]) if unseen else kernel
