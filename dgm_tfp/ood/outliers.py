"""Auxiliary colour images for outlier exposure that need no download."""

import numpy as np
import scipy.ndimage

BLURS = (0.0, 0.5, 1.0, 1.5)  # standard deviations in pixels; as many images of each


def coloured(shapes: np.ndarray, n: int, side: int = 32, seed: int = 0) -> np.ndarray:
    """Grey shapes, enlarged, in one colour over another, each colour changing smoothly over the image.

    Contrast, blur and grain differ from image to image. Letters (`data.load("letters", ...)`) make signs, as a camera
    might see them. The same arguments give the same images.

    Args:
      shapes: uint8 (m, h, w, 1); each image takes one at random.
      n: how many images.
      side: of the square images.

    Returns:
      uint8 (n, side, side, 3).
    """
    rng = np.random.default_rng(seed)
    chosen = shapes[rng.integers(len(shapes), size=n), ..., 0] / 255.0
    height, width = shapes.shape[1:3]
    mask = np.clip(scipy.ndimage.zoom(chosen, (1, side / height, side / width), order=1), 0, 1)[..., np.newaxis]
    contrast = rng.uniform(0.1, 1, (n, 1, 1, 1))
    back, front = _smooth(n, side, rng), _smooth(n, side, rng)
    images = back + contrast * mask * (front - back)
    for i, blur in enumerate(BLURS):
        images[i :: len(BLURS)] = scipy.ndimage.gaussian_filter(images[i :: len(BLURS)], (0, blur, blur, 0))
    grain = rng.uniform(0, 4, (n, 1, 1, 1)) * rng.standard_normal(images.shape)
    return np.clip(np.round(images + grain), 0, 255).astype(np.uint8)


def _smooth(n: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """Colour fields (n, side, side, 3): a grey level, a tint, and a slow change of both from corner to corner."""
    corners = rng.uniform(0, 255, (n, 1, 1, 1)) + rng.normal(0, 25, (n, 1, 1, 3)) + rng.normal(0, 15, (n, 2, 2, 3))
    t = np.linspace(0, 1, side)
    ramp = np.stack([1 - t, t])  # (2, side)
    return np.einsum("nabc,ai,bj->nijc", corners, ramp, ramp, optimize=True)
