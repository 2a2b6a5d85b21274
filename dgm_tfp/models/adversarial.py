"""What an adversarial game is worth: its losses, its optimum in numbers, and a count of the modes that a sample holds.

With data density p, generator density q and a discriminator D(x), the probability that x is data, the value is
V = E_p[log D] + E_q[log(1 - D)] (Goodfellow et al., 2014, equation 1). In logits l = log D / (1 - D)::

    log D = -softplus(-l),    log(1 - D) = -softplus(l)
"""

from typing import NamedTuple

import numpy as np
import scipy.special
import tensorflow as tf

from dgm_tfp.errors import InputError

LOSSES = ("minimax", "non_saturating")


def discriminator_loss(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """-V in nats, from the logits of data and of generated examples, (n,) and (m,)."""
    return tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))


def generator_loss(fake: tf.Tensor, loss: str) -> tf.Tensor:
    """What the generator minimises, in nats, from the logits of its examples, (m,).

    Args:
      fake: logits.
      loss: "minimax", E[log(1 - D)], or "non_saturating", -E[log D]. As functions of the logit their slopes are
        -D and -(1 - D): the first vanishes where the discriminator is sure that the example is generated.
    """
    sign = 1.0 if loss == "minimax" else -1.0
    return -sign * tf.reduce_mean(tf.nn.softplus(sign * fake))


def optimal_discriminator(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """D*(x) = p / (p + q) (the paper's proposition 1), whose logit is log p - log q.

    Args:
      log_p, log_q: log-densities of the data and of the generator at the same points, of one shape, nats.
    """
    return scipy.special.expit(np.asarray(log_p) - np.asarray(log_q))


def jensen_shannon(log_p: np.ndarray, log_q: np.ndarray, cell: float) -> float:
    """JS(p, q) = KL(p || m) / 2 + KL(q || m) / 2 in nats, m = (p + q) / 2: from 0 (p = q) to log 2 (disjoint).

    An integral by a sum over an even grid. With it the value of the game under D* is -log 4 + 2 JS(p, q)
    (theorem 1 of the paper).

    Args:
      log_p, log_q: log-densities at the points of the grid, nats; -inf where a density is zero.
      cell: length, area or volume that belongs to one point.

    Raises:
      InputError: a grid that does not hold both distributions, or is too coarse: a sum is not 1 within one percent.
    """
    log_p, log_q = np.asarray(log_p, np.float64), np.asarray(log_q, np.float64)
    total = 0.0
    log_m = np.logaddexp(log_p, log_q) - np.log(2)
    for name, log_density in (("p", log_p), ("q", log_q)):
        density = np.exp(log_density)
        mass = float(density.sum() * cell)
        if abs(mass - 1) > 0.01:
            raise InputError(f"{name} sums to {mass:.3f} over the grid; expected 1. Take a wider or a finer grid.")
        inside = density > 0
        total += float(np.sum(density[inside] * (log_density[inside] - log_m[inside])) * cell) / 2
    return total


class ModeCount(NamedTuple):
    """What `count_modes` finds: how many modes, the share of good samples, the share at each mode (k,)."""

    modes: int
    high_quality: float
    shares: np.ndarray


def count_modes(samples: np.ndarray, centres: np.ndarray, std: float, share: float = 0.01) -> ModeCount:
    """How many modes of a mixture of Gaussians a sample holds.

    A sample is of high quality where it lies within 3 standard deviations of a centre, as in Srivastava et al. (2017);
    a mode is found where at least `share` of all samples are its own: one stray sample does not make a mode.

    Args:
      samples: (n, d).
      centres: (k, d), further apart than 6 standard deviations.
      std: of each Gaussian.
      share: of all samples, that make a mode.

    Raises:
      InputError: no samples; shapes that do not fit.
    """
    samples, centres = np.asarray(samples), np.asarray(centres)
    if samples.ndim != 2 or centres.ndim != 2 or samples.shape[1] != centres.shape[1] or not len(samples):
        raise InputError(f"count_modes got samples {samples.shape}, centres {centres.shape}. Pass (n, d) and (k, d).")
    near = np.linalg.norm(samples[:, None] - centres, axis=-1) <= 3 * std
    shares = near.mean(axis=0)
    return ModeCount(int((shares >= share).sum()), float(near.any(axis=1).mean()), shares)
