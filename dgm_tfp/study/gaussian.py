"""Synthetic images of independent Gaussian pixels, whose variance is set by hand."""

import numpy as np

from dgm_tfp.data import synthetic

NAME = "gaussian_pixels"
SHAPE, LEVEL, STD = (8, 8, 1), 128, 40
STDS = (2, 10, 20, 30, 36, 44, 50)  # of the sets that the model, which learned STD, is asked about


def images(n: int, std: float, seed: int) -> np.ndarray:
    """uint8 (n, *SHAPE) of mean LEVEL."""
    return synthetic.images(n, SHAPE, LEVEL, std, seed)
