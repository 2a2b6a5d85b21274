"""Real-NVP (Dinh et al., 2017), and NICE (Dinh et al., 2015), which is its additive version."""

from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from dgm_tfp.bijectors import (
    ActNorm,
    AffineLaw,
    Chain,
    Coupling,
    MultiScale,
    Recompute,
    SplineLaw,
    Squeeze,
)
from dgm_tfp.errors import InputError
from dgm_tfp.models.flow import Flow
from dgm_tfp.models.glow import MEMORY, check_halving
from dgm_tfp.models.step import Step
from dgm_tfp.networks import convnet, mlp
from dgm_tfp.networks.made import permutation


class CouplingStep(Step):
    """One step of flow, data to noise: ActNorm, then a coupling under a mask.

    Args:
      network: from half a, and the conditioning beside it, to what the law needs for half b.
      order: of the last axis, half a first; see `bijectors.Coupling`.
      event_ndims: 1 for vectors, 3 for images.
      law: see `bijectors.Coupling`.
      actnorm: normalise before the coupling.
    """

    def __init__(
        self,
        network: keras.Model,
        order: np.ndarray,
        event_ndims: int,
        law: AffineLaw | SplineLaw,
        actnorm: bool,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.network, self.order, self.event_ndims, self.law = network, order, event_ndims, law
        self.actnorm = ActNorm(len(order), event_ndims, dtype=self.dtype_policy) if actnorm else None
        self.built = True

    def transform(self, conditioning):
        def conditioner(a):
            return self.network(a if conditioning is None else tf.concat([a, conditioning], axis=-1))

        return Coupling(conditioner, self.event_ndims, self.order, self.law)


@keras.saving.register_keras_serializable(package="dgm_tfp")
class RealNVP(Flow):
    """Real-NVP for vectors and images: fast to score and to sample.

    A vector goes through `steps` couplings, whose masks swap the halves in turn or are random. An image goes through
    `levels` scales of the multi-scale architecture (section 3.6 of the paper): at each, `steps` couplings under
    checkerboard masks, then `steps` under masks of channels, in turn with the opposite mask; at the last scale
    checkerboards only. A checkerboard of pixels is a mask of the channels of the squeezed image, so both kinds are one
    coupling of channels, and the networks of both see the squeezed image.

    Args:
      event_shape: (D,) with D at least 2, or (height, width, channels), height and width divisible by 2 ** levels.
      steps: couplings of a vector; of an image, couplings of each kind at each scale.
      hidden: widths of the networks' hidden layers, for vectors.
      filters: channels of the networks' hidden layers, for images.
      levels: the number of scales, for images.
      coupling: "affine"; "additive": NICE, which preserves volume (up to ActNorm's constant); or "spline",
        `bijectors.SplineLaw` (Durkan et al., 2019), for densities with gaps and edges.
      spline_bins: how many bins a spline has.
      masks: of vectors: "alternate", or "random", other halves at each step, fixed by `seed`.
      activation: of the hidden units, for vectors.
      actnorm: normalise before each coupling. `adapt` gives it its first values.
      memory: of a training step: "store", or "recompute", which hardly grows with `steps`; see `Glow`.
      conditioning_shape: (k,) for a model of vectors x given c: every network sees c.
      prior, bins, dtype, seed: see `Flow` and `Likelihood`; `bins` is 256 for images and None for vectors by default.

    Raises:
      InputError: an event that is neither; an image that cannot be halved `levels` times, or with conditioning; sizes
        below 1; an unknown coupling, mask, memory or prior; memory="recompute" with conditioning.
    """

    def __init__(
        self,
        event_shape=(2,),
        steps: int = 8,
        hidden: Sequence[int] = (64, 64),
        filters: int = 64,
        levels: int = 2,
        coupling: str = "affine",
        spline_bins: int = 16,
        masks: str = "alternate",
        activation: str = "relu",
        actnorm: bool = True,
        memory: str = "store",
        conditioning_shape: tuple[int] | None = None,
        prior: str = "standard",
        bins: int | Literal["auto"] | None = "auto",
        dtype=None,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(
            event_shape,
            bins=(256 if len(event_shape) == 3 else None) if bins == "auto" else bins,
            prior=prior,
            dtype=dtype,
            seed=seed,
            conditioning_shape=conditioning_shape,
            **kwargs,
        )
        self.steps, self.hidden, self.filters, self.levels = steps, tuple(hidden), filters, levels
        self.coupling, self.spline_bins, self.masks, self.memory = coupling, spline_bins, masks, memory
        self.activation, self.actnorm = keras.activations.get(activation), actnorm
        self._check()
        self.law = SplineLaw(spline_bins) if coupling == "spline" else AffineLaw()
        if len(self.event_shape) == 1:
            self._make_vector_steps()
        else:
            self._make_image_steps()
        self.build()

    def _make_vector_steps(self) -> None:
        (size,) = self.event_shape
        half, context = size // 2, self.conditioning_shape[0] if self.conditioning_shape else 0
        for i in range(self.steps):
            seed = 1000 * (self.seed + 1) + i
            order = permutation(size, seed) if self.masks == "random" else np.roll(np.arange(size), half * (i % 2))
            network = mlp(
                half + context,
                self._results(size),
                self.hidden,
                self.activation,
                seed=100 * seed,
                dtype=self.network_policy,
            )
            self._add(f"step_{i}", network, order)

    def _make_image_steps(self) -> None:
        shape = self.event_shape
        for level in range(self.levels):
            height, width, channels = Squeeze.of(shape).squeezed(*shape)
            kinds = ("checkerboard", "channels") if level < self.levels - 1 else ("checkerboard",)
            for kind in kinds:
                order = _checkerboard(shape) if kind == "checkerboard" else np.arange(channels)
                for i in range(self.steps):
                    seed = 1000 * (self.seed + 1) + 2 * self.steps * level + i + self.steps * (kind == "channels")
                    network = convnet(
                        (height, width, channels // 2),
                        self._results(channels),
                        self.filters,
                        gain=min(1.0, 8 / (2 * self.levels * self.steps)),
                        seed=100 * seed,
                        dtype=self.network_policy,
                    )
                    # The opposite mask: the other half is passed on.
                    self._add(f"level_{level}_{kind}_{i}", network, np.roll(order, channels // 2 * (i % 2)))
            shape = (height, width, channels // 2)

    def _results(self, size: int) -> int:
        return (size - size // 2) * (1 if self.coupling == "additive" else self.law.outputs)

    def _add(self, name: str, network: keras.Model, order: np.ndarray) -> None:
        # An attribute each, not a list: tf.train.Checkpoint does not see layers in a list, and does not say so.
        step = CouplingStep(network, order, len(self.event_shape), self.law, self.actnorm, dtype=self.dtype_policy)
        setattr(self, name, step)

    @property
    def scales(self) -> list[list[CouplingStep]]:
        """The steps of flow, a list for each scale, the finest first; of a vector one list."""
        if len(self.event_shape) == 1:
            return [[getattr(self, f"step_{i}") for i in range(self.steps)]]
        *finer, coarsest = range(self.levels)
        names = [[f"level_{level}_checkerboard", f"level_{level}_channels"] for level in finer]
        names.append([f"level_{coarsest}_checkerboard"])
        return [[getattr(self, f"{name}_{i}") for name in kinds for i in range(self.steps)] for kinds in names]

    def flow_bijector_given(self, conditioning):
        chain = Recompute if self.memory == "recompute" else Chain
        *finer, last = [
            chain([block.bijector(conditioning) for block in blocks], name="steps") for blocks in self.scales
        ]
        if len(self.event_shape) == 1:
            return last
        bijector = MultiScale(last)
        for steps in reversed(finer):
            bijector = MultiScale(steps, bijector)
        return bijector

    def adapt_layers(self, y, conditioning=None):
        for blocks in self.scales:
            y = y if len(self.event_shape) == 1 else Squeeze.of(y.shape).forward(y)
            for block in blocks:
                y = block.adapt(y, conditioning)
            y = y[..., y.shape[-1] // 2 :]

    def get_config(self):
        names = ("steps", "hidden", "filters", "levels", "coupling", "spline_bins", "masks", "actnorm", "memory")
        own = {name: getattr(self, name) for name in names}
        return {**super().get_config(), **own, "activation": keras.activations.serialize(self.activation)}

    def _check(self) -> None:
        shape = self.event_shape
        for name in ("steps", "filters", "levels"):
            if getattr(self, name) < 1:
                raise InputError(f"RealNVP got {name}={getattr(self, name)}; expected 1 or more.")
        if len(shape) not in (1, 3):
            raise InputError(f"RealNVP got event_shape={shape}; expected (D,) or (height, width, channels).")
        if shape == (1,):
            raise InputError("RealNVP splits a vector in two, and this one has 1 dimension. Use MAF, or 2 or more.")
        if len(shape) == 3:
            check_halving("RealNVP", shape, self.levels)
            if self.conditioning_shape:
                raise InputError("RealNVP of images has no conditional version. Flatten the images, or leave it out.")
        elif not self.hidden or min(self.hidden) < 1:
            raise InputError(f"RealNVP got hidden={self.hidden}; expected one width or more, each 1 or more.")
        if self.memory == "recompute" and self.conditioning_shape:
            raise InputError('RealNVP given a condition stores its activations. Use memory="store".')
        choices = {"coupling": ("affine", "additive", "spline"), "masks": ("alternate", "random"), "memory": MEMORY}
        for name, values in choices.items():
            if getattr(self, name) not in values:
                *others, last = map(repr, values)
                raise InputError(f"{name} is {getattr(self, name)!r}; expected {', '.join(others)} or {last}.")


def _checkerboard(shape) -> np.ndarray:
    """The channels of the squeezed image, those of the black pixels first, where row + column is even."""
    rows, columns = Squeeze.of(shape).block
    colour = np.add.outer(np.arange(rows), np.arange(columns)) % 2
    return np.argsort(np.repeat(colour.ravel(), shape[-1]), kind="stable")
