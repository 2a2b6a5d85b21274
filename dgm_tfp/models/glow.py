"""Glow (Kingma & Dhariwal, 2018)."""

import keras
import tensorflow as tf

from dgm_tfp.bijectors import ActNorm, Chain, Coupling, InvertibleConv, MultiScale, OnePass, Recompute, Squeeze
from dgm_tfp.errors import InputError
from dgm_tfp.models.flow import Flow
from dgm_tfp.networks import convnet

MEMORY = ("store", "recompute")


class GlowStep(keras.layers.Layer):
    """One step of flow, data to noise: ActNorm, invertible 1x1 convolution, coupling (table 1 of the paper)."""

    def __init__(self, in_shape, filters: int, affine: bool, gain: float, policy, seed: int, **kwargs):
        super().__init__(**kwargs)
        height, width, channels = in_shape
        passed = channels // 2
        moved = channels - passed
        self.actnorm = ActNorm(channels, dtype=self.dtype_policy)
        self.mix = InvertibleConv(channels, seed=seed, dtype=self.dtype_policy)
        self.conditioner = convnet(
            (height, width, passed), 2 * moved if affine else moved, filters, gain=gain, seed=seed, dtype=policy
        )
        self.built = True

    @property
    def bijector(self) -> Chain:
        return Chain([self.actnorm.bijector, self.mix.bijector, Coupling(self.conditioner)], name="glow_step")

    def adapt(self, y: tf.Tensor) -> tf.Tensor:
        """Sets ActNorm from `y`, on the data side of this step; returns its noise side."""
        self.actnorm.adapt(y)
        return self.bijector.inverse(y)


@keras.saving.register_keras_serializable(package="dgm_tfp")
class Glow(Flow):
    """Glow for images.

    The output of every coupling's network is scaled by min(1, 8 / (levels steps)): a step of the optimizer moves all
    couplings at once, and without the factor what is a fair learning rate for 8 of them makes 96 explode.

    Args:
      event_shape: (height, width, channels); height and width divisible by 2 ** levels. One of them may be 1: a signal.
      levels: L, the number of scales.
      steps: K, steps of flow at each scale.
      filters: hidden channels of the couplings' networks.
      coupling: "affine", or "additive": the constant-volume Glow of Nalisnick et al. (2019, section 5), whose
        log-volume is the same for every image.
      memory: of a training step. "store" keeps the activations of every step of flow for the gradient; "recompute"
        keeps what comes out of each scale and inverts the flow to get them back: the same log p(x), gradients equal up
        to rounding, memory that hardly grows with `steps`, a quarter to a third more time; also under XLA, in mixed
        precision and under `tf.distribute`; of no use with `run_eagerly`.
      prior, bins, dtype, seed: see `Flow` and `Likelihood`.

    Raises:
      InputError: an image that cannot be halved `levels` times; sizes below 1; an unknown coupling, memory or prior.
    """

    def __init__(
        self,
        event_shape=(28, 28, 1),
        levels: int = 2,
        steps: int = 4,
        filters: int = 64,
        coupling: str = "affine",
        memory: str = "store",
        prior: str = "learned",
        bins: int | None = 256,
        dtype=None,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(event_shape, bins=bins, prior=prior, dtype=dtype, seed=seed, **kwargs)
        _check(self.event_shape, levels, steps, filters, coupling, memory)
        self.levels, self.steps, self.filters = levels, steps, filters
        self.coupling, self.memory = coupling, memory
        height, width, channels = self.event_shape
        for level in range(levels):
            height, width, channels = Squeeze.of((height, width, channels)).squeezed(height, width, channels)
            for step in range(steps):
                block = GlowStep(
                    (height, width, channels),
                    filters,
                    affine=coupling == "affine",
                    gain=min(1.0, 8 / (levels * steps)),
                    policy=self.network_policy,
                    seed=1000 * (seed + 1) + level * steps + step,
                    dtype=self.dtype_policy,
                )
                # An attribute each, not a list: tf.train.Checkpoint does not see layers in a list, and does not say so.
                setattr(self, f"level_{level}_step_{step}", block)
            channels //= 2
        self.build()

    @property
    def scales(self) -> list[list[GlowStep]]:
        """The steps of flow, a list for each scale, the finest first."""
        return [[getattr(self, f"level_{i}_step_{k}") for k in range(self.steps)] for i in range(self.levels)]

    @property
    def flow_bijector(self) -> OnePass:
        chain = Recompute if self.memory == "recompute" else Chain
        *finer, coarsest = [chain([block.bijector for block in blocks], name="steps") for blocks in self.scales]
        bijector = MultiScale(coarsest)
        for steps in reversed(finer):
            bijector = MultiScale(steps, bijector)
        return bijector

    def adapt_layers(self, y, conditioning=None):
        for blocks in self.scales:
            y = Squeeze.of(y.shape).forward(y)
            for block in blocks:
                y = block.adapt(y)
            _, y = tf.split(y, 2, axis=-1)

    def get_config(self):
        own = {name: getattr(self, name) for name in ("levels", "steps", "filters", "coupling", "memory")}
        return {**super().get_config(), **own}


def _check(event_shape, levels: int, steps: int, filters: int, coupling: str, memory: str) -> None:
    for name, value in (("levels", levels), ("steps", steps), ("filters", filters)):
        if value < 1:
            raise InputError(f"Glow got {name}={value}; expected 1 or more.")
    if coupling not in ("affine", "additive"):
        raise InputError(f"coupling is {coupling!r}; expected 'affine' or 'additive'.")
    if memory not in MEMORY:
        raise InputError(f"memory is {memory!r}; expected {MEMORY[0]!r} or {MEMORY[1]!r}.")
    check_halving("Glow", event_shape, levels)


def check_halving(model: str, event_shape, levels: int) -> None:
    """Raises an `InputError` unless an image can be squeezed `levels` times."""
    if len(event_shape) != 3:
        raise InputError(f"{model} models images of (height, width, channels), got event_shape={event_shape}.")
    height, width, _ = event_shape
    factor = 2**levels
    if any(size > 1 and size % factor for size in (height, width)) or height == width == 1:
        raise InputError(
            f"{model} halves the image {levels} times: {event_shape} is not divisible by {factor}. "
            + _remedy(event_shape, factor)
        )


def most_levels(event_shape) -> int:
    """How many times an image can be halved: the power of 2 in its height and width (an axis of 1 does not count)."""
    sizes = [size for size in event_shape[:2] if size > 1]
    return min(((size & -size).bit_length() - 1 for size in sizes), default=0)


def _remedy(event_shape, factor: int) -> str:
    height, width, _ = event_shape
    signal = 1 in (height, width) and height != width
    padded = [1 if signal and size == 1 else -(-size // factor) * factor for size in (height, width)]
    fits = most_levels(event_shape)
    fewer = f"Use levels={fits}, or pad" if fits else "Pad"
    return f"{fewer} to {padded[0]}x{padded[1]}."
