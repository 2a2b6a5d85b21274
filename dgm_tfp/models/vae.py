"""The variational autoencoder: two networks that climb a bound on log p(x) together."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from dgm_tfp import laws
from dgm_tfp.errors import InputError
from dgm_tfp.models.autoregressive_flow import MAF
from dgm_tfp.models.glow import check_halving
from dgm_tfp.models.latent_variable import LatentVariable
from dgm_tfp.models.real_nvp import RealNVP
from dgm_tfp.networks import conv_decoder, conv_encoder, mlp

FLOWS: dict[str, Callable] = {"real_nvp": RealNVP, "maf": MAF}
OPTIONS = ("latent", "network", "hidden", "filters", "levels", "components", "prior_steps", "prior_hidden", "kl")


@keras.saving.register_keras_serializable(package="dgm_tfp")
class VAE(LatentVariable):
    """The variational autoencoder (Kingma & Welling, 2014): p(x) is the integral of p(x | z) p(z) over z.

    An encoder gives `posterior(x)`, q(z | x); a decoder gives `likelihood(z)`, p(x | z); with `prior`, p(z), each is a
    `tfd.Distribution` made afresh from the weights. The call is the evidence lower bound with one draw z ~ q(z | x)
    (equation 3 of the paper)::

        log p(x)  >=  ELBO(x) = E_q[log p(x | z)] - KL(q(z | x) || p(z))

    `log_prob`, `bits_per_dim` and the bits_per_dim that `fit` reports are this bound, whatever `beta` and `free_bits`
    make of the loss. `importance_weighted` is a tighter one, with its standard error.

    What p(x | z) is a law of:

    - "bernoulli": of bits. With bins=2 the data are bits. Else each level x is first made a bit that is 1 with
      probability x / (bins - 1) (Salakhutdinov & Murray, 2008), anew at every training step and by `seed` when
      scoring, and all numbers are those of the binary image. The customary cross-entropy with grey values in place of
      bits is no likelihood: its law does not integrate to 1 (Loaiza-Ganem & Cunningham, 2019).
    - "categorical", "logistic": of the levels 0..bins-1 themselves (`laws.Categorical`, `laws.Logistic`). Bits per
      dimension compare with those of a flow, and there is no dequantization.
    - "gaussian", with bins=None: of real numbers, the standard deviations a weight for each dimension. Without hidden
      layers this is factor analysis, whose p(x) is known.

    Args:
      event_shape: (D,), or (height, width, channels).
      latent: size of z.
      likelihood: as above; "auto": "gaussian" without bins, "bernoulli" with 2, else "logistic".
      network: "dense" or "conv"; "auto": convolutional for images, dense for vectors.
      hidden: widths of the dense encoder's hidden layers; the decoder has them in reverse.
      filters, levels: of the convolutional networks; see `networks.conv_encoder`.
      components: of the mixture that each number's law is under "logistic".
      activation: of the dense networks.
      prior: "gaussian", N(0, I); or a flow that is trained along with the rest: "real_nvp" or "maf".
      prior_steps, prior_hidden: of that flow.
      kl: "analytic"; "monte_carlo", log q(z | x) - log p(z) at the draw; "auto": analytic where it exists.
      beta: weight of the KL in the loss (Higgins et al., 2017).
      free_bits: nats per latent dimension below which a smaller KL does not lower the loss (Kingma et al., 2016,
        equation 15). What is compared is the batch's mean in each dimension; with a flow as prior, whose KL has no such
        parts, their sum.
      bins: "auto": 256 for images and where a likelihood of integers is asked for, else None.
      dtype, seed: see `Likelihood`.

    Raises:
      InputError: an event that is neither; an image that cannot be halved `levels` times; sizes below 1; an unknown
        choice; a likelihood that does not go with `bins`; an analytic KL to a flow.
    """

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
            bins = 256 if len(event_shape) == 3 or likelihood not in ("auto", "gaussian") else None
        if kl == "auto":
            kl = "analytic" if prior == "gaussian" else "monte_carlo"
        super().__init__(event_shape, latent, kl, beta, free_bits, bins=bins, dtype=dtype, seed=seed, **kwargs)
        image = len(self.event_shape) == 3
        if likelihood == "auto":
            likelihood = {None: "gaussian", 2: "bernoulli"}.get(bins, "logistic")
        self.likelihood_name, self.prior_name = likelihood, prior
        self.network = ("conv" if image else "dense") if network == "auto" else network
        self.hidden, self.filters, self.levels = tuple(hidden), filters, levels
        self.components, self.activation = components, keras.activations.get(activation)
        self.prior_steps, self.prior_hidden = prior_steps, tuple(prior_hidden)
        self._check_options()
        self.law = laws.law(likelihood, bins, components)
        self._make_networks()
        if likelihood == "gaussian":
            self.log_scale = self.add_weight(shape=self.event_shape, initializer="zeros", name="log_scale")
        if prior != "gaussian":
            self.prior_flow = FLOWS[prior](
                (latent,), prior_steps, self.prior_hidden, bins=None, dtype=self.network_policy, seed=seed
            )
        self.build()

    def _make_networks(self) -> None:
        seed, dtype = 1000 * (self.seed + 1), self.network_policy
        results = 1 if self.likelihood_name == "gaussian" else self.law.outputs  # its log-scale is a weight
        if self.network == "conv":
            height, width, channels = self.event_shape
            sizes = (self.filters, self.levels)
            self.encoder = conv_encoder((height, width, channels), 2 * self.latent, *sizes, seed, dtype)
            self.decoder = conv_decoder(self.latent, (height, width, channels * results), *sizes, seed + 500, dtype)
        else:
            # Not zeros: while p(x | z) is the same for all z, and q(z | x) is p(z), neither network has a gradient.
            first, second = (keras.initializers.GlorotUniform(seed=seed + i) for i in (499, 999))
            size, hidden = self.event_size, self.hidden
            self.encoder = mlp(size, 2 * self.latent, hidden, self.activation, seed, dtype, "encoder", first)
            self.decoder = mlp(
                self.latent, size * results, hidden[::-1], self.activation, seed + 500, dtype, "decoder", second
            )

    @property
    def prior(self) -> tfd.Distribution:
        """p(z): N(0, I), or the flow's distribution."""
        if self.prior_name != "gaussian":
            return self.prior_flow.distribution
        zeros = tf.zeros(self.latent, self.variable_dtype)
        return tfd.Independent(tfd.Normal(zeros, tf.ones_like(zeros)), reinterpreted_batch_ndims=1)

    def posterior(self, x) -> tfd.Independent:
        """q(z | x) = N(mu(x), diag(sigma(x)^2)), for x of shape (..., *event_shape) as `to_continuous` gives it."""
        x = self.law.centred(tf.convert_to_tensor(x, self.variable_dtype))
        flat = tf.reshape(x, [-1, *(self.event_shape if self.network == "conv" else (self.event_size,))])
        results = tf.cast(self.encoder(flat), self.variable_dtype)
        batch = tf.shape(x)[: len(x.shape) - len(self.event_shape)]
        mu, log_sigma = tf.split(tf.reshape(results, tf.concat([batch, [2 * self.latent]], axis=0)), 2, axis=-1)
        return tfd.Independent(tfd.Normal(mu, tf.exp(laws.bounded(log_sigma))), reinterpreted_batch_ndims=1)

    def likelihood(self, z) -> tfd.Independent:
        """p(x | z), the numbers of x independent given z, for z of shape (..., latent)."""
        return tfd.Independent(self.law(self._results(z)), reinterpreted_batch_ndims=len(self.event_shape))

    def decoded_mean(self, z):
        return self.to_data(self.law.mean(self._results(z)))

    def _results(self, z) -> tf.Tensor:
        """What the decoder says of each number of x: (..., *event_shape, law.outputs)."""
        z = tf.convert_to_tensor(z, self.variable_dtype)
        results = tf.cast(self.decoder(tf.reshape(z, [-1, self.latent])), self.variable_dtype)
        outputs = results.shape[1:].num_elements() // self.event_size
        shape = [*self.event_shape, outputs]
        results = tf.reshape(results, tf.concat([tf.shape(z)[:-1], shape], axis=0))
        results = tf.ensure_shape(results, [*z.shape[:-1], *shape])
        if self.likelihood_name == "gaussian":
            log_scale = tf.broadcast_to(self.log_scale[..., None], tf.shape(results))
            results = tf.concat([results, log_scale], axis=-1)
        return results

    def to_continuous(self, x, seed):
        """x as p(x | z) knows it, in the variable dtype: as it is, or under "bernoulli" as bits."""
        x = super().to_continuous(x, seed)
        if self.likelihood_name != "bernoulli":
            return x
        uniform = tf.random.stateless_uniform(tf.shape(x), seed, dtype=x.dtype)
        return tf.cast(self.to_data(uniform) < x, x.dtype)

    def to_data(self, x):
        return x * (self.bins - 1.0) if self.likelihood_name == "bernoulli" else x

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in (*OPTIONS, "beta", "free_bits")}
        named = {"likelihood": self.likelihood_name, "prior": self.prior_name}
        return {**super().get_config(), **own, **named, "activation": keras.activations.serialize(self.activation)}

    def _check_options(self) -> None:
        shape = self.event_shape
        if len(shape) not in (1, 3):
            raise InputError(f"VAE got event_shape={shape}; expected (D,) or (height, width, channels).")
        for name in ("latent", "filters", "levels", "components", "prior_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"VAE got {name}={getattr(self, name)}; expected 1 or more.")
        if min(self.hidden, default=1) < 1:
            raise InputError(f"VAE got hidden={self.hidden}; expected widths of 1 or more, or () for a linear one.")
        for name, value, values in (
            ("likelihood", self.likelihood_name, laws.NAMES),
            ("network", self.network, ("dense", "conv")),
            ("prior", self.prior_name, ("gaussian", *FLOWS)),
            ("kl", self.kl, ("analytic", "monte_carlo")),
        ):
            if value not in values:
                *others, last = map(repr, values)
                raise InputError(f"{name} is {value!r}; expected {', '.join(others)} or {last}.")
        for name in ("beta", "free_bits"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"VAE got {name}={getattr(self, name)}; expected 0 or more.")
        if (self.likelihood_name == "gaussian") != (self.bins is None):
            raise InputError(
                f"likelihood={self.likelihood_name!r} does not go with bins={self.bins}. "
                'Use "gaussian" with bins=None for real data, another one with bins for integers.'
            )
        if self.kl == "analytic" and self.prior_name != "gaussian":
            raise InputError(f'the KL to a prior "{self.prior_name}" has no closed form. Use kl="monte_carlo".')
        if self.network == "conv":
            check_halving("VAE", shape, self.levels)
