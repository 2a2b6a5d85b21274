"""What every model of the library is: a `keras.Model` whose call is log p(x) per example."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from dgm_tfp import bits
from dgm_tfp.errors import InputError


@keras.saving.register_keras_serializable(package="dgm_tfp")
class NegativeLogLikelihood(keras.losses.Loss):
    """The loss -log p(x): what the model returned, with its sign changed; the target is not used."""

    def call(self, y_true, y_pred):
        return -y_pred


class Likelihood(keras.Model):
    """A model with `log_prob`. Its call returns log p(x) in nats, of shape (batch,), or a lower bound on it.

    A subclass owns Keras weights and gives `distribution`, a `tfd.Distribution` computed from them. `compile` needs
    an optimizer only: the loss is the negative log-likelihood. `fit` takes the data alone or, as TFDS gives them,
    pairs with labels, which are not used. A `loss` or `metrics` given to `compile` all the same are functions of
    (x, log p(x)).

    A conditional model, log p(x given c), takes pairs (x, c) wherever another takes x: `fit((x, c))`,
    `log_prob((x, c))`, a `tf.data.Dataset` of ((x, c),) or ((x, c), label). It has `distribution_given(c)` in place of
    `distribution`, and `sample(n, conditioning=c)`.

    XLA is left to Keras: `compile(jit_compile="auto")` means on with a GPU, off on a CPU or under a strategy. On a CPU
    it makes an image flow slower; `jit_compile=True` pays there for splines, whose step takes about half the time.

    Args:
      event_shape: the shape of one example.
      bins: the data are integers in {0, ..., bins - 1}, and are dequantized inside the model; the distribution lives
        on [0, bins). None: the data are real vectors, taken as they are.
      dtype: a Keras dtype policy for the networks; the current global one by default. Densities are computed in its
        variable dtype: in float32 under "mixed_bfloat16". Under "mixed_float16" the loss is not scaled: prefer
        bfloat16, or wrap the optimizer in `keras.optimizers.LossScaleOptimizer`.
      seed: of the weights and of the dequantization noise in training.
      conditioning_shape: (k,) for a model of x given vectors c of k numbers; None for a model of x alone.
    """

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
        self.bits_tracker = keras.metrics.Mean(name="bits_per_dim")
        self.nll = NegativeLogLikelihood(name="nll")
        self._graph_log_prob = tf.function(lambda x, seed: self._log_prob(self.split(x), seed), autograph=False)
        self._graph_sample = tf.function(
            lambda n, seed, conditioning=None: self.distribution_given(conditioning).sample(n, seed=seed),
            autograph=False,
        )

    # What a subclass gives.

    @property
    def distribution(self) -> tfd.Distribution:
        """p(y), computed afresh from the current weights. For images y = x + u lies in [0, bins)."""
        raise NotImplementedError

    def distribution_given(self, conditioning: tf.Tensor | None) -> tfd.Distribution:
        """p(y given c) for c of shape (..., k), its batch shape the leading axes; `distribution` where c is None."""
        self.match(conditioning)
        return self.distribution

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

    def build(self, input_shape=None):
        """Nothing to do: the weights were made by the constructor. Keras calls it on loading and exporting."""
        self.built = True

    def make_train_function(self, force=False):
        if self.optimizer is not None and not self.optimizer.built:
            # Keras makes the optimizer's weights inside the first trace, which TensorFlow then throws away and repeats.
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        return super().make_train_function(force)

    def call(self, x, training=False):
        """log p(x) in nats, shape (batch,). The dequantization noise is new at every training step, else the same."""
        return self._log_prob(self.split(x), self.noise_seed.next() if training and self.bins else (0, 0))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        # A Loss object, not a mean: it divides by the global batch under tf.distribute.
        if self._compile_loss is not None:
            return super().compute_loss(x, self.split(x)[0], y_pred, sample_weight, training)
        loss = self.nll(y_pred, y_pred, sample_weight)
        return sum(self.losses, start=loss)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        self.bits_tracker.update_state(bits.bits_per_dim(y_pred, self.event_size), sample_weight)
        return super().compute_metrics(x, self.split(x)[0], y_pred, sample_weight)

    # What a person calls. Each is compiled and takes any number of examples.

    def log_prob(self, x, batch_size: int = 250, seed: int = 0) -> np.ndarray:
        """log p(x) in nats per example.

        Args:
          x: integers (n, *event_shape), or floats where `bins` is None; a pair (x, c) for a conditional model.
          batch_size: how many examples at a time.
          seed: of the dequantization noise; the same seed gives the same numbers.

        Returns:
          NumPy array (n,).
        """
        x = self.check(x)
        parts = [self._graph_log_prob(*batch) for batch in self._batches(x, batch_size, seed)]
        return np.concatenate([part.numpy() for part in parts])

    def bits_per_dim(self, x, samples: int = 1, batch_size: int = 250, seed: int = 0) -> np.ndarray:
        """Bits per dimension of each example.

        With `samples` draws u_k of the dequantization noise it is -log2 of (1/K) sum_k p(x + u_k), over D: an upper
        bound on the true value in expectation, that tightens as `samples` grows (Burda et al., 2016, theorem 1).
        """
        log_probs = np.stack([self.log_prob(x, batch_size, seed + k) for k in range(samples)])
        return bits.bits_per_dim(np.logaddexp.reduce(log_probs) - np.log(samples), self.event_size)

    def sample(self, n: int, seed: int | None = None, conditioning=None) -> np.ndarray:
        """`n` examples, (n, *event_shape): quantized to integers where the data are integers.

        Args:
          n: how many, for each conditioning vector.
          seed: the same one gives the same examples; the model's own by default.
          conditioning: (..., k) for a conditional model; the result is then (n, ..., *event_shape).
        """
        given = () if conditioning is None else (tf.convert_to_tensor(conditioning, self.variable_dtype),)
        y = self._graph_sample(tf.constant(n), _seed_pair(self.seed if seed is None else seed), *given).numpy()
        return bits.quantize(y, self.bins) if self.bins else y

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

    def _log_prob(self, data, seed):
        x, conditioning = data
        return self.distribution_given(conditioning).log_prob(self.to_continuous(x, seed))

    def to_continuous(self, x, seed) -> tf.Tensor:
        """y = x + u for integers x, and x itself where `bins` is None. Checks the type and the shape of the batch."""
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
        return bits.dequantize(x, seed, self.variable_dtype)

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
        for i, start in enumerate(range(0, len(keras.tree.flatten(x)[0]), batch_size)):
            part = keras.tree.map_structure(lambda x, s=start: tf.convert_to_tensor(x[s : s + batch_size]), x)
            yield part, _seed_pair(seed, i)


def _seed_pair(seed: int, batch: int = 0) -> tf.Tensor:
    return tf.constant([seed, batch], tf.int32)  # a tensor: a Python number would retrace the graph


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
