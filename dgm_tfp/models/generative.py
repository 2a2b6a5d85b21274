"""What every model of the library is: a `keras.Model` that knows its examples, draws new ones and scores given ones."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dgm_tfp import bits
from dgm_tfp.errors import InputError


class Generative(keras.Model):
    """A model of examples of one shape, with `sample` and `scores`. It owns Keras weights, made in its constructor.

    A conditional model, of x given c, takes pairs (x, c) wherever another takes x: `fit((x, c))`, `scores((x, c))`,
    a `tf.data.Dataset` of ((x, c),) or ((x, c), label), and `sample(n, conditioning=c)`.

    Args:
      event_shape: the shape of one example.
      bins: the data are integers in {0, ..., bins - 1}. None: they are real vectors, taken as they are.
      dtype: a Keras dtype policy for the networks; the current global one by default. Densities are computed in its
        variable dtype: in float32 under "mixed_bfloat16". Under "mixed_float16" the loss is not scaled: prefer
        bfloat16, or wrap the optimizer in `keras.optimizers.LossScaleOptimizer`.
      seed: of the weights and of the noise in training.
      conditioning_shape: (k,) for a model of x given vectors c of k numbers; None for a model of x alone.
    """

    #: The metric that a progress bar shows; a name in the logs of `fit`.
    progress_metric = "loss"
    #: Whether integers x become y = x + u, u uniform on [0, 1), as a density needs. Else they stay what they are.
    dequantized = True

    def __init__(
        self,
        event_shape,
        bins: int | None = 256,
        dtype: Any = None,
        seed: int = 0,
        conditioning_shape: tuple[int] | None = None,
        **kwargs,
    ):
        policy = keras.dtype_policies.get(dtype if dtype is not None else keras.config.dtype_policy())
        super().__init__(dtype=policy.variable_dtype, **kwargs)
        self.event_shape = _checked_shape(event_shape)
        self.event_size = int(np.prod(self.event_shape))
        self.bins = bins
        self.conditioning_shape = _checked_conditioning(conditioning_shape)
        self.network_policy = policy
        self.seed = seed
        self.noise_seed = keras.random.SeedGenerator(seed)

    # What a subclass gives.

    def sample(self, n: int, seed: int | None = None, conditioning=None) -> np.ndarray:
        """`n` examples, (n, *event_shape): integers where the data are integers.

        Args:
          n: how many, for each conditioning vector.
          seed: the same one gives the same examples; the model's own by default.
          conditioning: (..., k) for a conditional model; the result is then (n, ..., *event_shape).
        """
        raise NotImplementedError

    def scores(self, x, batch_size: int = 250, seed: int = 0) -> dict[str, np.ndarray]:
        """What the model says of each example: name to array (n,). The first one is higher for what it knows better."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {
            "event_shape": self.event_shape,
            "bins": self.bins,
            "dtype": self.network_policy.name,
            "seed": self.seed,
            "conditioning_shape": self.conditioning_shape,
            "name": self.name,
        }

    # What Keras calls.

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """All of them: what a run must save to go on."""
        return [self.optimizer]

    def build(self, input_shape=None):
        """Nothing to do: the weights were made by the constructor. Keras calls it on loading and exporting."""
        self.built = True

    def make_train_function(self, force=False):
        if self.optimizer is not None:
            # Keras makes the optimizer's weights inside the first trace, which TensorFlow then throws away and repeats.
            with self.distribute_strategy.scope():
                self.build_optimizers()
        return super().make_train_function(force)

    def build_optimizers(self) -> None:
        """Makes the weights of the optimizers, where they are not there yet."""
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)

    # Data.

    def split(self, x) -> tuple[Any, Any]:
        """x and c of a conditional model's pair; x and None of another's."""
        if self.conditioning_shape is None:
            return x, None
        if not isinstance(x, tuple | list) or len(x) != 2:
            raise InputError(
                f"{type(self).__name__} models x given c, got no pair. Pass (x, c), for instance fit((x, c))."
            )
        self.match(x[1])
        return x[0], x[1]

    def match(self, conditioning) -> None:
        """Raises an `InputError` where there is conditioning and should not be, or the other way round."""
        name, shape = type(self).__name__, self.conditioning_shape
        if conditioning is None and shape is not None:
            raise InputError(
                f"this {name} models x given c of shape {shape}. "
                "Use distribution_given(c), bijector_given(c), sample(n, conditioning=c)."
            )
        if conditioning is not None and shape is None:
            raise InputError(f"this {name} has no conditioning. Construct it with conditioning_shape=(k,).")
        if conditioning is not None and tuple(conditioning.shape[-1:]) != shape:
            raise InputError(
                f"{name} takes conditioning of shape {shape}, got a batch of {tuple(conditioning.shape)}. "
                "Pass (n, *conditioning_shape)."
            )

    def to_continuous(self, x, seed) -> tf.Tensor:
        """A batch as the model computes with it, in the variable dtype, its type and shape checked.

        y = x + u for integers x of a model of densities (see `dequantized`); x itself for the rest.
        """
        if tuple(x.shape[1:]) != self.event_shape:
            raise InputError(
                f"{type(self).__name__} models examples of shape {self.event_shape}, got a batch of {tuple(x.shape)}. "
                "Pass (n, *event_shape)."
            )
        if not self.bins:
            return tf.cast(x, self.variable_dtype)
        if not x.dtype.is_integer:
            raise InputError(
                f"{type(self).__name__} models integers 0..{self.bins - 1}, got {x.dtype.name}. "
                "Pass the bytes, not scaled floats; or use bins=None for real data."
            )
        return bits.dequantize(x, seed, self.variable_dtype) if self.dequantized else tf.cast(x, self.variable_dtype)

    def check(self, x) -> Any:
        """The data as an array, or a pair of them, or an `InputError` that says what is wrong with them."""
        x, conditioning = self.split(x)
        x = np.asarray(x)
        if conditioning is not None:
            conditioning = np.asarray(conditioning)
            if len(conditioning) != len(x):
                raise InputError(
                    f"got {len(x)} examples and {len(conditioning)} conditioning vectors. Pass one for each."
                )
            if not np.isfinite(conditioning).all():
                raise InputError("the conditioning has NaN or infinite values. Remove those examples.")
        if len(x) == 0:
            raise InputError(f"{type(self).__name__} got no examples. Pass at least one.")
        if self.bins and np.issubdtype(x.dtype, np.integer) and not 0 <= x.min() <= x.max() < self.bins:
            raise InputError(
                f"{type(self).__name__} models integers 0..{self.bins - 1}, got values from {x.min()} to {x.max()}. "
                "Rescale the data, or choose bins."
            )
        if not np.issubdtype(x.dtype, np.integer) and not np.isfinite(x).all():
            raise InputError(f"{type(self).__name__} got NaN or infinite values. Remove those examples.")
        return x if conditioning is None else (x, conditioning)

    def _batches(self, x, batch_size: int, seed: int):
        """Pairs of a batch, in tensors, and its seed: the arguments of a compiled function of (x, seed)."""
        for i, start in enumerate(range(0, len(keras.tree.flatten(x)[0]), batch_size)):
            part = keras.tree.map_structure(lambda x, s=start: tf.convert_to_tensor(x[s : s + batch_size]), x)
            yield part, seed_pair(seed, i)


def seed_pair(seed: int, batch: int = 0) -> tf.Tensor:
    """The seed of TensorFlow's stateless random numbers for one batch: a tensor, a number would retrace the graph."""
    return tf.constant([seed, batch], tf.int32)


def _checked_conditioning(shape) -> tuple[int] | None:
    if shape is None:
        return None
    shape = tuple(int(size) for size in shape)
    if len(shape) != 1 or shape[0] < 1:
        raise InputError(f"conditioning_shape is {shape}; expected (k,), a vector of one number or more. Flatten it.")
    return shape


def _checked_shape(event_shape) -> tuple[int, ...]:
    shape = tuple(int(size) for size in event_shape)
    if not shape or min(shape) < 1:
        raise InputError(
            f"event_shape is {shape}; every axis must be 1 or more. For images give (height, width, channels)."
        )
    return shape
