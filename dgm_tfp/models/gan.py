"""A generative adversarial network (Goodfellow et al., 2014), for points and for images (Radford et al., 2016)."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from dgm_tfp import bits
from dgm_tfp.errors import InputError
from dgm_tfp.models.adversarial import (
    LOSSES,
    ModeCount,
    count_modes,
    discriminator_loss,
    generator_loss,
    jensen_shannon,
    optimal_discriminator,
)
from dgm_tfp.models.generative import Generative, seed_pair
from dgm_tfp.networks import dcgan_discriminator, dcgan_generator, mlp

__all__ = ["GAN", "ModeCount", "count_modes", "jensen_shannon", "optimal_discriminator"]


@keras.saving.register_keras_serializable(package="dgm_tfp")
class GAN(Generative):
    """Two networks that play against each other: a generator x = G(z), z ~ N(0, I), and a discriminator D(x).

    D learns to tell data from generated examples, G to be taken for data. There is no density: a call returns the
    discriminator's logit log D / (1 - D), which under an optimal D is log p(x) - log q(x), not log p(x).

    A step of `fit` is one of D, then one of G against the new D. `fit` takes the data alone or, as TFDS gives them,
    pairs with labels, which are not used. Logs hold, in nats: "discriminator_loss", log 4 where D knows nothing;
    "generator_loss"; and "loss", what the discriminator minimises: its loss and the penalty.

    Args:
      event_shape: (D,), with dense networks, or (height, width, channels), with convolutional ones.
      latent: size of z.
      hidden, discriminator_hidden: widths of the hidden layers, for points. None at all (): a linear map; the
        generator's density is then a known Gaussian.
      filters: of the finest hidden layers, for images; see `networks.dcgan_generator`.
      loss: of the generator, "minimax" or "non_saturating"; see `adversarial.generator_loss`.
      gradient_penalty: gamma in (gamma / 2) E_p[|grad_x l(x)|^2], added to the loss of D, l the logit, x as the
        network sees it: R1 of Mescheder et al. (2018), equation 9. It keeps D flat at the data, which makes the
        training converge near its solution and holds against mode collapse. 0: none.
      bins, dtype, seed: see `Generative`; `bins` is 256 for images and None for points by default. The networks see
        integers brought to [-1, 1], and points as they are.

    Raises:
      InputError: an event that is neither, or an image that cannot be halved; sizes below 1; an unknown loss; a
        negative penalty.
    """

    progress_metric = "discriminator_loss"
    dequantized = False  # there is no density; tanh gives real numbers, which `sample` rounds

    def __init__(
        self,
        event_shape=(2,),
        latent: int = 64,
        hidden: Sequence[int] = (128, 128),
        discriminator_hidden: Sequence[int] = (128, 128),
        filters: int = 32,
        loss: str = "non_saturating",
        gradient_penalty: float = 0.0,
        bins: int | Literal["auto"] | None = "auto",
        dtype=None,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(
            event_shape,
            bins=(256 if len(event_shape) == 3 else None) if bins == "auto" else bins,
            dtype=dtype,
            seed=seed,
            **kwargs,
        )
        self.latent, self.filters, self.gradient_penalty = latent, filters, gradient_penalty
        self.hidden, self.discriminator_hidden = tuple(hidden), tuple(discriminator_hidden)
        self.loss_of_generator = loss
        self._check()
        self.generator, self.discriminator = self._networks()
        self.trackers = [keras.metrics.Mean(name) for name in ("loss", "discriminator_loss", "generator_loss")]
        self._graph_generate = tf.function(self.generate, autograph=False, reduce_retracing=True)
        self._graph_logit = tf.function(lambda x, seed: self(x), autograph=False, reduce_retracing=True)
        self.build()

    def _networks(self) -> tuple[keras.Sequential, keras.Sequential]:
        first, second = 2000 * (self.seed + 1), 2000 * (self.seed + 1) + 1000
        dtype = self.network_policy
        if len(self.event_shape) == 3:
            return (
                dcgan_generator(self.latent, self.event_shape, self.filters, first, dtype),
                dcgan_discriminator(self.event_shape, self.filters, second, dtype),
            )
        (size,) = self.event_shape
        sizes = ((self.latent, size, self.hidden), (size, 1, self.discriminator_hidden))
        generator, discriminator = (
            # Not zero at the end as a coupling's: every example would be the same, and no slope would reach G.
            mlp(*each, "relu", seed, dtype, name, last=keras.initializers.GlorotNormal(seed=seed + len(each[2])))
            for each, seed, name in zip(sizes, (first, second), ("generator", "discriminator"), strict=True)
        )
        return generator, discriminator

    def get_config(self):
        names = ("latent", "hidden", "discriminator_hidden", "filters", "gradient_penalty")
        config = {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "loss": self.loss_of_generator,
        }
        del config["conditioning_shape"]
        return config

    # The game.

    def generate(self, z: tf.Tensor, training: bool = False) -> tf.Tensor:
        """G(z), (n, *event_shape), for z of shape (n, latent): as the discriminator sees it, images in (-1, 1)."""
        return tf.cast(self.generator(z, training=training), self.variable_dtype)

    def logit(self, y: tf.Tensor, training: bool = False) -> tf.Tensor:
        """log D / (1 - D), (n,), of what `generate` returns, or of data brought to its units by `scaled`."""
        return tf.cast(self.discriminator(y, training=training), self.variable_dtype)[..., 0]

    def scaled(self, x: tf.Tensor) -> tf.Tensor:
        """Data as the networks see them: integers 0..bins - 1 as real numbers from -1 to 1, points as they are."""
        y = self.to_continuous(x, None)
        return 2 * y / (self.bins - 1) - 1 if self.bins else y

    def call(self, x, training=False):
        """The logit of data x, shape (batch,)."""
        return self.logit(self.scaled(x), training)

    def train_step(self, data):
        y = self.scaled(self._examples(data))
        share = 1 / self.distribute_strategy.num_replicas_in_sync  # optimizers add the gradients of the devices up
        with tf.GradientTape() as tape:
            value = discriminator_loss(self.logit(y, True), self.logit(self.generate(self._noise(y), True), True))
            loss = value + self._penalty(y)
            shared = share * loss
        weights = self.discriminator.trainable_variables
        self.optimizer.apply(tape.gradient(shared, weights), weights)
        with tf.GradientTape() as tape:
            against = generator_loss(self.logit(self.generate(self._noise(y), True), True), self.loss_of_generator)
            shared = share * against
        weights = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(shared, weights), weights)
        return self._record(loss, value, against)

    def test_step(self, data):
        y = self.scaled(self._examples(data))
        fake = self.logit(self.generate(self._noise(y)))
        value = discriminator_loss(self.logit(y), fake)
        return self._record(value + self._penalty(y), value, generator_loss(fake, self.loss_of_generator))

    def _penalty(self, y: tf.Tensor) -> tf.Tensor:
        if not self.gradient_penalty:
            return tf.zeros((), y.dtype)
        with tf.GradientTape() as tape:
            tape.watch(y)
            logit = self.logit(y, True)
        slope = tape.gradient(logit, y)
        return self.gradient_penalty / 2 * tf.reduce_mean(tf.reduce_sum(slope**2, axis=range(1, len(slope.shape))))

    def _noise(self, like: tf.Tensor) -> tf.Tensor:
        shape = (tf.shape(like)[0], self.latent)
        return tf.random.stateless_normal(shape, tf.cast(self.noise_seed.next(), tf.int32), dtype=self.variable_dtype)

    def _examples(self, data) -> tf.Tensor:
        x, _, weights = keras.utils.unpack_x_y_sample_weight(data)
        if weights is not None:
            raise InputError("a GAN compares batches, not examples: it takes no sample weights. Leave them out.")
        return x

    def _record(self, *values: tf.Tensor) -> dict[str, tf.Tensor]:
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}

    @property
    def metrics(self):
        return self.trackers

    # Two optimizers.

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        generator_optimizer: str | keras.optimizers.Optimizer | None = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
    ):
        """Sets the optimizers: the losses are the model's own.

        Args:
          optimizer: the discriminator's.
          generator_optimizer: the generator's; by default another one like the discriminator's, of the same learning
            rate schedule.
          run_eagerly, steps_per_execution, jit_compile: as with any Keras model.
        """
        super().compile(
            optimizer=optimizer,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
        )
        with self.distribute_strategy.scope():
            self.generator_optimizer = (
                _another(self.optimizer) if generator_optimizer is None else keras.optimizers.get(generator_optimizer)
            )
        self._compiled_with = {
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }

    @property
    def optimizers(self):
        return [self.optimizer, self.generator_optimizer]

    def build_optimizers(self):
        networks = (self.discriminator, self.generator)
        for optimizer, network in zip(self.optimizers, networks, strict=True):
            if not optimizer.built:
                optimizer.build(network.trainable_variables)

    def get_compile_config(self):
        if not self.compiled:
            return None
        names = ("optimizer", "generator_optimizer")
        made = {name: keras.optimizers.serialize(getattr(self, name)) for name in names}
        return made | self._compiled_with

    def compile_from_config(self, config):
        # Keras passes over a `compile` of the model's own, and would build one optimizer for all weights.
        names = ("optimizer", "generator_optimizer")
        self.compile(**config | {name: keras.optimizers.deserialize(config[name]) for name in names})
        self.build_optimizers()  # their states are read after this

    # What a person calls.

    def sample(self, n: int, seed: int | None = None, conditioning=None, batch_size: int = 500) -> np.ndarray:
        """`n` examples, (n, *event_shape): integers where the data are integers, rounded to the nearest.

        Args:
          n: how many.
          seed: the same one gives the same examples; the model's own by default.
          conditioning: none.
          batch_size: how many at a time.
        """
        self.match(conditioning)
        z = tf.random.stateless_normal(
            (n, self.latent), seed_pair(self.seed if seed is None else seed), dtype=self.variable_dtype
        )
        y = np.concatenate([self._graph_generate(z[i : i + batch_size]).numpy() for i in range(0, n, batch_size)])
        return bits.quantize((y + 1) / 2 * (self.bins - 1) + 0.5, self.bins) if self.bins else y

    def scores(self, x, batch_size: int = 250, seed: int = 0) -> dict[str, np.ndarray]:
        """The discriminator's "logit" of each example, (n,): how much it looks like data rather than like G(z).

        It is no log-density: far from the data and from the generator it says nothing.
        """
        parts = [self._graph_logit(*batch).numpy() for batch in self._batches(self.check(x), batch_size, seed)]
        return {"logit": np.concatenate(parts)}

    def discriminate(self, x, batch_size: int = 250) -> np.ndarray:
        """D(x), the probability that an example is data, (n,)."""
        return tf.sigmoid(self.scores(x, batch_size)["logit"]).numpy()

    def _check(self) -> None:
        shape = self.event_shape
        if self.conditioning_shape:
            raise InputError("GAN has no conditional version. Leave conditioning_shape out.")
        if len(shape) not in (1, 3):
            raise InputError(f"GAN got event_shape={shape}; expected (D,) or (height, width, channels).")
        for name in ("latent", "filters"):
            if getattr(self, name) < 1:
                raise InputError(f"GAN got {name}={getattr(self, name)}; expected 1 or more.")
        for name in ("hidden", "discriminator_hidden"):
            if min(getattr(self, name), default=1) < 1:
                raise InputError(f"GAN got {name}={getattr(self, name)}; expected widths of 1 or more.")
        if self.loss_of_generator not in LOSSES:
            raise InputError(f"loss is {self.loss_of_generator!r}; expected 'minimax' or 'non_saturating'.")
        if self.gradient_penalty < 0:
            raise InputError(f"gradient_penalty is {self.gradient_penalty}; expected 0 or more.")


def _another(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """An optimizer with the same settings and no state. A schedule is shared: who sets its time sets it for both."""
    config: dict[str, Any] = optimizer.get_config()
    if isinstance(optimizer._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
        config["learning_rate"] = optimizer._learning_rate
    return type(optimizer).from_config(config)
