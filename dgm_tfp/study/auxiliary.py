"""What outlier exposure shows a model as strange: images that are of neither side of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from dgm_tfp.study.lab import Lab

SIDES = (6, 16)  # of the pieces that are enlarged, for images of 32 pixels


def name(lab: Lab, data: str) -> str:
    """What the auxiliary images for a model of `data` are: letters where they have its shape."""
    return "letters" if lab.like_letters(data) else f"enlarged pieces of {data}"


def auxiliary(lab: Lab, data: str, seed: int) -> np.ndarray:
    """Auxiliary images of the shape of a data set, uint8: letters, or pieces of its training images enlarged."""
    if lab.like_letters(data):
        return lab.shelf.images("letters", "train")
    return enlarged(lab.shelf.images(data, "train")[:10_000], seed)


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
