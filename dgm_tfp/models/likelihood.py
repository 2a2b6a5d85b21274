"""A model with a likelihood: a `keras.Model` whose call is log p(x) per example."""

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from dgm_tfp import bits
from dgm_tfp.models.generative import Generative, seed_pair


@keras.saving.register_keras_serializable(package="dgm_tfp")
class NegativeLogLikelihood(keras.losses.Loss):
    """The loss -log p(x): what the model returned, with its sign changed; the target is not used."""

    def call(self, y_true, y_pred):
        return -y_pred


class Likelihood(Generative):
    """A model with `log_prob`. Its call returns log p(x) in nats, of shape (batch,), or a lower bound on it.

    A subclass owns Keras weights and gives `distribution`, a `tfd.Distribution` computed from them. `compile` needs
    an optimizer only: the loss is the negative log-likelihood. `fit` takes the data alone or, as TFDS gives them,
    pairs with labels, which are not used. A `loss` or `metrics` given to `compile` all the same are functions of
    (x, log p(x)).

    A conditional model, log p(x given c), has `distribution_given(c)` in place of `distribution`, and takes pairs
    (x, c): see `Generative`.

    Integers are dequantized inside the model of a density, whose distribution lives on [0, bins); a model of
    probabilities (`dequantized = False`) has its mass on the integers themselves.

    XLA is left to Keras: `compile(jit_compile="auto")` means on with a GPU, off on a CPU or under a strategy. On a CPU
    it makes an image flow slower; `jit_compile=True` pays there for splines, whose step takes about half the time.

    Args:
      event_shape, bins, dtype, seed, conditioning_shape: see `Generative`.
    """

    progress_metric = "bits_per_dim"

    def __init__(self, event_shape, *args, **kwargs):
        super().__init__(event_shape, *args, **kwargs)
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
        """p(y), computed afresh from the current weights. For dequantized images y = x + u lies in [0, bins)."""
        raise NotImplementedError

    def distribution_given(self, conditioning: tf.Tensor | None) -> tfd.Distribution:
        """p(y given c) for c of shape (..., k), its batch shape the leading axes; `distribution` where c is None."""
        self.match(conditioning)
        return self.distribution

    # What Keras calls.

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

    def scores(self, x, batch_size: int = 250, seed: int = 0) -> dict[str, np.ndarray]:
        """log p(x) in nats, and bits per dimension, of each example."""
        log_prob = self.log_prob(x, batch_size, seed)
        return {"log_prob": log_prob, "bits_per_dim": bits.bits_per_dim(log_prob, self.event_size)}

    def sample(self, n: int, seed: int | None = None, conditioning=None) -> np.ndarray:
        given = () if conditioning is None else (tf.convert_to_tensor(conditioning, self.variable_dtype),)
        y = self._graph_sample(tf.constant(n), seed_pair(self.seed if seed is None else seed), *given).numpy()
        return bits.quantize(y, self.bins) if self.bins else y

    def _log_prob(self, data, seed):
        x, conditioning = data
        return self.distribution_given(conditioning).log_prob(self.to_continuous(x, seed))
