"""MADE: a masked autoencoder for distribution estimation (Germain et al., 2015)."""

import itertools
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from dgm_tfp.errors import InputError
from dgm_tfp.networks.block_triangular import product, staircase
from dgm_tfp.networks.degree_order import DegreeOrder

ORDERS = ("left-to-right", "right-to-left", "random")


class MADE(keras.layers.Layer):
    """A network of D inputs and `outputs` x D results, of which those for input d see only the inputs before d.

    A hidden unit of degree m sees the first m inputs in the order. With m^l_j the degree of unit j of layer l, and with
    an input's degree m^0_i its place 1..D in the order, the masks are (equations 12 and 13 of the paper)::

        M^l_ij = 1 if m^l_j >= m^(l-1)_i          hidden layers
        M_jd   = 1 if m^0_d > m^L_j               output

    They multiply the kernels in every forward pass, so they hold whatever an optimizer does to the weights.

    Units lie in the order of their degrees. A result sees the input just before its own only through hidden units of
    exactly that degree: in layers narrower than D - 1 (D with conditioning) some such connections are missing.

    Args:
      inputs: D.
      hidden: widths of the hidden layers.
      outputs: results per input: 2 for a shift and a log-scale.
      context: size of the conditioning vector, which every hidden unit sees; 0 for none.
      degrees: of the hidden units: "sequential", spread evenly, or "random".
      order: of the inputs: "left-to-right", "right-to-left", "random", or a permutation of 0..D-1: the inputs as they
        come, first to last.
      activation: a Keras activation that acts on each number by itself.
      seed: of the weights, the random degrees and the random order.
      dtype: a Keras dtype policy, for instance "mixed_bfloat16".

    Raises:
      InputError: sizes below 1; an unknown order or kind of degrees; an order that is not a permutation.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int] = (64, 64),
        outputs: int = 2,
        context: int = 0,
        degrees: str = "sequential",
        order: str | Sequence[int] = "left-to-right",
        activation: str | Callable = "relu",
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check(inputs, hidden, outputs, context, degrees)
        rng = np.random.default_rng(seed)
        self.inputs, self.outputs, self.context = inputs, outputs, context
        self.order = input_order(order, inputs, seed)
        self.degrees = hidden_degrees(inputs, hidden, degrees, seed, lowest=0 if context or inputs == 1 else 1)
        self.masks = masks(self.order, self.degrees, outputs)
        self.cuts = [staircase(mask) for mask in self.masks]
        self.activation = keras.activations.get(activation)
        for i, mask in enumerate(self.masks):
            last = i == len(hidden)
            # He's initialisation, with the number of inputs that a unit really has; the last layer starts at zero.
            scale = 0.0 if last else np.sqrt(2 / (np.maximum(1, mask.sum(axis=0)) + context))
            self._weight(f"kernel_{i}", rng.normal(size=mask.shape) * scale * mask)
            self._weight(f"bias_{i}", np.zeros(mask.shape[1]))
            if context and not last:
                self._weight(f"context_kernel_{i}", rng.normal(size=(context, mask.shape[1])) * scale)
        self.built = True

    def call(self, x: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
        """The results for x, of shape (batch, D) and context (batch, `context`): (batch, outputs, D), compute dtype."""
        h = tf.cast(x, self.compute_dtype)
        for i in range(len(self.masks)):
            # Hidden units lie in the order of their degrees: from layer to layer the mask is a staircase.
            h = product(h, self.kernel(i), self.cuts[i]) if 0 < i < len(self.degrees) else h @ self.kernel(i)
            if context is not None and i < len(self.degrees):
                h += self.context_term(i, context)  # before the bias: after it, grappler's fusion of the sum fails
            h = tf.nn.bias_add(h, self.bias(i))
            h = self.activation(h) if i < len(self.degrees) else h
        return tf.reshape(h, [-1, self.outputs, self.inputs])

    def kernel(self, i: int) -> tf.Tensor:
        """The masked kernel from layer i to layer i + 1, where layer 0 is the inputs: (units, units)."""
        return self._get("kernel", i) * tf.constant(self.masks[i], self.compute_dtype)

    def context_term(self, i: int, context: tf.Tensor) -> tf.Tensor:
        """What the conditioning adds to hidden layer i + 1: (batch, units)."""
        return tf.cast(context, self.compute_dtype) @ self._get("context_kernel", i)

    def bias(self, i: int) -> tf.Tensor:
        return self._get("bias", i)

    def in_order(self, law: Callable, noise: tf.Tensor, context: tf.Tensor | None = None):
        """Solves x_d = law(noise_d, result_d(x_<d)) for all d, at the price of about one forward pass.

        Args:
          law: a function of two tensors, of the shapes (batch,) and (outputs, batch), elementwise in the batch.
          noise: (batch, D).
          context: (batch, `context`).

        Returns:
          x (batch, D) and the results (batch, outputs, D), both in the dtype of `noise`.
        """
        return DegreeOrder(self).solve(law, noise, context)

    def _weight(self, name: str, value: np.ndarray) -> None:
        initializer = keras.initializers.Constant(value)
        setattr(self, name, self.add_weight(shape=value.shape, initializer=initializer, name=name))

    def _get(self, name: str, i: int) -> tf.Tensor:
        return tf.cast(getattr(self, f"{name}_{i}").value, self.compute_dtype)


def input_order(order: str | Sequence[int], inputs: int, seed: int) -> np.ndarray:
    """The inputs as they come, first to last: a permutation of 0..inputs-1."""
    if isinstance(order, str):
        if order not in ORDERS:
            raise InputError(
                f"order is {order!r}; expected one of {', '.join(ORDERS)}, or a permutation of the inputs."
            )
        if order == "random":
            return permutation(inputs, seed)
        return np.arange(inputs) if order == "left-to-right" else np.arange(inputs)[::-1].copy()
    given = np.asarray(order)
    if given.shape != (inputs,) or sorted(given.tolist()) != list(range(inputs)):
        raise InputError(f"order is {list(order)}; expected each of 0..{inputs - 1} once.")
    return given


def hidden_degrees(inputs: int, hidden: Sequence[int], kind: str, seed: int, lowest: int) -> list[np.ndarray]:
    """Degrees of each hidden layer, sorted, from `lowest` to inputs - 1, so that no unit is without a way in or out.

    A unit needs one of no greater degree in the layer before it, and one of no smaller degree in the layer after it.
    """
    highest, degrees, raw = inputs - 1, [], np.random.PCG64([seed, 1])
    for width in hidden:
        count = highest - lowest + 1
        if kind == "random":
            layer = np.sort(np.append(lowest + raw.random_raw(width - 1) % count, highest)).astype(int)
        elif width >= count:
            layer = lowest + np.arange(width) * count // width
        else:
            layer = np.round(np.linspace(highest, lowest, width)).astype(int)[::-1]
        degrees.append(layer)
        lowest = layer[0]
    return degrees


def permutation(size: int, seed: int) -> np.ndarray:
    """A random permutation of 0..size-1 that is the same with every version of NumPy.

    NumPy keeps the bits of its generators for ever, but not what it makes of them; a saved model relies on it.
    """
    return np.argsort(np.random.PCG64(seed).random_raw(size), kind="stable")


def masks(order: np.ndarray, degrees: list[np.ndarray], outputs: int) -> list[np.ndarray]:
    """A mask of zeros and ones for each kernel, (units before, units after); the last has `outputs` x D columns."""
    place = np.argsort(order)
    units = [place + 1, *degrees]
    hidden = [before[:, None] <= after[None, :] for before, after in itertools.pairwise(units)]
    last = np.tile(degrees[-1][:, None] <= place[None, :], outputs)
    return [mask.astype(np.float32) for mask in (*hidden, last)]


def _check(inputs: int, hidden: Sequence[int], outputs: int, context: int, degrees: str) -> None:
    if not hidden or min(hidden) < 1:
        raise InputError(f"MADE got hidden={tuple(hidden)}; expected one width or more, each 1 or more.")
    for name, value, least in (("inputs", inputs, 1), ("outputs", outputs, 1), ("context", context, 0)):
        if value < least:
            raise InputError(f"MADE got {name}={value}; expected {least} or more.")
    if degrees not in ("sequential", "random"):
        raise InputError(f"degrees is {degrees!r}; expected 'sequential' or 'random'.")
