"""The slope and the curvature of log p(x) at a point, along any directions: Hessian-vector products."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from dgm_tfp.errors import InputError
from dgm_tfp.models import Likelihood
from dgm_tfp.ood.metrics import Mean, mean


class Along(NamedTuple):
    """g^T v and v^T H v of each direction v, (n,) in nats: g the gradient, H the Hessian of log p at one point."""

    slope: np.ndarray
    curvature: np.ndarray


class Expansion:
    """log p(y) about one point y0, to the second order: log p(y0 + v) ~ log p(y0) + g^T v + v^T H v / 2.

    H is never formed. For a direction v it is differentiated twice along the line y0 + t v, which costs about five
    passes of the model: v^T H v is exact up to rounding. But ReLU networks are straight save for their kinks, which no
    derivative sees: of a constant-volume Glow H = -J^T diag(1 / sigma^2) J, with J the Jacobian of its z = f(y) at y0
    alone. Steps of a finite length cross kinks, and see them: `secants`.

    Args:
      model: a `Likelihood` of a density, p(y) of real y: a flow. Images y = x + u lie in [0, bins).
      at: y0, of the model's `event_shape`, in the units of the data.

    Raises:
      InputError: a model of probabilities on integers (PixelCNN, a VAE of pixels), which has no derivatives in x; a
        model without a differentiable density; a point of another shape.
    """

    def __init__(self, model: Any, at: np.ndarray):
        density = density_of(model)
        self.shape = tuple(model.event_shape)
        if np.shape(at) != self.shape:
            raise InputError(f"the point is of shape {np.shape(at)}; expected {self.shape}. Pass one example.")
        dtype = model.variable_dtype
        self.at, self.noisy = np.asarray(at, dtype), bool(model.bins)
        point, batch = tf.constant(self.at), tf.TensorSpec([None, *self.shape], dtype)

        @tf.function(input_signature=[batch], autograph=False)
        def derivatives(v):
            t = tf.zeros([tf.shape(v)[0], *(1 for _ in self.shape)], dtype)
            with tf.GradientTape() as outer:
                outer.watch(t)
                with tf.GradientTape() as inner:
                    inner.watch(t)
                    log_prob = density(point + t * v)
                slope = inner.gradient(log_prob, t)
                if slope is None:
                    raise InputError(f"the density of this {type(model).__name__} cannot be differentiated.")
            curvature = outer.gradient(slope, t, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return tf.reshape(slope, [-1]), tf.reshape(curvature, [-1])

        self._derivatives = derivatives
        self._log_prob = tf.function(lambda y: density(y), input_signature=[batch], autograph=False)

    def along(self, directions: np.ndarray, batch_size: int = 100) -> Along:
        """The slope and the curvature along each of `directions`, (n, *event_shape) in the units of the data."""
        dtype = self.at.dtype
        parts = [
            self._derivatives(np.asarray(directions[start : start + batch_size], dtype))
            for start in range(0, len(directions), batch_size)
        ]
        slopes, curvatures = zip(*parts, strict=True)
        return Along(np.concatenate(slopes).astype(np.float64), np.concatenate(curvatures).astype(np.float64))

    def secants(self, directions: np.ndarray, reach: float = 0.1, seed: int = 0, batch_size: int = 100) -> Along:
        """`along` by central differences over h = `reach`, of f(t) = log p(y0 + u + t v): three passes of the model.

        The slope is (f(h) - f(-h)) / 2h, the curvature (f(h) - 2 f(0) + f(-h)) / h^2. For a model of images u is
        uniform on [-1/2, 1/2), anew for each direction: the noise of dequantization, over which log p of an image is a
        mean.
        """
        if not reach > 0:
            raise InputError(f"the reach of the secants is {reach}; expected more than 0. For derivatives use `along`.")
        rng, found = np.random.default_rng(seed), []
        for start in range(0, len(directions), batch_size):
            v = reach * np.asarray(directions[start : start + batch_size])
            middle = self.at + (rng.uniform(-0.5, 0.5, v.shape) if self.noisy else 0.0 * v)
            less, here, more = (
                self._log_prob((middle + step).astype(self.at.dtype)).numpy().astype(np.float64) for step in (-v, 0, v)
            )
            found.append(((more - less) / (2 * reach), (more - 2 * here + less) / reach**2))
        slopes, curvatures = zip(*found, strict=True)
        return Along(np.concatenate(slopes), np.concatenate(curvatures))

    def diagonal(self, batch_size: int = 100) -> np.ndarray:
        """The diagonal of H, of `event_shape`: the curvature along each axis, D directions."""
        size = int(np.prod(self.shape))
        found = []
        for start in range(0, size, batch_size):
            basis = np.zeros((min(batch_size, size - start), size), self.at.dtype)
            basis[np.arange(len(basis)), start + np.arange(len(basis))] = 1
            found.append(self.along(basis.reshape(-1, *self.shape), batch_size).curvature)
        return np.concatenate(found).reshape(self.shape)

    def hutchinson(self, variances: np.ndarray, probes: int, seed: int = 0, batch_size: int = 100) -> Mean:
        """Tr(H diag(variances)) by `probes` random directions (Hutchinson, 1990), with its standard error, in nats.

        E[v^T H v] over v = sqrt(variance) r, r independent signs. `variances`, of `event_shape`, may be differences:
        where they are negative their term is estimated apart, with the same signs, and subtracted.
        """
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], (probes, *self.shape))
        more, less = (np.sqrt(np.maximum(part, 0)) for part in (variances, -variances))
        more, less = (self.along(signs * part, batch_size).curvature if part.any() else 0.0 for part in (more, less))
        return mean(np.broadcast_to(more - less, probes))


def density_of(model: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """log p(y) of real y, in nats, as a function that can be differentiated twice."""
    name = type(model).__name__
    if not isinstance(model, Likelihood):
        raise InputError(f"{name} is no Likelihood of this library. Pass a flow.")
    if model.bins and not model.dequantized:
        raise InputError(
            f"{name} gives probabilities to integers, and log P(x) has no derivatives in x. Pass a flow, whose density "
            "has."
        )
    return lambda y: model.distribution.log_prob(y)
