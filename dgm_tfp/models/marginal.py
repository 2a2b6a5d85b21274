"""p(x) of a latent-variable model as a `tfd.Distribution`: exact samples, and a lower bound for a log-density."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow_probability import random as tfp_random

from dgm_tfp.models.model_distribution import ModelDistribution

if TYPE_CHECKING:
    from dgm_tfp.models.latent_variable import LatentVariable


class Marginal(ModelDistribution):
    """p(x), the integral of p(x | z) p(z) over z, of a `LatentVariable` model.

    Samples are exact: z ~ p(z), then x ~ p(x | z). There is no closed form of log p(x). `log_prob(x)` is a lower bound
    on it: the ELBO with one draw of z; with `log_prob(x, samples=K)` the importance-weighted bound of K draws. The
    draws are those of `seed`, a pair of integers, so that the same x gives the same number.

    Args:
      model: gives `prior`, `posterior` and `likelihood`.
    """

    def __init__(self, model: LatentVariable, name: str = "marginal"):
        super().__init__(model, dict(locals()), name)

    def _sample_n(self, n, seed=None):
        prior_seed, likelihood_seed = tfp_random.split_seed(seed, n=2)
        z = self._model.prior.sample(n, seed=prior_seed)
        return self._model.likelihood(z).sample(seed=likelihood_seed)

    def _log_prob(self, x, samples: int = 1, seed=(0, 0)):
        shape = self._model.event_shape
        batch = tf.shape(x)[: len(x.shape) - len(shape)]
        x = tf.reshape(x, [-1, *shape])
        if samples == 1:
            reconstruction, kl = self._model.reconstruction_and_kl(x, seed)
            log_prob = reconstruction - tf.reduce_sum(kl, axis=-1)
        else:
            log_prob, _ = self._model.log_weight_sums(x, seed, samples)
            log_prob = tf.cast(log_prob - tf.math.log(tf.cast(samples, tf.float64)), self.dtype)
        return tf.reshape(log_prob, batch)
