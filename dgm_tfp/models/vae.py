"""The variational autoencoder: a latent variable, and a bound on log p(x) that both networks climb together."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tensorflow_probability import random as tfp_random

from dgm_tfp import bits, laws
from dgm_tfp.errors import InputError
from dgm_tfp.models.autoregressive_flow import MAF
from dgm_tfp.models.generative import seed_pair
from dgm_tfp.models.glow import check_halving
from dgm_tfp.models.likelihood import Likelihood
from dgm_tfp.models.marginal import Marginal
from dgm_tfp.models.real_nvp import RealNVP
from dgm_tfp.networks import conv_decoder, conv_encoder, mlp

LIKELIHOODS = ("bernoulli", "categorical", "logistic", "gaussian")
PRIORS = {"gaussian": None, "real_nvp": RealNVP, "maf": MAF}
OPTIONS = ("latent", "network", "hidden", "filters", "levels", "components", "kl", "beta", "free_bits")


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


@keras.saving.register_keras_serializable(package="dgm_tfp")
class VAE(Likelihood):
    """The variational autoencoder (Kingma & Welling, 2014): p(x) is the integral of p(x | z) p(z) over z.

    An encoder gives `posterior(x)`, q(z | x); a decoder gives `likelihood(z)`, p(x | z); with `prior`, p(z), each is a
    `tfd.Distribution` made afresh from the weights. The call is the evidence lower bound with one draw z ~ q(z | x)
    (equation 3 of the paper)::

        log p(x)  >=  ELBO(x) = E_q[log p(x | z)] - KL(q(z | x) || p(z))

    `log_prob`, `bits_per_dim` and what `fit` reports as bits_per_dim are this bound, whatever `beta` and `free_bits` make
    of the loss. `importance_weighted` is a tighter one, with its standard error.

    What p(x | z) is a law of:

    - "bernoulli": of bits, independent given z. With bins=2 the data are bits. Else each level x is first made a bit that
      is 1 with probability x / (bins - 1) (Salakhutdinov & Murray, 2008), anew at every training step and by `seed` when
      scoring; all numbers are then those of the binary image. The customary cross-entropy with grey values in place
      of bits is no likelihood: its law does not integrate to 1 (Loaiza-Ganem & Cunningham, 2019).
    - "categorical" or "logistic": of the levels 0..bins-1 themselves (`laws.Categorical`, `laws.Logistic`): bits
      per dimension compare with those of a flow, and there is no dequantization.
    - "gaussian", with bins=None: of real numbers, the standard deviations a weight for each dimension. Without hidden
      layers this is factor analysis, whose p(x) is known.

    Args:
      event_shape: (D,), or (height, width, channels).
      latent: size of z.
      likelihood: as above; "auto" is "gaussian" without bins, "bernoulli" for 2 bins and for vectors, "logistic" for
        images.
      network: "dense" or "conv"; "auto": convolutional for images, dense for vectors.
      hidden: widths of the dense encoder's hidden layers; the decoder has them in reverse.
      filters, levels: of the convolutional networks; see `networks.conv_encoder`.
      components: of the mixture of each number's law under "logistic".
      activation: of the dense networks.
      prior: "gaussian", N(0, I); or a flow trained along with the rest: "real_nvp" or "maf".
      prior_steps, prior_hidden: of that flow.
      kl: "analytic", "monte_carlo" (log q(z | x) - log p(z) at the draw), or "auto": analytic where it exists.
      beta: weight of the KL in the loss (Higgins et al., 2017).
      free_bits: nats per latent dimension below which the loss does not reward a smaller KL (Kingma et al., 2016,
        equation 15): each dimension's mean over the batch, or with a flow as prior, whose KL has no such parts, the sum.
      bins, dtype, seed: see `Likelihood`; "auto" is 256 for images and for a likelihood of levels, else None.

    Raises:
      InputError: an event that is neither; an image that cannot be halved `levels` times; sizes below 1; an unknown
        choice; a likelihood that does not go with `bins`; an analytic KL with a flow as prior.
    """

    dequantized = False

    def __init__(
        self,
        event_shape=(28, 28, 1),
        latent: int = 20,
        likelihood: str = "auto",
        network: str = "auto",
        hidden: Sequence[int] = (400,),
        filters: int = 32,
        levels: int = 2,
        components: int = 1,
        activation: str | Callable = "relu",
        prior: str = "gaussian",
        prior_steps: int = 4,
        prior_hidden: Sequence[int] = (64, 64),
        kl: str = "auto",
        beta: float = 1.0,
        free_bits: float = 0.0,
        bins: int | Literal["auto"] | None = "auto",
        dtype=None,
        seed: int = 0,
        **kwargs,
    ):
        if bins == "auto":
            bins = 256 if len(event_shape) == 3 or likelihood in ("categorical", "logistic", "bernoulli") else None
        super().__init__(event_shape, bins=bins, dtype=dtype, seed=seed, **kwargs)
        image = len(self.event_shape) == 3
        if likelihood == "auto":
            likelihood = "gaussian" if not bins else "logistic" if image and bins > 2 else "bernoulli"
        self.network = ("conv" if image else "dense") if network == "auto" else network
        self.latent, self.hidden, self.filters, self.levels = latent, tuple(hidden), filters, levels
        self.components, self.activation = components, keras.activations.get(activation)
        self.likelihood_kind, self.prior_kind = likelihood, prior
        self.prior_steps, self.prior_hidden = prior_steps, tuple(prior_hidden)
        self.kl = ("analytic" if prior == "gaussian" else "monte_carlo") if kl == "auto" else kl
        self.beta, self.free_bits = float(beta), float(free_bits)
        self._check_options()
        self.law = {
            "bernoulli": lambda: laws.Bernoulli(),
            "categorical": lambda: laws.Categorical(self.bins),
            "logistic": lambda: laws.Logistic(self.bins, components),
            "gaussian": lambda: laws.Gaussian(),
        }[likelihood]()
        self._make_networks()
        if likelihood == "gaussian":
            self.log_scale = self.add_weight(shape=self.event_shape, initializer="zeros", name="log_scale")
        if PRIORS[prior]:
            self.prior_flow = PRIORS[prior](
                (latent,), steps=prior_steps, hidden=self.prior_hidden, bins=None, dtype=dtype, seed=seed + 1
            )
        self._graph_decompose = tf.function(self._decompose, autograph=False)
        self._graph_weights = tf.function(self._log_weights, autograph=False)
        self._graph_draw = tf.function(self._draw, autograph=False)
        self._graph_encode = tf.function(
            lambda x, seed: self.posterior(self.to_continuous(x, seed)).mean(), autograph=False
        )
        self._graph_decode = tf.function(self.decoded_mean, autograph=False)
        self.build()

    def _make_networks(self) -> None:
        seed, dtype = 1000 * (self.seed + 1), self.network_policy
        results = self.law.outputs - (self.likelihood_kind == "gaussian")  # the log-scale is a weight
        if self.network == "conv":
            *size, channels = self.event_shape
            self.encoder = conv_encoder(self.event_shape, 2 * self.latent, self.filters, self.levels, seed, dtype)
            self.decoder = conv_decoder(
                self.latent, (*size, channels * results), self.filters, self.levels, seed + 500, dtype
            )
            return
        glorot = [keras.initializers.GlorotUniform(seed=seed + i) for i in (499, 999)]
        shape = (self.event_size, 2 * self.latent, self.hidden)
        self.encoder = mlp(*shape, self.activation, seed, dtype, name="encoder", last=glorot[0])
        shape = (self.latent, self.event_size * results, self.hidden[::-1])
        self.decoder = mlp(*shape, self.activation, seed + 500, dtype, name="decoder", last=glorot[1])

    # The three distributions.

    @property
    def prior(self) -> tfd.Distribution:
        """p(z)."""
        if self.prior_kind != "gaussian":
            return self.prior_flow.distribution
        zeros = tf.zeros(self.latent, self.variable_dtype)
        return tfd.Independent(tfd.Normal(zeros, tf.ones_like(zeros)), reinterpreted_batch_ndims=1)

    def posterior(self, x) -> tfd.Independent:
        """q(z | x): Gaussian, its dimensions independent, for x of shape (..., *event_shape) as `to_continuous` gives it."""
        shape = [-1, self.event_size] if self.network == "dense" else [-1, *self.event_shape]
        x = self.law.centred(tf.cast(x, self.variable_dtype))
        results = self._run(self.encoder, tf.reshape(x, shape))
        batch = tf.shape(x)[: len(x.shape) - len(self.event_shape)]
        loc, log_scale = tf.split(tf.reshape(results, tf.concat([batch, [2 * self.latent]], 0)), 2, axis=-1)
        return tfd.Independent(tfd.Normal(loc, tf.exp(laws.bounded(log_scale))), reinterpreted_batch_ndims=1)

    def likelihood(self, z) -> tfd.Independent:
        """p(x | z), the numbers of x independent, for z of shape (..., latent)."""
        return tfd.Independent(self.law(self._results(z)), reinterpreted_batch_ndims=len(self.event_shape))

    def _results(self, z) -> tf.Tensor:
        """What the decoder says of each number: (..., *event_shape, law.outputs)."""
        z = tf.convert_to_tensor(z, self.variable_dtype)
        results = self._run(self.decoder, tf.reshape(z, [-1, self.latent]))
        shape = tf.concat([tf.shape(z)[:-1], [*self.event_shape, -1]], 0)
        results = tf.ensure_shape(tf.reshape(results, shape), [*z.shape[:-1], *self.event_shape, None])
        if self.likelihood_kind != "gaussian":
            return tf.ensure_shape(results, [*z.shape[:-1], *self.event_shape, self.law.outputs])
        log_scale = tf.broadcast_to(self.log_scale.value[..., None], tf.shape(results))
        return tf.concat([results, log_scale], axis=-1)

    def _run(self, network, x):
        return tf.cast(network(x), self.variable_dtype)

    @property
    def distribution(self) -> Marginal:
        """p(x): samples are exact, `log_prob` is the ELBO, or with `log_prob(x, samples=100)` a tighter bound."""
        return Marginal(self)

    # The bound.

    def reconstruction_and_kl(self, x, seed) -> tuple[tf.Tensor, tf.Tensor]:
        """The ELBO's two parts with one draw z ~ q(z | x), for x as `to_continuous` gives it.

        Returns:
          log p(x | z), of shape (batch,), and the KL in parts that are to be summed: (batch, latent), one for each
          dimension of z, or (batch, 1) with a flow as prior. Nats.
        """
        posterior, prior = self.posterior(x), self.prior
        z = posterior.sample(seed=seed)
        if self.kl == "analytic":
            kl = tfd.kl_divergence(posterior.distribution, prior.distribution)
        elif self.prior_kind == "gaussian":
            kl = posterior.distribution.log_prob(z) - prior.distribution.log_prob(z)
        else:
            kl = (posterior.log_prob(z) - prior.log_prob(z))[..., None]
        return self.likelihood(z).log_prob(x), kl

    def call(self, x, training=False):
        """The ELBO in nats, shape (batch,). The draws are new at every training step, else the same."""
        reconstruction, kl = self._parts(x, self.noise_seed.next() if training else (0, 0))
        if training and (self.beta, self.free_bits) != (1.0, 0.0):
            # A loss apart, not a part of the result: what is reported stays the bound.
            floor = self.free_bits * self.latent / kl.shape[-1]
            wanted = self.beta * tf.reduce_sum(tf.maximum(tf.reduce_mean(kl, axis=0), floor))
            excess = wanted - tf.reduce_mean(tf.reduce_sum(kl, axis=-1))
            self.add_loss(excess / tf.distribute.get_strategy().num_replicas_in_sync)
        return reconstruction - tf.reduce_sum(kl, axis=-1)

    def _parts(self, x, seed):
        data_seed, latent_seed = _two_seeds(seed)
        return self.reconstruction_and_kl(self.to_continuous(x, data_seed), latent_seed)

    def _log_prob(self, data, seed):
        reconstruction, kl = self._parts(data[0], seed)
        return reconstruction - tf.reduce_sum(kl, axis=-1)

    def log_weight_sums(self, x, seed, samples, at_once) -> tuple[tf.Tensor, tf.Tensor]:
        """log sum_k w_k and log sum_k w_k^2 over draws z_k ~ q(z | x), with w_k = p(x | z_k) p(z_k) / q(z_k | x).

        Args:
          x: (batch, *event_shape), as `to_continuous` gives it.
          seed: a pair of integers.
          samples: how many draws: a Python integer or a tensor.
          at_once: how many of them are decoded at a time, which bounds the memory.

        Returns:
          Two float64 tensors (batch,).
        """
        posterior, prior = self.posterior(x), self.prior
        samples, at_once = tf.convert_to_tensor(samples), tf.convert_to_tensor(at_once)

        def draw(done, first, second):
            n = tf.minimum(at_once, samples - done)
            z = posterior.sample(n, seed=tf.random.experimental.stateless_fold_in(seed, done))
            log_w = self.likelihood(z).log_prob(x) + prior.log_prob(z) - posterior.log_prob(z)
            log_w = tf.cast(log_w, tf.float64)
            first = tf.reduce_logsumexp(tf.concat([first[None], log_w], 0), axis=0)
            second = tf.reduce_logsumexp(tf.concat([second[None], 2 * log_w], 0), axis=0)
            return done + n, first, second

        nothing = tf.fill(tf.shape(x)[:1], tf.constant(-np.inf, tf.float64))
        _, first, second = tf.while_loop(lambda done, *_: done < samples, draw, (0, nothing, nothing))
        return first, second

    def _log_weights(self, x, seed, samples, at_once):
        data_seed, latent_seed = _two_seeds(seed)
        return self.log_weight_sums(self.to_continuous(x, data_seed), latent_seed, samples, at_once)

    def _decompose(self, x, seed):
        reconstruction, kl = self._parts(x, seed)
        return reconstruction, tf.reduce_sum(kl, axis=-1)

    # What a person calls.

    def decompose(self, x, samples: int = 1, batch_size: int = 250, seed: int = 0) -> Bound:
        """E_q[log p(x | z)] and the KL of each example, in nats, means over `samples` draws; with one, as `log_prob`."""
        x = self.check(x)
        draws = [self._in_batches(self._graph_decompose, x, batch_size, seed + k) for k in range(samples)]
        return Bound(*np.mean(draws, axis=0))

    def elbo(self, x, samples: int = 1, batch_size: int = 250, seed: int = 0) -> np.ndarray:
        """The ELBO of each example, in nats, its mean over `samples` draws of z; with one draw it is `log_prob`."""
        return self.decompose(x, samples, batch_size, seed).elbo

    def importance_weighted(self, x, samples: int = 100, batch_size: int = 250, seed: int = 0) -> Estimate:
        """log (1/K) sum_k p(x | z_k) p(z_k) / q(z_k | x), z_k ~ q(z | x), with its standard error (Burda et al., 2016).

        In expectation at least the ELBO, at most log p(x), and growing to it with K = `samples`. The standard
        error is the delta method's: that of the mean weight, over the mean weight. It is too small where no draw has
        met the weights that matter.

        Args:
          x: as for `log_prob`.
          samples: K.
          batch_size: how many pairs of an example and a draw at a time: bounds the memory, whatever K is.
          seed: of the draws.
        """
        if samples < 1:
            raise InputError(f"importance_weighted got samples={samples}; expected 1 or more.")
        x = self.check(x)
        at_once = max(1, batch_size // len(x))
        first, second = self._in_batches(
            lambda part, seed: self._graph_weights(part, seed, tf.constant(samples), tf.constant(at_once)),
            x,
            batch_size,
            seed,
        )
        # Var(mean w) / mean(w)^2, of K weights: (K sum w^2 / (sum w)^2 - 1) / (K - 1).
        relative = np.maximum(samples * np.exp(second - 2 * first) - 1, 0) / max(1, samples - 1)
        return Estimate(first - np.log(samples), np.sqrt(relative) if samples > 1 else np.full_like(first, np.nan))

    def bits_per_dim(self, x, samples: int = 1, batch_size: int = 250, seed: int = 0) -> np.ndarray:
        """Bits per dimension of each example: of the ELBO, or with more `samples` of `importance_weighted`."""
        if samples == 1:
            return super().bits_per_dim(x, 1, batch_size, seed)
        return bits.bits_per_dim(self.importance_weighted(x, samples, batch_size, seed).log_prob, self.event_size)

    def scores(self, x, batch_size: int = 250, seed: int = 0, samples: int = 100) -> dict[str, np.ndarray]:
        """What `dgm-tfp score` writes: the ELBO, its bits per dimension and its parts, and `importance_weighted`."""
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

    def decoded_mean(self, z) -> tf.Tensor:
        """The mean of p(x | z) in the units of the data."""
        return self.law.mean(self._results(z)) * self._unit

    def reconstruct(self, x, batch_size: int = 250, seed: int = 0) -> np.ndarray:
        """`decode(encode(x))`: each example as its code has kept it, in the units of the data, floats."""
        return self.decode(self.encode(x, batch_size, seed), batch_size)

    def sample(self, n: int, seed: int | None = None, conditioning=None, means: bool = False) -> np.ndarray:
        """`n` examples, (n, *event_shape): z ~ p(z), then x ~ p(x | z), or with `means` the mean of it.

        Integers where the data are: means are rounded, and bits of levels are 0 and bins - 1.
        """
        self.match(conditioning)
        seed = seed_pair(self.seed if seed is None else seed)
        x = self._graph_draw(tf.constant(n), seed, tf.constant(means)).numpy()
        return np.round(x).astype(np.uint8 if self.bins <= 256 else np.int32) if self.bins else x

    def _draw(self, n, seed, means):
        prior_seed, likelihood_seed = _two_seeds(seed)
        z = self.prior.sample(n, seed=prior_seed)
        results = self._results(z)
        return self._unit * tf.cond(
            means, lambda: self.law.mean(results), lambda: self.law(results).sample(seed=likelihood_seed)
        )

    def _in_batches(self, function, x, batch_size: int, seed: int) -> list[np.ndarray]:
        parts = [keras.tree.flatten(function(*batch)) for batch in self._batches(x, batch_size, seed)]
        return [np.concatenate([part.numpy() for part in column]) for column in zip(*parts, strict=True)]

    # Data.

    @property
    def _unit(self) -> float:
        """What one is worth in the data: bits of levels stand for 0 and bins - 1."""
        return self.bins - 1.0 if self.likelihood_kind == "bernoulli" else 1.0

    def to_continuous(self, x, seed) -> tf.Tensor:
        """x as p(x | z) knows it, in the variable dtype: levels as they are, or as bits under "bernoulli"."""
        x = super().to_continuous(x, seed)
        if self.likelihood_kind != "bernoulli":
            return x
        threshold = self._unit * tf.random.stateless_uniform(tf.shape(x), seed, dtype=x.dtype)
        return tf.cast(threshold < x, x.dtype)

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in OPTIONS}
        return {
            **super().get_config(),
            **own,
            "likelihood": self.likelihood_kind,
            "prior": self.prior_kind,
            "prior_steps": self.prior_steps,
            "prior_hidden": self.prior_hidden,
            "activation": keras.activations.serialize(self.activation),
        }

    def _check_options(self) -> None:
        shape = self.event_shape
        if len(shape) not in (1, 3):
            raise InputError(f"VAE got event_shape={shape}; expected (D,) or (height, width, channels).")
        for name in ("latent", "filters", "levels", "components", "prior_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"VAE got {name}={getattr(self, name)}; expected 1 or more.")
        if min(self.hidden, default=1) < 1:
            raise InputError(f"VAE got hidden={self.hidden}; expected widths of 1 or more, or () for none.")
        for name, value, values in (
            ("likelihood", self.likelihood_kind, LIKELIHOODS),
            ("network", self.network, ("dense", "conv")),
            ("prior", self.prior_kind, tuple(PRIORS)),
            ("kl", self.kl, ("analytic", "monte_carlo")),
        ):
            if value not in values:
                *others, last = map(repr, values)
                raise InputError(f"{name} is {value!r}; expected {', '.join(others)} or {last}.")
        for name in ("beta", "free_bits"):
            if not getattr(self, name) >= 0:
                raise InputError(f"VAE got {name}={getattr(self, name)}; expected 0 or more.")
        if (self.likelihood_kind == "gaussian") != (self.bins is None):
            raise InputError(
                f"likelihood={self.likelihood_kind!r} does not go with bins={self.bins}. "
                'Use "gaussian" with bins=None for real data; another one, with bins, for integers.'
            )
        if self.kl == "analytic" and self.prior_kind != "gaussian":
            raise InputError(f'the KL to the prior {self.prior_kind!r} has no closed form. Use kl="monte_carlo".')
        if self.network == "conv":
            check_halving("VAE", shape, self.levels)


def _two_seeds(seed) -> tuple[tf.Tensor, tf.Tensor]:
    """One for the data's bits, one for z: else the two would share their random numbers."""
    return tuple(tfp_random.split_seed(tf.cast(seed, tf.int32), n=2, salt="vae"))
