"""An autoregressive recursion through a MADE for about the price of one forward pass.

x_d = law(z_d, result_d(x_<d)) asks for the results one input at a time, and a loop over MADE pays D forward passes.
But a hidden unit of degree m sees the first m inputs only: once they are known its value is final. So each step fills
in the hidden units of one degree, layer by layer, and reads off the next result; every unit is computed once.

One degree at a time would be many products of thin matrices. Steps are therefore taken in blocks, as in a blocked solve
with a triangular matrix: what all earlier blocks contribute to a block is one dense product for each layer, and only
contributions from inside the block are added step by step.

Memory: the hidden units once, O(batch x hidden). Units are in rows and examples in columns here, so that the units of
one degree, and of one block, lie together in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from dgm_tfp.networks.made import MADE


class DegreeOrder:
    """The weights of a MADE in the order in which the recursion needs them, for one solution.

    Each degree of a layer gets the same number of units, and each block the same number of degrees, where need be by
    units whose kernels are zero: then a block looks like any other, and the graph holds one block in a loop.

    Args:
      made: the network.
      block: how many steps a block has; by default about half the square root of D, which was found to be fast.
    """

    def __init__(self, made: MADE, block: int | None = None):
        self.made = made
        self.block = min(made.inputs, block or max(4, math.isqrt(made.inputs) // 2))
        self.blocks = -(-made.inputs // self.block)
        steps = self.block * self.blocks
        output_degrees = np.argsort(made.order)
        results = np.tile(output_degrees, made.outputs)
        # For each layer, the inputs first: which unit stands in which row, (steps x units of a degree,).
        self.rows = [_rows(degrees, steps) for degrees in (output_degrees, *made.degrees, results)]
        self.widths = [len(rows) // steps for rows in self.rows]

    def solve(self, law: Callable, noise: tf.Tensor, context: tf.Tensor | None):
        """See `MADE.in_order`."""
        made, batch = self.made, tf.shape(noise)[0]
        layers = range(len(made.masks))
        kernels = [self._kernel(i) for i in layers]
        biases = [self._bias(i, context) for i in layers]
        z = self._blocks(tf.transpose(_pick(noise, self.rows[0], axis=1)), 1, noise.dtype)

        def one_block(k, x, known, results):
            """`known`: the inputs and the hidden units of all blocks, zeros from block k on."""
            kernel = [kernels[i][k] for i in layers]
            # From all earlier blocks at once; then, for each step, what is added from inside the block.
            before = [self._steps(kernel[i] @ _flat(known[i]) + biases[i][k]) for i in layers]
            rows = [width * self.block for width in self.widths]
            within = [self._steps(tf.slice(kernel[i], [0, k * rows[i]], [rows[i + 1], rows[i]])) for i in layers]
            z_block = tf.unstack(z[k])

            def units(i, step, found):
                """The units of one degree of layer i + 1, before the activation, given those found in this block."""
                if not found:
                    return before[i][step]
                seen = tf.concat(found, axis=0)
                return before[i][step] + within[i][step][:, : seen.shape[0]] @ seen

            found = [[] for _ in layers]
            xs, outs = [], []
            for step in range(self.block):
                for i in layers[:-1]:
                    found[i + 1].append(made.activation(units(i, step, found[i])))
                outs.append(tf.cast(units(layers[-1], step, found[-1]), noise.dtype))
                xs.append(law(z_block[step], outs[-1])[None])
                found[0].append(tf.cast(xs[-1], made.compute_dtype))
            known = [_put(h, k, tf.concat(parts, axis=0)) for h, parts in zip(known, found, strict=True)]
            return k + 1, _put(x, k, tf.concat(xs, axis=0)), known, _put(results, k, tf.concat(outs, axis=0))

        def empty(width, dtype):
            return tf.zeros([self.blocks, self.block * width, batch], dtype)

        start = (
            tf.constant(0),
            empty(1, noise.dtype),
            [empty(width, made.compute_dtype) for width in self.widths[:-1]],
            empty(made.outputs, noise.dtype),
        )
        _, x, _, results = tf.while_loop(
            lambda k, *_: k < self.blocks, one_block, start, maximum_iterations=self.blocks
        )
        place = np.argsort(made.order)  # back from the order of degrees to that of the data
        x = tf.transpose(tf.gather(_flat(x), place))
        results = tf.reshape(_flat(results), [-1, made.outputs, batch])
        return x, tf.transpose(tf.gather(results, place), [2, 1, 0])

    def _kernel(self, i: int) -> tf.Tensor:
        """(blocks, units of a block of layer i + 1, all units of layer i)."""
        kernel = _pick(_pick(self.made.kernel(i), self.rows[i], axis=0), self.rows[i + 1], axis=1)
        return self._blocks(tf.transpose(kernel), self.widths[i + 1], kernel.dtype)

    def _bias(self, i: int, context: tf.Tensor | None) -> tf.Tensor:
        """(blocks, units of a block of layer i + 1, batch or 1), with what the conditioning adds."""
        bias = self.made.bias(i)[None]
        if context is not None and i < len(self.made.degrees):
            bias += self.made.context_term(i, context)
        return self._blocks(tf.transpose(_pick(bias, self.rows[i + 1], axis=1)), self.widths[i + 1], bias.dtype)

    def _steps(self, rows: tf.Tensor) -> list[tf.Tensor]:
        """The rows of a block, for each of its steps."""
        return tf.split(rows, self.block, axis=0)

    def _blocks(self, rows: tf.Tensor, width: int, dtype) -> tf.Tensor:
        return tf.reshape(tf.cast(rows, dtype), [self.blocks, self.block * width, tf.shape(rows)[1]])


def _rows(degrees: np.ndarray, steps: int) -> np.ndarray:
    """Which unit stands in each row when every degree 0..steps-1 has the same number of rows; -1 for none."""
    width = np.bincount(degrees).max()
    rows = np.full((steps, width), -1)
    for degree in range(degrees.max() + 1):
        units = np.flatnonzero(degrees == degree)
        rows[degree, : len(units)] = units
    return rows.ravel()


def _pick(x: tf.Tensor, index: np.ndarray, axis: int) -> tf.Tensor:
    """`tf.gather`, with zeros where the index is -1."""
    if np.array_equal(index, np.arange(x.shape[axis])):
        return x
    if (index < 0).any():
        end = [[0, int(a == axis)] for a in range(x.shape.rank)]
        x, index = tf.pad(x, [[0, b] for _, b in end]), np.where(index < 0, x.shape[axis], index)
    return tf.gather(x, index, axis=axis)


def _flat(blocks: tf.Tensor) -> tf.Tensor:
    return tf.reshape(blocks, [blocks.shape[0] * blocks.shape[1], tf.shape(blocks)[2]])


def _put(blocks: tf.Tensor, k: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    return tf.tensor_scatter_nd_update(blocks, [[k]], value[None])
