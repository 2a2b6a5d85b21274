"""What outlier exposure shows a model as strange: images that are of neither side of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dgm_tfp import ood

if TYPE_CHECKING:
    from dgm_tfp.study.lab import Lab

COLOURED = 10_000  # images


def name(lab: Lab, data: str) -> str:
    """What the auxiliary images for a model of `data` are."""
    return "letters" if lab.like_letters(data) else "coloured letters"


def auxiliary(lab: Lab, data: str, seed: int) -> np.ndarray:
    """Auxiliary images of the shape of a data set, uint8: letters, or of a colour set letters in colours."""
    letters = lab.shelf.images("letters", "train")
    if lab.like_letters(data):
        return letters
    return ood.coloured(letters, COLOURED, side=lab.measured(data).shape[1], seed=seed)
