"""Images changed by hand: contrast, colour and all detail taken away; and the moments that this moves."""

from typing import NamedTuple

import numpy as np

from dgm_tfp.data import as_images
from dgm_tfp.errors import InputError


class Moments(NamedTuple):
    """Of each dimension over a data set, float64 (*event_shape): figure 5a of Nalisnick et al. (2019)."""

    mean: np.ndarray
    variance: np.ndarray

    @property
    def channel_mean(self) -> np.ndarray:
        """The mean of each channel over all its pixels, (c,)."""
        return self.mean.mean(axis=tuple(range(self.mean.ndim - 1)))

    @property
    def channel_variance(self) -> np.ndarray:
        """The sum over h, w of sigma^2_hwc, (c,): the numbers of the paper's section 5."""
        return self.variance.sum(axis=tuple(range(self.variance.ndim - 1)))

    @property
    def std(self) -> float:
        """The root of the mean variance of a dimension: one number for the whole set."""
        return float(np.sqrt(self.variance.mean()))


def moments(x: np.ndarray, unit: float = 1.0) -> Moments:
    """Means and variances over the examples of each dimension, with n below the sum of squares, not n - 1.

    Args:
      x: (n, ...), usually uint8 images (n, h, w, c).
      unit: what counts as 1. 255 gives the paper's pixels in [0, 1]; for an image flow the model's own unit is `bins`.
    """
    x = np.asarray(x)
    if len(x) == 0:
        raise InputError("the moments of no examples were asked for. Pass at least one.")
    return Moments(x.mean(axis=0, dtype=np.float64) / unit, x.var(axis=0, dtype=np.float64) / unit**2)


def contrast(x: np.ndarray, factor: float, about: float | np.ndarray | None = None) -> np.ndarray:
    """Images uint8 whose distance from `about` is multiplied by `factor`, rounded, and clipped to 0..255.

    Variances are multiplied by factor^2. Rounding adds up to about 1/12 of a squared level; clipping, with a factor
    above 1, takes variance away and moves the mean: look at the `moments` of what comes out.

    Args:
      x: uint8 (n, h, w, c).
      factor: 0 or more; below 1 the images fade.
      about: what stays where it is: a level, or levels (h, w, c). By default the mean image of `x`, so that the mean
        of every dimension stays the same, as the second-order analysis assumes.
    """
    x = as_images(x, "the images")
    if not factor >= 0:
        raise InputError(f"the factor of the contrast is {factor}; expected 0 or more.")
    centre = moments(x).mean if about is None else np.asarray(about, np.float64)
    return np.clip(np.round(centre + factor * (x - centre)), 0, 255).astype(np.uint8)


def grey(x: np.ndarray) -> np.ndarray:
    """Images uint8 (n, h, w, c) without colour: each channel becomes the mean of all of them, rounded."""
    x = as_images(x, "the images")
    if x.shape[-1] == 1:
        raise InputError("the images have one channel: they are grey already. Use contrast, or pass colour images.")
    return np.broadcast_to(np.round(x.mean(axis=-1, keepdims=True)), x.shape).astype(np.uint8)


def constant(n: int, shape: tuple[int, int, int], level: int | None = None, seed: int = 0) -> np.ndarray:
    """Images uint8 (n, *shape), every pixel and channel of one level: `level`, or one drawn from 0..255 for each."""
    if level is not None and not 0 <= level <= 255:
        raise InputError(f"the level is {level}; expected 0..255.")
    levels = np.random.default_rng(seed).integers(256, size=n) if level is None else np.full(n, level)
    return np.broadcast_to(levels.reshape(n, 1, 1, 1), (n, *shape)).astype(np.uint8)
