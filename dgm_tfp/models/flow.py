"""A normalizing flow: a base distribution carried to the data by a bijector."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tensorflow_probability import util as tfp_util

from dgm_tfp.bijectors import Affine, BatchAxes, Chain, OnePass
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

    A subclass gives `flow_bijector`, noise to data, and makes its weights in its constructor, which ends with
    `self.build()`. The pixels 0..bins are brought to [-1/2, 1/2] by a fixed affine map, part of `bijector`.

    Args:
      event_shape, bins, dtype, seed: see `Likelihood`.
      prior: "standard", z ~ N(0, I); "learned", z ~ N(mu, diag(sigma^2)) with a weight per dimension.
    """

    def __init__(
        self, event_shape, bins: int | None = 256, prior: str = "standard", dtype=None, seed: int = 0, **kwargs
    ):
        super().__init__(event_shape, bins=bins, dtype=dtype, seed=seed, **kwargs)
        if prior not in ("standard", "learned"):
            raise InputError(f"prior is {prior!r}; expected 'standard' or 'learned'.")
        self.prior = prior
        if prior == "learned":
            self.prior_loc = self.add_weight(shape=self.event_shape, initializer="zeros", name="prior_loc")
            self.prior_log_scale = self.add_weight(shape=self.event_shape, initializer="zeros", name="prior_log_scale")
        self.adapted = self.add_weight(shape=(), initializer="zeros", dtype="bool", trainable=False, name="adapted")
        self._graph_decompose = tf.function(self._decompose, autograph=False)

    @property
    def flow_bijector(self) -> OnePass:
        """The learned part of `bijector`, computed afresh from the current weights."""
        raise NotImplementedError

    def adapt_layers(self, y: tf.Tensor) -> None:
        """Sets the data-dependent weights from a batch of scaled data, walking from data to noise."""

    @property
    def scaling(self) -> Affine:
        """[-1/2, 1/2] to pixels: y = bins x + bins / 2; the identity where `bins` is None."""
        shift, log_scale = (self.bins / 2, np.log(self.bins)) if self.bins else (0.0, 0.0)
        shift, log_scale = (tf.constant([value], self.variable_dtype) for value in (shift, log_scale))
        return Affine(shift, log_scale, event_ndims=len(self.event_shape), name="scaling")

    @property
    def bijector(self) -> OnePass:
        """Noise to data, in the units of the data; any number of batch axes."""
        return BatchAxes(Chain([self.scaling, self.flow_bijector]))

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
        return FlowDistribution(self.base, self.bijector)

    def adapt(self, data, examples: int = 512, force: bool = False) -> None:
        """Data-dependent initialisation: once, explicitly, before `fit`.

        Does nothing on a model that was adapted before (also one that was saved and loaded), so that a script may be
        resumed; `force=True` does it again.

        Args:
          data: an array (n, *event_shape) or a `tf.data.Dataset` of batches, with or without labels.
          examples: how many of the first examples are looked at.
        """
        if self.adapted.numpy() and not force:
            return
        x = self.check(_first(data, examples))
        y = self.to_continuous(tf.convert_to_tensor(x), seed=(0, 1))
        self.adapt_layers(self.scaling.inverse(y))
        self.adapted.assign(True)

    def decompose(self, x, batch_size: int = 250, seed: int = 0) -> Decomposition:
        """log p(z) and log-volume of each example, in nats; with the same seed they sum to `log_prob`.

        The volume is that of the whole map from pixels to noise: it holds the constant -D log(bins).
        """
        parts = [self._graph_decompose(*batch) for batch in self._batches(self.check(x), batch_size, seed)]
        return Decomposition(*(np.concatenate([p.numpy() for p in column]) for column in zip(*parts, strict=True)))

    def _decompose(self, x, seed):
        z, log_volume = self.bijector.inverse_and_log_det(self.to_continuous(x, seed))
        return self.base.log_prob(z), log_volume

    def get_config(self):
        return {**super().get_config(), "prior": self.prior}


def _first(data, examples: int) -> np.ndarray:
    if not isinstance(data, tf.data.Dataset):
        return np.asarray(data[:examples])
    batches, seen = [], 0
    for batch in data:
        x = keras.utils.unpack_x_y_sample_weight(batch)[0]
        batches.append(np.asarray(x))
        seen += len(batches[-1])
        if seen >= examples:
            break
    if not batches:
        raise InputError("adapt got an empty tf.data.Dataset. Pass at least one batch.")
    return np.concatenate(batches)[:examples]
