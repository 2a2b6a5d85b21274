"""A normalizing flow: a base distribution carried to the data by a bijector."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tensorflow_probability import util as tfp_util

from dgm_tfp.bijectors import Affine, BatchAxes, Chain, Conditional, LogitPixels, OnePass
from dgm_tfp.errors import InputError
from dgm_tfp.models.likelihood import Likelihood


class FlowDistribution(tfd.TransformedDistribution):
    """log p(x) = log p(z) + log abs det dz/dx, in one pass: a `tfd.TransformedDistribution` over a `OnePass`."""

    def __init__(self, distribution, bijector, name="flow"):
        parameters = dict(locals())
        super().__init__(distribution, bijector, parameters=parameters, name=name)

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return tfd.TransformedDistribution._parameter_properties(dtype, num_classes)

    def _log_prob(self, y):
        z, log_det = self.bijector.inverse_and_log_det(y)
        return self.distribution.log_prob(z) + log_det

    def _sample_and_log_prob(self, sample_shape, seed):
        z, log_prob = self.distribution.experimental_sample_and_log_prob(sample_shape, seed)
        y, log_det = self.bijector.forward_and_log_det(z)
        return y, log_prob - log_det


class Decomposition(NamedTuple):
    """The two parts of a flow's log-likelihood, in nats, of shape (n,)."""

    log_p_z: np.ndarray
    log_volume: np.ndarray

    @property
    def log_prob(self) -> np.ndarray:
        """log p(x): their sum."""
        return self.log_p_z + self.log_volume


