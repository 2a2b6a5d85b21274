"""PixelCNN (van den Oord et al., 2016): an image, pixel by pixel."""

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tensorflow_probability import random as tfp_random

from dgm_tfp import bits
from dgm_tfp.errors import InputError
from dgm_tfp.models.likelihood import Likelihood, _seed_pair
from dgm_tfp.networks import pixel_by_pixel
from dgm_tfp.networks.pixel_net import STACKS, PixelNet
from dgm_tfp.pixel_laws import Categorical, LogisticMixture, centred

OPTIONS = ("filters", "blocks", "first_size", "size", "head", "stack", "law", "components")
LAWS = ("categorical", "logistic mixture")


class PixelCNNDistribution(tfd.Distribution):
    """P(x) = product over pixels of P(x_i given the pixels before it), on integers 0..bins-1.

    Args:
      model: the `PixelCNN`, whose weights are read at each use.
      conditioning: None, or (..., k), whose leading axes are the batch shape.
      cached: how `sample` goes: with cached features, or by a whole pass of the network for each pixel.
    """

    def __init__(self, model, conditioning=None, cached: bool = True, name: str = "PixelCNN"):
        parameters = dict(locals())
        self._model, self._cached = model, cached
        dtype = tf.as_dtype(model.variable_dtype)
        self._conditioning = None if conditioning is None else tf.cast(conditioning, dtype)
        super().__init__(
            dtype=dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    def _batch_shape(self):
        return tf.TensorShape([]) if self._conditioning is None else self._conditioning.shape[:-1]

    def _batch_shape_tensor(self):
        return tf.constant([], tf.int32) if self._conditioning is None else tf.shape(self._conditioning)[:-1]

    def _event_shape(self):
        return tf.TensorShape(self._model.event_shape)

    def _event_shape_tensor(self):
        return tf.constant(self._model.event_shape)

    def _log_prob(self, x):
        model, context = self._model, self._conditioning
        lead = tf.shape(x)[:-3]
        if context is not None:
            lead = tf.broadcast_dynamic_shape(lead, self._batch_shape_tensor())
            context = tf.reshape(tf.broadcast_to(context, tf.concat([lead, context.shape[-1:]], 0)), [-1, context.shape[-1]])
            x = tf.broadcast_to(x, tf.concat([lead, model.event_shape], 0))
        x = tf.reshape(x, [-1, *model.event_shape])
        inside = tf.reduce_all((x == tf.round(x)) & (x >= 0) & (x <= model.bins - 1), axis=[1, 2, 3])
        known = tf.where(inside[:, None, None, None], x, tf.zeros_like(x))
        log_prob = tf.reduce_sum(model.pixel_law.log_prob(model.parameters_of(known, context), known), axis=[1, 2])
        return tf.reshape(tf.where(inside, log_prob, tf.constant(-np.inf, x.dtype)), lead)

    def _sample_n(self, n, seed=None):
        model, context = self._model, self._conditioning
        batch = self._batch_shape_tensor()
        count = n * tf.reduce_prod(batch)
        if context is not None:
            context = tf.reshape(tf.broadcast_to(context, tf.concat([[n], tf.shape(context)], 0)), [-1, context.shape[-1]])
        height, width, _ = model.event_shape
        noise = tf.random.stateless_uniform(
            tf.concat([[height, width], [count], [model.pixel_law.noise]], 0), tfp_random.sanitize_seed(seed), dtype=self.dtype
        )
        if self._cached:
            x = pixel_by_pixel.sample(model.net, model.pixel_law.draw, model.centred, noise, context)
        else:
            x = by_passes(model, noise, context)
        return tf.reshape(x, tf.concat([[n], batch, model.event_shape], 0))


def by_passes(model: "PixelCNN", noise: tf.Tensor, context: tf.Tensor | None) -> tf.Tensor:
    """Images from uniform noise (h, w, n, pixel_law.noise) by a pass of the whole network for each pixel and group."""
    height, width, channels = model.event_shape
    groups = model.pixel_law.groups

    def one(k, x):
        i, j, group = k // groups // width, k // groups % width, k % groups
        params, pixel = model.parameters_of(x, context)[:, i, j], x[:, i, j]
        branches = [lambda g=g: model.pixel_law.draw(params, pixel, noise[i, j], g) for g in range(groups)]
        drawn = branches[0]() if groups == 1 else tf.switch_case(group, branches)
        here = tf.reshape(tf.one_hot(k // groups, height * width, dtype=x.dtype), [1, height, width, 1])
        return k + 1, tf.where(here > 0, drawn[:, None, None], x)

    steps = height * width * groups
    start = (tf.constant(0), tf.zeros([tf.shape(noise)[2], height, width, channels], noise.dtype))
    return tf.while_loop(lambda k, _: k < steps, one, start, maximum_iterations=steps)[1]


@keras.saving.register_keras_serializable(package="dgm_tfp")
class PixelCNN(Likelihood):
    """PixelCNN and Gated PixelCNN (van den Oord et al., 2016a, 2016b): the law of a pixel given those before it.

    In reading order, and in the order R, G, B within a pixel. The data are integers, as they are: no noise is added to
    them, and bits per dimension are exact.

    Args:
      event_shape: (h, w, c).
      filters: features of each stack.
      blocks: how many, the first, of type A, included.
      first_size, size: of the kernels of the first block and of the others, odd.
      head: features of the layer before the last.
      stack: "gated", two stacks and no blind spot, or "masked", the plain one.
      law: of a pixel: "categorical", `bins` logits for each channel, which see the channels before it; or "logistic
        mixture", as in PixelCNN++ (Salimans et al., 2017).
      components: of the mixture.
      bins, conditioning_shape, dtype, seed: see `Likelihood`.

    Raises:
      InputError: an event that is not an image; sizes below 1; an even kernel; an unknown stack or law; fewer than two
        bins; fewer filters than channels.
    """

    def __init__(
        self,
        event_shape=(28, 28, 1),
        filters: int = 32,
        blocks: int = 6,
        first_size: int = 7,
        size: int = 3,
        head: int = 64,
        stack: str = "gated",
        law: str = "categorical",
        components: int = 5,
        bins: int = 256,
        conditioning_shape: tuple[int] | None = None,
        dtype=None,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(
            event_shape, bins=bins, dtype=dtype, seed=seed, conditioning_shape=conditioning_shape, **kwargs
        )
        self.filters, self.blocks, self.first_size, self.size = filters, blocks, first_size, size
        self.head, self.stack, self.law, self.components = head, stack, law, components
        channels = self.event_shape[-1]
        self.pixel_law = Categorical(channels, bins) if law == "categorical" else LogisticMixture(components, channels, bins)
        self.net = PixelNet(
            channels,
            self.pixel_law.outputs,
            filters,
            blocks,
            first_size,
            size,
            head,
            stack,
            groups=self.pixel_law.groups,
            context=self.conditioning_shape[0] if self.conditioning_shape else 0,
            seed=seed,
            dtype=self.network_policy,
        )
        self._graph_sample_by_passes = tf.function(
            lambda n, seed, conditioning: PixelCNNDistribution(self, conditioning, cached=False).sample(n, seed=seed),
            autograph=False,
        )
        self.build()

    @property
    def distribution(self) -> PixelCNNDistribution:
        """P(x) over integers 0..bins-1, held in the variable dtype."""
        return self.distribution_given(None)

    def distribution_given(self, conditioning) -> PixelCNNDistribution:
        self.match(conditioning)
        return PixelCNNDistribution(self, conditioning)

    def parameters_of(self, x: tf.Tensor, conditioning: tf.Tensor | None = None) -> tf.Tensor:
        """The numbers of the law of every pixel: images (n, h, w, c) of 0..bins-1 to (n, h, w, pixel_law.outputs)."""
        return tf.cast(self.net(self.centred(x), conditioning), self.variable_dtype)

    def centred(self, x: tf.Tensor) -> tf.Tensor:
        """0..bins-1 to [-1, 1]: what the network takes."""
        return centred(x, self.bins)

    def sample(self, n: int, seed: int | None = None, conditioning=None, cached: bool = True) -> np.ndarray:
        """`n` images, (n, h, w, c), integers; as `Likelihood.sample`.

        With `cached=False` every pixel takes a pass of the whole network: the same images, for the same seed, but for
        a pixel that falls to the other side of a boundary by the rounding of the last digit.
        """
        self.match(conditioning)
        given = None if conditioning is None else tf.convert_to_tensor(conditioning, self.variable_dtype)
        graph = self._graph_sample if cached else self._graph_sample_by_passes
        y = graph(tf.constant(n), _seed_pair(self.seed if seed is None else seed), given).numpy()
        return bits.quantize(y + 0.5, self.bins)

    def to_continuous(self, x, seed):
        return tf.floor(super().to_continuous(x, (0, 0)))

    def get_config(self):
        return {**super().get_config(), **{name: getattr(self, name) for name in OPTIONS}}
