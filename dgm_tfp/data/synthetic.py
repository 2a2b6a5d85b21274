"""Data whose distribution is known: 2-D densities, and images with a mean and a variance set by hand."""

import numpy as np
import scipy.special
import scipy.stats
from sklearn.datasets import make_moons

from dgm_tfp.errors import InputError

SIZES = {"train": 10_000, "test": 2_000}


def moons(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles with noise 0.1."""
    return make_moons(n, noise=0.1, random_state=int(rng.integers(2**31)))


def rings(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Four rings of radius 1, 2, 3, 4 with radial standard deviation 0.08."""
    label = rng.integers(4, size=n)
    radius, angle = 1 + label + 0.08 * rng.standard_normal(n), rng.uniform(0, 2 * np.pi, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), label


def eight_centres() -> np.ndarray:
    """The centres of `eight_gaussians`, (8, 2)."""
    angle = np.arange(8) * np.pi / 4
    return 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)


EIGHT_STD = 0.2  # of each of them


def eight_gaussians(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Eight Gaussians of standard deviation 0.2 on a circle of radius 2."""
    label = rng.integers(8, size=n)
    return eight_centres()[label] + EIGHT_STD * rng.standard_normal((n, 2)), label


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


def log_density(name: str, x: np.ndarray) -> np.ndarray:
    """log p(x) in nats of the points x, (n, 2), under the law of "rings", "eight_gaussians" or "checkerboard"."""
    if name not in DENSITIES:
        raise InputError(f"the density of {name!r} is not known; expected one of {', '.join(DENSITIES)}.")
    return DENSITIES[name](np.asarray(x, np.float64))


def entropy(name: str) -> float:
    """-E[log p(x)] in nats, the least negative log-likelihood that any model can reach: a sum over a fine grid."""
    edge, cells = 5.0, 1000  # eight cells in the standard deviation of a ring: a smooth sum converges fast
    centres = (np.arange(cells) + 0.5) * 2 * edge / cells - edge
    total = 0.0
    for rows in np.array_split(centres, 20):
        grid = np.stack(np.meshgrid(rows, centres), axis=-1).reshape(-1, 2)
        log_p = log_density(name, grid)
        total -= np.sum(scipy.special.xlogy(np.exp(log_p), np.exp(log_p)))
    return float(total * (2 * edge / cells) ** 2)


def _log_density_of_rings(x):
    """A Gaussian radius and a uniform angle: p(x) = sum over rings of N(r; k, 0.08) / 4 / (2 pi r)."""
    r = np.maximum(np.linalg.norm(x, axis=1), 1e-300)
    log_p_r = scipy.special.logsumexp(scipy.stats.norm.logpdf(r[:, None], loc=np.arange(1, 5), scale=0.08), axis=1)
    return log_p_r - np.log(4 * 2 * np.pi * r)


def _log_density_of_eight_gaussians(x):
    log_p = scipy.stats.norm.logpdf(x[:, None], loc=eight_centres(), scale=EIGHT_STD).sum(axis=2)
    return scipy.special.logsumexp(log_p, axis=1) - np.log(8)


def _log_density_of_checkerboard(x):
    column, row = np.floor((x.T + 4) / 2)
    black = ((row + column) % 2 == 0) & (np.abs(x) < 4).all(axis=1)
    return np.where(black, -np.log(32), -np.inf)


DENSITIES = {
    "rings": _log_density_of_rings,
    "eight_gaussians": _log_density_of_eight_gaussians,
    "checkerboard": _log_density_of_checkerboard,
}
