"""Data whose distribution is known: 2-D densities, and images with a mean and a variance set by hand."""

import numpy as np
from sklearn.datasets import make_moons

SIZES = {"train": 10_000, "test": 2_000}


def moons(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles with noise 0.1."""
    return make_moons(n, noise=0.1, random_state=int(rng.integers(2**31)))


def rings(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Four rings of radius 1, 2, 3, 4 with radial standard deviation 0.08."""
    label = rng.integers(4, size=n)
    radius, angle = 1 + label + 0.08 * rng.standard_normal(n), rng.uniform(0, 2 * np.pi, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), label


def eight_gaussians(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Eight Gaussians of standard deviation 0.2 on a circle of radius 2."""
    label = rng.integers(8, size=n)
    angle = label * np.pi / 4
    centre = 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return centre + 0.2 * rng.standard_normal((n, 2)), label


def pinwheel(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Five blades: Gaussians stretched along the radius and turned the more, the farther out they are."""
    label = rng.integers(5, size=n)
    x, y = 1 + 0.3 * rng.standard_normal(n), 0.1 * rng.standard_normal(n)
    turn = label * 2 * np.pi / 5 + 0.25 * np.exp(x)
    return 2 * np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], axis=1), label


def checkerboard(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Uniform on the eight black squares of a 4x4 board over [-4, 4]^2."""
    label = rng.integers(8, size=n)
    row, column = label // 2, 2 * (label % 2) + (label // 2) % 2
    corner = 2 * np.stack([column, row], axis=1) - 4
    return corner + rng.uniform(0, 2, (n, 2)), label


SETS = {f.__name__: f for f in (moons, rings, eight_gaussians, pinwheel, checkerboard)}


def load(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Points float32 (n, 2) and labels (the component of each point). The same at every call."""
    points, labels = SETS[name](SIZES[split], np.random.default_rng([sum(name.encode()), split == "test"]))
    return points.astype(np.float32), labels


def images(n: int, shape: tuple[int, int, int], mean: float, std: float, seed: int = 0) -> np.ndarray:
    """Images uint8 (n, *shape) of independent Gaussian pixels, rounded and clipped to 0..255.

    Clipping moves the mean and the variance where mean +- 3 std leaves 0..255.
    """
    pixels = np.random.default_rng(seed).normal(mean, std, (n, *shape))
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)
