"""What outlier exposure shows a model as strange: images that are of neither side of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from dgm_tfp.study.lab import Lab

SIDES = (6, 16)  # of the pieces that are enlarged, for images of 32 pixels


def name(data: str, shape: tuple[int, ...]) -> str:
    """What the auxiliary images for a model of `data` are called."""
    return "letters" if shape == (28, 28, 1) else f"enlarged pieces of {data}"


def auxiliary(lab: Lab, data: str, fit_set: np.ndarray, seed: int) -> np.ndarray:
    """Auxiliary images of the shape of the training images, uint8: letters, or pieces of them enlarged."""
    if fit_set.shape[1:] == (28, 28, 1):
        return lab.shelf.images("letters", "train")
    return enlarged(fit_set[:10_000], seed)


def enlarged(x: np.ndarray, seed: int = 0) -> np.ndarray:
    """A random square piece of each image, enlarged to the whole: smooth images with the colours of x.

    Args:
      x: uint8 (n, h, w, 1 or 3).
      seed: of the pieces, whose sides are `SIDES` 32nds of the image's.
    """
    rng, (height, width, channels) = np.random.default_rng(seed), x.shape[1:]
    result = np.empty_like(x)
    for i, image in enumerate(x):
        part = rng.uniform(*SIDES) / 32
        rows, columns = max(2, round(part * height)), max(2, round(part * width))
        top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
        piece = image[top : top + rows, left : left + columns]
        piece = Image.fromarray(piece[..., 0] if channels == 1 else piece)
        whole = piece.resize((width, height), Image.Resampling.BICUBIC)
        result[i] = np.asarray(whole).reshape(height, width, channels)
    return result
