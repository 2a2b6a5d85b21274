"""Auxiliary colour images for outlier exposure that need no download."""

import numpy as np
import scipy.ndimage
from PIL import Image

BLURS = (0.5, 1.0, 1.5, 2.0)  # standard deviations in pixels; as many images of each
GRAIN = 6.0  # the greatest standard deviation of the grain before the blur, in levels


def coloured(shapes: np.ndarray, n: int, side: int = 32, seed: int = 0) -> np.ndarray:
    """Grey shapes in one colour over another, out of focus, each colour changing slowly over the image.

    Letters (`data.load("letters", ...)`) make signs, as a camera might see them. They are smooth on purpose: a model of
    photographs finds smooth images more likely than photographs, and that is what exposure has to unteach. Images that
    it finds unlikely anyway teach it nothing. The same arguments give the same images.

    Args:
      shapes: uint8 (m, h, w, 1); two of them at random in each image, each at a place and a size of its own.
      n: how many images.
      side: of the square images.

    Returns:
      uint8 (n, side, side, 3).
    """
    rng = np.random.default_rng(seed)
    mask = np.maximum(_placed(shapes, n, side, rng), _placed(shapes, n, side, rng))
    back, front = _colours(n, side, rng), _colours(n, side, rng)
    images = back + mask * rng.uniform(0.1, 1, (n, 1, 1, 1)) * (front - back)
    images += rng.uniform(0, GRAIN, (n, 1, 1, 1)) * rng.standard_normal((n, side, side, 1))
    for i, blur in enumerate(BLURS):
        images[i :: len(BLURS)] = scipy.ndimage.gaussian_filter(images[i :: len(BLURS)], (0, blur, blur, 0))
    return np.clip(np.round(images), 0, 255).astype(np.uint8)


def _placed(shapes: np.ndarray, n: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """A shape in each image, 0.6 to 1.4 times as large as the image, its centre in the image: (n, side, side, 1)."""
    height, width = shapes.shape[1:3]
    masks = np.empty((n, side, side, 1), np.float32)
    for mask, shape in zip(masks, shapes[rng.integers(len(shapes), size=n)], strict=True):
        step = rng.uniform(1 / 1.4, 1 / 0.6) * max(height, width) / side  # pixels of the shape for one of the image
        left, top = (length / 2 - step * side * rng.uniform(0.1, 0.9) for length in (width, height))
        placed = Image.fromarray(shape[..., 0]).transform(
            (side, side), Image.Transform.AFFINE, (step, 0, left, 0, step, top), Image.Resampling.BILINEAR
        )
        mask[..., 0] = np.asarray(placed) / 255
    return masks


def _colours(n: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """Fields (n, side, side, 3): a grey level, a tint, and a slow change of both from corner to corner."""
    colour = rng.uniform(0, 255, (n, 1, 1, 1)) + rng.normal(0, 25, (n, 1, 1, 3))
    corners = colour + rng.normal(0, 15, (n, 2, 2, 1)) + rng.normal(0, 5, (n, 2, 2, 3))
    t = np.linspace(0, 1, side)
    ramp = np.stack([1 - t, t])  # (2, side)
    return np.einsum("nabc,ai,bj->nijc", corners, ramp, ramp, optimize=True)
