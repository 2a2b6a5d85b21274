"""What several test files need."""

import numpy as np
import tensorflow as tf


def randomise(layer, scale: float = 0.3, seed: int = 0) -> None:
    """Moves every trainable weight away from its start, so that no coupling is the identity."""
    rng = np.random.default_rng(seed)
    for weight in layer.trainable_variables:
        weight.assign(
            weight.numpy()
            + scale * rng.standard_normal(weight.shape) / np.sqrt(max(1, weight.shape[0] if weight.shape else 1))
        )


def brute_force_log_det(function, x: tf.Tensor) -> np.ndarray:
    """log abs det of the Jacobian of `function` at each example of `x`, by differentiating every output."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    size = int(np.prod(x.shape[1:]))
    jacobian = tf.reshape(tape.batch_jacobian(y, x), [-1, size, size])
    return np.linalg.slogdet(jacobian.numpy())[1]


def same(a, b, tolerance: float) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)
