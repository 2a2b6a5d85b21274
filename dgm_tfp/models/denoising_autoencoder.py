"""The denoising autoencoder (Vincent et al., 2008), whose error field is a score (Alain & Bengio, 2014)."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from dgm_tfp.errors import InputError
from dgm_tfp.models.autoencoder import Autoencoder
from dgm_tfp.models.generative import seed_pair


@keras.saving.register_keras_serializable(package="dgm_tfp")
class DenoisingAutoencoder(Autoencoder):
    """An autoencoder that is shown x + sigma eps and asked for x: the loss is E ||f(x + sigma eps) - x||^2.

    The least loss has f(y) = E[x | y], and for Gaussian noise (Miyasawa, 1961; Tweedie's formula)::

        E[x | y] = y + sigma^2 grad log p_sigma(y),    p_sigma = p * N(0, sigma^2 I)

    So `score`, (f(y) - y) / sigma^2, is the score of the smoothed density p_sigma: exactly so for the best f and any
    sigma (Vincent, 2011), and the score of p itself as sigma goes to 0 (Alain & Bengio, 2014). It is learned where
    noisy data fall, and means nothing elsewhere. There is no log p(x).

    Noise keeps the code from copying the example, so the code may be wider than it.

    Args:
      event_shape: see `Autoencoder`; images are flattened inside.
      sigma: standard deviation of the noise, in units of the error: 1 is the whole span of the pixels.
      code, hidden, activation, bins, dtype, seed: see `Autoencoder`.

    Raises:
      InputError: a sigma that is not positive; and see `Autoencoder`.
    """

    def __init__(
        self,
        event_shape=(2,),
        sigma: float = 0.3,
        code: int = 64,
        hidden: Sequence[int] = (128,),
        activation: str = "relu",
        bins: int | Literal["auto"] | None = "auto",
        dtype=None,
        seed: int = 0,
        **kwargs,
    ):
        if not sigma > 0:
            raise InputError(f"sigma is {sigma}; expected a positive standard deviation of the noise.")
        super().__init__(event_shape, code, hidden, activation, bins, dtype, seed, **kwargs)
        self.sigma = float(sigma)
        self._graph_score = tf.function(self._score, autograph=False)
        self._graph_langevin = tf.function(self._langevin, autograph=False)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"sigma": self.sigma}

    def call(self, x, training=False):
        """f(x + sigma eps), in units of the error. The noise is new at every training step, else the same.

        So `evaluate` gives the loss that is trained. Without noise there are `reconstruct` and `score`.
        """
        y = self.to_unit(x)
        seed = self.noise_seed.next() if training else (0, 0)
        z = self._encode(y + self.sigma * tf.random.stateless_normal(tf.shape(y), seed, dtype=y.dtype))
        if training:
            self._track(z)
        return self._decode(z)

    def _score(self, y: tf.Tensor) -> tf.Tensor:
        return (self._decode(self._encode(y)) - y) / self.sigma**2

    def score(self, x, batch_size: int = 250) -> np.ndarray:
        """(f(x) - x) / sigma^2, the vector grad log p_sigma(x): (n, *event_shape), pixels spanning 1."""
        return self._map(lambda x: self._graph_score(self.to_unit(x)), self.check(x), batch_size)

    def sample(
        self,
        n: int,
        seed: int | None = None,
        conditioning=None,
        steps: int = 1000,
        rate: float = 0.2,
        start=None,
        denoised: bool | None = None,
    ) -> np.ndarray:
        """`n` states of Langevin dynamics, that is draws from the smoothed density p_sigma where the score is right.

        Each of the steps is y + tau/2 score(y) + sqrt(tau) eps with tau = `rate` sigma^2. For a Gaussian of variance v
        the states settle at v / (1 - tau / 4v), at most 1 / (1 - rate / 4) times too much, in about 2 v / tau steps.
        Between modes far apart (many sigma) hardly any state crosses, so the start decides how many lie in each.

        Args:
          n, seed: see `Generative`.
          steps: of the dynamics.
          rate: the step in units of sigma^2; less is more exact and slower.
          start: n examples to start from, as data; by default decoded draws from the Gaussian of the codes with noise.
          denoised: end with f(y), the mean of x given y, in place of y: so by default for images.
        """
        self.match(conditioning)
        if steps < 0 or not 0 < rate < 4:
            raise InputError(f"got steps={steps}, rate={rate}; expected steps of 0 or more and a rate between 0 and 4.")
        pair = seed_pair(self.seed if seed is None else seed)
        if start is None:
            y = self._graph_decode(self.codes.sample(n, seed=pair))
        else:
            y = self.to_unit(tf.convert_to_tensor(self.check(start)))
            if len(y) != n:
                raise InputError(f"got {len(y)} examples to start from and n={n}. Pass one for each.")
        denoised = bool(self.bins) if denoised is None else denoised
        y = self._graph_langevin(y, pair, tf.constant(steps), tf.constant(rate, y.dtype), tf.constant(denoised))
        return self._from_unit(y.numpy())

    def _langevin(self, y, seed, steps, rate, denoised) -> tf.Tensor:
        tau = rate * self.sigma**2

        def noise(step):
            return tf.random.stateless_normal(tf.shape(y), tf.random.fold_in(seed, step), dtype=y.dtype)

        def move(step, y):
            return step + 1, y + tau / 2 * self._score(y) + tf.sqrt(tau) * noise(step)

        y = tf.ensure_shape(y, [None, *self.event_shape])
        _, y = tf.while_loop(lambda step, _: step < steps, move, (0, y + self.sigma * noise(-1)))
        return tf.cond(denoised, lambda: self._decode(self._encode(y)), lambda: y)
