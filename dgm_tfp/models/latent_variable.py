"""A model with a latent variable: bounds on log p(x), and what can be drawn, encoded and decoded."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tensorflow_probability import random as tfp_random

from dgm_tfp import bits
from dgm_tfp.errors import InputError
from dgm_tfp.models.generative import seed_pair
from dgm_tfp.models.likelihood import Likelihood
from dgm_tfp.models.marginal import Marginal


class Bound(NamedTuple):
    """The two parts of the ELBO, in nats, of shape (n,)."""

    reconstruction: np.ndarray
    kl: np.ndarray

    @property
    def elbo(self) -> np.ndarray:
        """E_q[log p(x | z)] - KL(q(z | x) || p(z))."""
        return self.reconstruction - self.kl


class Estimate(NamedTuple):
    """An estimate of log p(x) and its standard error, in nats, of shape (n,)."""

    log_prob: np.ndarray
    standard_error: np.ndarray


class LatentVariable(Likelihood):
    """p(x), the integral of p(x | z) p(z) over z: everything that follows from three distributions.

    A subclass gives `prior`, `posterior` and `likelihood`, each computed afresh from the weights, and `decoded_mean`.
    Its call is the evidence lower bound.

    Args:
      event_shape, bins, dtype, seed: see `Likelihood`.
      latent: size of z.
      kl: "analytic", or "monte_carlo": log q(z | x) - log p(z) at the draw.
      beta, free_bits: of the loss; see `VAE`.
    """

    dequantized = False

    def __init__(self, event_shape, latent: int, kl: str, beta: float, free_bits: float, **kwargs):
        super().__init__(event_shape, **kwargs)
        self.latent, self.kl, self.beta, self.free_bits = latent, kl, float(beta), float(free_bits)
        self._graph_decompose = tf.function(self._decompose, autograph=False)
        self._graph_weights = tf.function(self._log_weights, autograph=False)
        self._graph_encode = tf.function(self._encode, autograph=False)
        self._graph_decode = tf.function(lambda z: self.decoded_mean(z), autograph=False)
        self._graph_draw = tf.function(self._draw, autograph=False)

    # What a subclass gives.

    @property
    def prior(self) -> tfd.Distribution:
        """p(z), z of shape (latent,)."""
        raise NotImplementedError

    def posterior(self, x) -> tfd.Independent:
        """q(z | x), for x of shape (..., *event_shape) as `to_continuous` gives it."""
        raise NotImplementedError

    def likelihood(self, z) -> tfd.Distribution:
        """p(x | z), for z of shape (..., latent)."""
        raise NotImplementedError

    def decoded_mean(self, z) -> tf.Tensor:
        """The mean of p(x | z), in the units of the data."""
        raise NotImplementedError

    def to_data(self, x) -> tf.Tensor:
        """From what p(x | z) is a law of to the units of the data; see `to_continuous`."""
        return x

    @property
    def distribution(self) -> Marginal:
        """p(x): samples are exact, `log_prob` is the ELBO, or with `log_prob(x, samples=100)` a tighter bound."""
        return Marginal(self)

    # The bounds.

    def reconstruction_and_kl(self, x, seed) -> tuple[tf.Tensor, tf.Tensor]:
        """The ELBO's two parts with one draw z ~ q(z | x), for x as `to_continuous` gives it.

        Returns:
          log p(x | z), of shape (batch,), and the KL in parts that are to be summed: (batch, latent), one for each
          dimension of z, or (batch, 1) with a prior whose dimensions depend on each other. Nats.
        """
        q, p = self.posterior(x), self.prior
        z = q.sample(seed=seed)  # z = mu + sigma epsilon: reparameterised
        if self.kl == "analytic":
            kl = tfd.kl_divergence(q.distribution, p.distribution)
        elif isinstance(p, tfd.Independent):
            kl = q.distribution.log_prob(z) - p.distribution.log_prob(z)
        else:
            kl = (q.log_prob(z) - p.log_prob(z))[..., None]
        return self.likelihood(z).log_prob(x), kl

    def call(self, x, training=False):
        """The ELBO in nats, shape (batch,). The draws are new at every training step, else the same."""
        reconstruction, kl = self._parts(x, self.noise_seed.next() if training else (0, 0))
        if training and (self.beta, self.free_bits) != (1.0, 0.0):
            # A loss apart, and not in the result: what is reported as bits per dimension stays the bound.
            least = self.free_bits * self.latent / kl.shape[-1]
            wanted = self.beta * tf.reduce_sum(tf.maximum(tf.reduce_mean(kl, axis=0), least))
            excess = wanted - tf.reduce_mean(tf.reduce_sum(kl, axis=-1))
            self.add_loss(excess / tf.distribute.get_strategy().num_replicas_in_sync)
        return reconstruction - tf.reduce_sum(kl, axis=-1)

    def _parts(self, x, seed):
        data_seed, latent_seed = _two_seeds(seed)
        return self.reconstruction_and_kl(self.to_continuous(x, data_seed), latent_seed)

    def _decompose(self, x, seed):
        reconstruction, kl = self._parts(x, seed)
        return reconstruction, tf.reduce_sum(kl, axis=-1)

    def _log_prob(self, data, seed):
        reconstruction, kl = self._decompose(data[0], seed)
        return reconstruction - kl

    def log_weight_sums(self, x, seed, samples, at_once=1) -> tuple[tf.Tensor, tf.Tensor]:
        """log sum_k w_k and log sum_k w_k^2 over draws z_k ~ q(z | x), with w_k = p(x | z_k) p(z_k) / q(z_k | x).

        Args:
          x: (batch, *event_shape), as `to_continuous` gives it.
          seed: a pair of integers.
          samples: how many draws.
          at_once: how many of them are decoded at a time, which bounds the memory.

        Returns:
          Two float64 tensors (batch,).
        """
        q, p = self.posterior(x), self.prior
        samples, at_once = tf.convert_to_tensor(samples), tf.convert_to_tensor(at_once)

        def draw(done, first, second):
            n = tf.minimum(at_once, samples - done)
            z = q.sample(n, seed=tf.random.experimental.stateless_fold_in(seed, done))
            log_w = tf.cast(self.likelihood(z).log_prob(x) + p.log_prob(z) - q.log_prob(z), tf.float64)
            first = tf.reduce_logsumexp(tf.concat([first[None], log_w], axis=0), axis=0)
            second = tf.reduce_logsumexp(tf.concat([second[None], 2 * log_w], axis=0), axis=0)
            return done + n, first, second

        nothing = tf.fill(tf.shape(x)[:1], tf.constant(-np.inf, tf.float64))
        _, first, second = tf.while_loop(lambda done, *_: done < samples, draw, (0, nothing, nothing))
        return first, second

    def _log_weights(self, x, seed, samples, at_once):
        data_seed, latent_seed = _two_seeds(seed)
        return self.log_weight_sums(self.to_continuous(x, data_seed), latent_seed, samples, at_once)

    # What a person calls.

    def decompose(self, x, samples: int = 1, batch_size: int = 250, seed: int = 0) -> Bound:
        """E_q[log p(x | z)] and the KL of each example, in nats, means over `samples` draws; one is `log_prob`'s."""
        x = self.check(x)
        draws = [self._in_batches(self._graph_decompose, x, batch_size, seed + k) for k in range(samples)]
        return Bound(*np.mean(draws, axis=0))

    def elbo(self, x, samples: int = 1, batch_size: int = 250, seed: int = 0) -> np.ndarray:
        """The ELBO of each example, in nats, its mean over `samples` draws of z; with one draw it is `log_prob`."""
        return self.decompose(x, samples, batch_size, seed).elbo

    def importance_weighted(self, x, samples: int = 100, batch_size: int = 250, seed: int = 0) -> Estimate:
        """log (1/K) sum_k p(x | z_k) p(z_k) / q(z_k | x), z_k ~ q(z | x), with its standard error (Burda et al., 2016).

        In expectation at least the ELBO, at most log p(x), and growing to it with K = `samples`. The standard error is
        the delta method's: that of the mean weight, over the mean weight. It is too small where no draw has met the
        weights that matter.

        Args:
          x: as for `log_prob`.
          samples: K.
          batch_size: how many pairs of an example and a draw at a time: bounds the memory, whatever K is.
          seed: of the draws.

        Returns:
          Two float64 arrays (n,); the standard error of a single draw is NaN.
        """
        if samples < 1:
            raise InputError(f"importance_weighted got samples={samples}; expected 1 or more.")
        x = self.check(x)
        sizes = tf.constant(samples), tf.constant(max(1, batch_size // len(x)))
        first, second = self._in_batches(
            lambda part, seed: self._graph_weights(part, seed, *sizes), x, batch_size, seed
        )
        if samples == 1:
            return Estimate(first, np.full_like(first, np.nan))
        # Var(mean w) / mean(w)^2 of K weights is (K sum w^2 / (sum w)^2 - 1) / (K - 1).
        relative = np.maximum(0, samples * np.exp(second - 2 * first) - 1) / (samples - 1)
        return Estimate(first - np.log(samples), np.sqrt(relative))

    def bits_per_dim(self, x, samples: int = 1, batch_size: int = 250, seed: int = 0) -> np.ndarray:
        """Bits per dimension of each example: of the ELBO, or with more `samples` of `importance_weighted`."""
        if samples == 1:
            return super().bits_per_dim(x, 1, batch_size, seed)
        return bits.bits_per_dim(self.importance_weighted(x, samples, batch_size, seed).log_prob, self.event_size)

    def scores(self, x, batch_size: int = 250, seed: int = 0, samples: int = 100) -> dict[str, np.ndarray]:
        """The ELBO ("log_prob"), its bits per dimension and its parts; `importance_weighted` and its standard error."""
        bound = self.decompose(x, 1, batch_size, seed)
        estimate = self.importance_weighted(x, samples, batch_size, seed)
        return {
            "log_prob": bound.elbo,
            "bits_per_dim": bits.bits_per_dim(bound.elbo, self.event_size),
            "reconstruction": bound.reconstruction,
            "kl": bound.kl,
            "importance_weighted": estimate.log_prob,
            "standard_error": estimate.standard_error,
        }

    def encode(self, x, batch_size: int = 250, seed: int = 0) -> np.ndarray:
        """The mean of q(z | x) of each example: (n, latent). `seed` matters where levels are made bits."""
        return self._in_batches(self._graph_encode, self.check(x), batch_size, seed)[0]

    def decode(self, z, batch_size: int = 250) -> np.ndarray:
        """The mean of p(x | z) in the units of the data, floats (n, *event_shape), for z of shape (n, latent)."""
        z = np.asarray(z, self.variable_dtype)
        if z.ndim != 2 or z.shape[1] != self.latent:
            raise InputError(f"decode got z of shape {z.shape}; expected (n, {self.latent}).")
        parts = [self._graph_decode(tf.constant(z[i : i + batch_size])) for i in range(0, len(z), batch_size)]
        return np.concatenate([part.numpy() for part in parts])

    def reconstruct(self, x, batch_size: int = 250, seed: int = 0) -> np.ndarray:
        """`decode(encode(x))`: each example as its code has kept it, in the units of the data, floats."""
        return self.decode(self.encode(x, batch_size, seed), batch_size)

    def sample(self, n: int, seed: int | None = None, conditioning=None, means: bool = False) -> np.ndarray:
        """`n` examples, (n, *event_shape): z ~ p(z), then x ~ p(x | z), or with `means` the mean of p(x | z), rounded.

        Integers where the data are integers; bits of levels are 0 and bins - 1.
        """
        self.match(conditioning)
        pair = seed_pair(self.seed if seed is None else seed)
        x = self._graph_draw(tf.constant(n), pair, tf.constant(means)).numpy()
        return bits.quantize(np.round(x), self.bins) if self.bins else x

    def _encode(self, x, seed):
        return self.posterior(self.to_continuous(x, _two_seeds(seed)[0])).mean()

    def _draw(self, n, seed, means):
        z_seed, x_seed = _two_seeds(seed)
        z = self.prior.sample(n, seed=z_seed)
        return tf.cond(
            means, lambda: self.decoded_mean(z), lambda: self.to_data(self.likelihood(z).sample(seed=x_seed))
        )

    def _in_batches(self, function, x, batch_size: int, seed: int) -> list[np.ndarray]:
        parts = [keras.tree.flatten(function(*batch)) for batch in self._batches(x, batch_size, seed)]
        return [np.concatenate([part.numpy() for part in column]) for column in zip(*parts, strict=True)]


def _two_seeds(seed) -> tuple[tf.Tensor, tf.Tensor]:
    """One for x, the other for z: else the two would share their random numbers."""
    return tuple(tfp_random.split_seed(tf.cast(seed, tf.int32), n=2, salt="latent_variable"))
