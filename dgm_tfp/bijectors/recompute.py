"""Activations computed anew from the noise instead of being stored (RevNet: Gomez et al., 2017, section 3.2)."""

from collections.abc import Iterator, Sequence

import tensorflow as tf

from dgm_tfp.bijectors.chain import Chain
from dgm_tfp.bijectors.one_pass import OnePass


class Recompute(Chain):
    """A chain whose gradient, from data to noise, keeps its output only: the memory does not grow with its length.

    The backward pass walks the parts from noise to data. Each part gives its input back from its output, runs once
    more, and passes the gradients on (`OnePass.rerun`). A coupling runs its network once for both: a training step
    costs four passes through the networks instead of three. Values are those of `Chain`; gradients differ by the
    rounding of the way back, and where a network's derivative jumps (ReLU), a unit whose input is within that rounding
    of zero may change sides: about one in 3 million did in float32, after 96 steps of flow.

    The parts must depend on variables and on their input only: a tensor that they close over gets no gradient.
    """

    def __init__(self, bijectors: Sequence[OnePass], name: str = "recompute"):
        super().__init__(list(_flat(bijectors)), name=name)

    def inverse_and_log_det(self, y):
        @tf.custom_gradient
        def run(y):
            x, log_det = super(Recompute, self).inverse_and_log_det(y)

            def gradient(dx, dlog_det, variables=None):
                dy, found = self._backward(x, dx, dlog_det)
                return (dy, [found.get(variable.ref()) for variable in variables]) if variables else dy

            return (x, tf.convert_to_tensor(log_det, y.dtype)), gradient

        return run(y)

    def _backward(self, x, dx, dlog_det):
        """The gradient of the input, and of each variable by its reference, from the output and its gradients."""
        found, done = {}, [dx]
        for bijector in reversed(self.bijectors):
            x = _after(done, x)
            with tf.GradientTape() as tape:
                y, x_again, log_det = bijector.rerun(x, tape)
                log_det = log_det + tf.zeros_like(dlog_det)  # where it is the same for all examples it is a scalar
            weights = tape.watched_variables()
            gradients = tape.gradient([x_again, log_det], [*y, *weights], [dx, dlog_det])
            x, dx = bijector.joined(y), bijector.joined(gradients[: len(y)])
            found |= {weight.ref(): gradient for weight, gradient in zip(weights, gradients[len(y) :], strict=True)}
            done = [dx, *(gradient for gradient in gradients[len(y) :] if gradient is not None)]
        return dx, found


def _after(done: Sequence[tf.Tensor], x: tf.Tensor) -> tf.Tensor:
    """`x`, but not before `done` is computed.

    Else the runtime may first go all the way back to the data, and the activations are all there again. XLA knows no
    control dependencies: for it a number that is 0, which it cannot know, is added to `x`.
    """
    with tf.control_dependencies(done):
        first = tf.reduce_sum(tf.reshape(done[0], [-1])[:1])  # a sum, since a replica's batch may be empty
        return x + tf.where(tf.math.is_nan(first), first, tf.zeros_like(first))


def _flat(bijectors: Sequence[OnePass]) -> Iterator[OnePass]:
    for bijector in bijectors:
        if isinstance(bijector, Chain):
            yield from _flat(bijector.bijectors)
        else:
            yield bijector
