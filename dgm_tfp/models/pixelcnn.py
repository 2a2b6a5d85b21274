"""PixelCNN (van den Oord et al., 2016): an image, pixel by pixel."""

import keras
import numpy as np
import tensorflow as tf

from dgm_tfp import bits
from dgm_tfp.errors import InputError
from dgm_tfp.models.generative import seed_pair
from dgm_tfp.models.likelihood import Likelihood
from dgm_tfp.models.pixelcnn_distribution import PixelCNNDistribution
from dgm_tfp.networks.pixel_net import STACKS, PixelNet
from dgm_tfp.pixel_laws import Categorical, LogisticMixture

OPTIONS = ("filters", "blocks", "first_size", "size", "head", "stack", "law", "components", "ramps")
LAWS = ("categorical", "mixture")


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
      law: of a pixel: "categorical", `bins` logits for each channel, which see the channels before it; or "mixture",
        of discretised logistics, as in PixelCNN++ (Salimans et al., 2017).
      components: of the mixture.
      ramps: numbers in which a level enters the network; see `encoded`.
      bins, conditioning_shape, dtype, seed: see `Likelihood`.

    Raises:
      InputError: an event that is not an image; sizes below 1; an even kernel; an unknown stack or law; fewer than two
        bins; fewer filters than channels.
    """

    dequantized = False

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
        ramps: int = 8,
        bins: int = 256,
        conditioning_shape: tuple[int] | None = None,
        dtype=None,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(
            event_shape, bins=bins, dtype=dtype, seed=seed, conditioning_shape=conditioning_shape, **kwargs
        )
        _check(
            type(self).__name__,
            self.event_shape,
            bins,
            filters=filters,
            blocks=blocks,
            head=head,
            components=components,
            ramps=ramps,
        )
        _check_choices(stack, law, first_size=first_size, size=size)
        channels = self.event_shape[-1]
        self.filters, self.blocks, self.first_size, self.size = filters, blocks, first_size, size
        self.head, self.stack, self.law, self.components, self.ramps = head, stack, law, components, ramps
        self.pixel_law = (
            Categorical(channels, bins) if law == "categorical" else LogisticMixture(components, channels, bins)
        )
        self.net = PixelNet(
            channels * ramps,
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
        return tf.cast(self.net(self.encoded(x), conditioning), self.variable_dtype)

    def encoded(self, x: tf.Tensor) -> tf.Tensor:
        """What the network takes of x (..., c), of 0..bins-1: `ramps` numbers in [-1, 1] for each channel.

        Ramp k goes from -1 to 1 while x crosses the k-th of so many equal parts of the range, and is flat elsewhere.
        One number for the whole range, `ramps=1`, would leave it to the weights to tell neighbouring levels apart.
        """
        steps = x[..., None] * (self.ramps / (self.pixel_law.bins - 1)) - tf.range(self.ramps, dtype=x.dtype)
        ramps = 2 * tf.clip_by_value(steps, 0, 1) - 1
        return tf.reshape(ramps, tf.concat([tf.shape(x)[:-1], [self.net.channels]], axis=0))

    def sample(self, n: int, seed: int | None = None, conditioning=None, cached: bool = True) -> np.ndarray:
        """`n` images, (n, h, w, c), integers; as `Generative.sample`.

        With `cached=False` every pixel takes a pass of the whole network: the same images, for the same seed, but for
        a pixel that falls to the other side of a boundary by the rounding of the last digit.
        """
        self.match(conditioning)
        given = None if conditioning is None else tf.convert_to_tensor(conditioning, self.variable_dtype)
        graph = self._graph_sample if cached else self._graph_sample_by_passes
        y = graph(tf.constant(n), seed_pair(self.seed if seed is None else seed), given).numpy()
        return bits.quantize(y, self.pixel_law.bins)

    def get_config(self):
        return {**super().get_config(), **{name: getattr(self, name) for name in OPTIONS}}


def _check(model: str, event_shape, bins, **sizes) -> None:
    if len(event_shape) != 3:
        raise InputError(f"{model} models images of (height, width, channels), got event_shape={event_shape}.")
    if not bins or bins < 2:
        raise InputError(f"{model} models integers, got bins={bins}; expected 2 or more.")
    for name, size in sizes.items():
        if size < 1:
            raise InputError(f"{model} got {name}={size}; expected 1 or more.")
    for name in ("filters", "head"):
        if sizes[name] < event_shape[-1]:
            raise InputError(
                f"{model} got {name}={sizes[name]} for {event_shape[-1]} channels; expected a feature for each or more."
            )


def _check_choices(stack: str, law: str, **kernels) -> None:
    for name, value, values in (("stack", stack, tuple(STACKS)), ("law", law, LAWS)):
        if value not in values:
            raise InputError(f"{name} is {value!r}; expected {values[0]!r} or {values[1]!r}.")
    for name, size in kernels.items():
        if size < 3 or size % 2 == 0:
            raise InputError(f"{name} is {size}; expected an odd number, 3 or more.")