class Flow(Likelihood):
    """The change of variables: log p(x) = log p(z) + log abs det dz/dx, with z = f(x) (Rezende & Mohamed, 2015).

    A subclass gives `flow_bijector`, noise to data, or `flow_bijector_given` where it can be conditional, and makes its
    weights in its constructor, which ends with `self.build()`. The pixels 0..bins are brought to [-1/2, 1/2] by a fixed
    affine map, or to the whole line by the logit: part of `bijector`.

    Args:
      event_shape, bins, dtype, seed, conditioning_shape: see `Likelihood`.
      prior: "standard", z ~ N(0, I); "learned", z ~ N(mu, diag(sigma^2)) with a weight per dimension.
      logit_alpha: pixels go through `bijectors.LogitPixels`, not through the affine map. Log-likelihoods
        and bits per dimension stay those of the pixels.

    Raises:
      InputError: an unknown prior; an alpha outside (0, 1/2), or with `bins=None`.
    """

    def __init__(
        self,
        event_shape,
        bins: int | None = 256,
        prior: str = "standard",
        logit_alpha: float | None = None,
        dtype=None,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(event_shape, bins=bins, dtype=dtype, seed=seed, **kwargs)
        if self.conditioning_shape and type(self).flow_bijector_given is Flow.flow_bijector_given:
            raise InputError(f"{type(self).__name__} has no conditional version. Use MAF, IAF or RealNVP of vectors.")
        if prior not in ("standard", "learned"):
            raise InputError(f"prior is {prior!r}; expected 'standard' or 'learned'.")
        if logit_alpha is not None and not (self.bins and 0 < logit_alpha < 0.5):
            raise InputError(
                f"logit_alpha is {logit_alpha} with bins={self.bins}; expected a number between 0 and 0.5, and pixels. "
                "Papamakarios et al. (2017) take 1e-6 for MNIST and 0.05 for CIFAR-10."
            )
        self.prior, self.logit_alpha = prior, logit_alpha
        if prior == "learned":
            self.prior_loc = self.add_weight(shape=self.event_shape, initializer="zeros", name="prior_loc")
            self.prior_log_scale = self.add_weight(shape=self.event_shape, initializer="zeros", name="prior_log_scale")
        self.adapted = self.add_weight(shape=(), initializer="zeros", dtype="bool", trainable=False, name="adapted")
        self._graph_decompose = tf.function(self._decompose, autograph=False)

    @property
    def flow_bijector(self) -> OnePass:
        """The learned part of `bijector`, computed afresh from the current weights."""
        return self.flow_bijector_given(None)

    def flow_bijector_given(self, conditioning: tf.Tensor | None) -> OnePass:
        """`flow_bijector` for a batch of conditioning vectors (n, k)."""
        raise NotImplementedError

    def adapt_layers(self, y: tf.Tensor, conditioning: tf.Tensor | None = None) -> None:
        """Sets the data-dependent weights from a batch of scaled data, walking from data to noise."""

    @property
    def scaling(self) -> OnePass:
        """[-1/2, 1/2] to pixels: y = bins x + bins / 2; with `logit_alpha` the logit; the identity without `bins`."""
        if self.bins and self.logit_alpha is not None:
            return LogitPixels(self.logit_alpha, self.bins, len(self.event_shape))
        shift, log_scale = (self.bins / 2, np.log(self.bins)) if self.bins else (0.0, 0.0)
        shift, log_scale = (tf.constant([value], self.variable_dtype) for value in (shift, log_scale))
        return Affine(shift, log_scale, event_ndims=len(self.event_shape), name="scaling")

    @property
    def bijector(self) -> OnePass:
        """Noise to data, in the units of the data; any number of batch axes."""
        return self.bijector_given(None)

    def bijector_given(self, conditioning: tf.Tensor | None) -> OnePass:
        """`bijector` for conditioning (..., k), whose leading axes broadcast against the batch axes."""
        self.match(conditioning)
        if conditioning is None:
            return BatchAxes(Chain([self.scaling, self.flow_bijector]))
        return Conditional(
            lambda c: Chain([self.scaling, self.flow_bijector_given(c)]),
            tf.cast(conditioning, self.variable_dtype),
            event_ndims=len(self.event_shape),
        )

    @property
    def base(self) -> tfd.Distribution:
        """p(z): independent Gaussians of `event_shape`. Like `bijector` it reads the weights at each use."""
        if self.prior == "learned":
            normal = tfd.Normal(self.prior_loc.value, tfp_util.DeferredTensor(self.prior_log_scale.value, tf.exp))
        else:
            normal = tfd.Normal(tf.zeros(self.event_shape, self.variable_dtype), tf.ones((), self.variable_dtype))
        return tfd.Independent(normal, reinterpreted_batch_ndims=len(self.event_shape))

    @property
    def distribution(self) -> FlowDistribution:
        """p(y): a `tfd.TransformedDistribution` with `log_prob` and `sample`."""
        return self.distribution_given(None)

    def distribution_given(self, conditioning) -> FlowDistribution:
        bijector, base = self.bijector_given(conditioning), self.base
        if conditioning is not None:
            base = tfd.BatchBroadcast(base, with_shape=tf.shape(conditioning)[:-1])
        return FlowDistribution(base, bijector)

    def adapt(self, data, examples: int = 512, force: bool = False) -> None:
        """Data-dependent initialisation: once, explicitly, before `fit`.

        Does nothing on a model that was adapted before (also one that was saved and loaded), so that a script may be
        resumed; `force=True` does it again.

        Args:
          data: an array (n, *event_shape), a pair (x, c) for a conditional model, or a `tf.data.Dataset` of batches of
            these, with or without labels.
          examples: how many of the first examples are looked at.
        """
        if self.adapted.numpy() and not force:
            return
        x, conditioning = self.split(keras.tree.map_structure(tf.convert_to_tensor, self.check(_first(data, examples))))
        if conditioning is not None:
            conditioning = tf.cast(conditioning, self.variable_dtype)
        self.adapt_layers(self.scaling.inverse(self.to_continuous(x, seed=(0, 1))), conditioning)
        self.adapted.assign(True)

    def decompose(self, x, batch_size: int = 250, seed: int = 0) -> Decomposition:
        """log p(z) and log-volume of each example, in nats; with the same seed they sum to `log_prob`.

        The volume is that of the whole map from pixels to noise: it holds the constant -D log(bins).
        """
        parts = [self._graph_decompose(*batch) for batch in self._batches(self.check(x), batch_size, seed)]
        return Decomposition(*(np.concatenate([p.numpy() for p in column]) for column in zip(*parts, strict=True)))

    def _decompose(self, x, seed):
        x, conditioning = self.split(x)
        z, log_volume = self.bijector_given(conditioning).inverse_and_log_det(self.to_continuous(x, seed))
        return self.base.log_prob(z), log_volume

    def get_config(self):
        return {**super().get_config(), "prior": self.prior, "logit_alpha": self.logit_alpha}


def _first(data, examples: int):
    """The first examples, as an array or, where the data are pairs, a pair of arrays."""
    if isinstance(data, tuple):
        return tuple(np.asarray(part[:examples]) for part in data)
    if not isinstance(data, tf.data.Dataset):
        return np.asarray(data[:examples])
    batches, seen = [], 0
    for batch in data:
        batches.append(keras.utils.unpack_x_y_sample_weight(batch)[0])
        seen += len(keras.tree.flatten(batches[-1])[0])
        if seen >= examples:
            break
    if not batches:
        raise InputError("adapt got an empty tf.data.Dataset. Pass at least one batch.")
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts)[:examples], *batches)
