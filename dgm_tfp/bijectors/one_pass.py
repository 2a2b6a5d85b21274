"""The base class of the library's bijectors: value and log-determinant in one pass, and nothing remembered.

A `tfb.Bijector` asks for the value and the log-determinant apart, so a coupling layer runs its network twice, and it
avoids the second run with a cache keyed by tensor identity, which goes stale when a Keras weight changes. Here a
subclass writes two methods, each of which returns both; TFP's four methods follow from them, without the cache.
"""

from collections.abc import Sequence

import tensorflow as tf
from tensorflow_probability import bijectors as tfb


class OnePass(tfb.Bijector):
    """A bijector defined by `forward_and_log_det` and `inverse_and_log_det`.

    Directions are TFP's: `forward` takes noise to data, `inverse` data to noise. The two methods take a batch with one
    batch axis (`BatchAxes` lifts that). A log-determinant is in nats, one number per example: the sum over the last
    `event_ndims` axes has been taken. Where it is the same for all examples it may be a scalar, as in TFP.

    Args:
      event_ndims: the number of axes of one example: 3 for an image, 1 for a vector.
      name: a short name, for graphs and error messages.
    """

    def __init__(self, event_ndims: int = 3, name: str | None = None):
        super().__init__(forward_min_event_ndims=event_ndims, name=name)

    def forward_and_log_det(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns y = f(x) and log abs det dy/dx."""
        raise NotImplementedError

    def inverse_and_log_det(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns x = f^-1(y) and log abs det dx/dy."""
        raise NotImplementedError

    def rerun(self, x: tf.Tensor, tape: tf.GradientTape) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]:
        """For `Recompute`: finds y = f(x), and runs from there to x and log abs det dx/dy once more, under `tape`.

        Returns the parts of y, watched by the tape, which `joined` puts together; x; and log abs det dx/dy.
        """
        with tape.stop_recording():
            y = self.forward_and_log_det(x)[0]
        tape.watch(y)
        return [y], *self.inverse_and_log_det(y)

    def joined(self, parts: Sequence[tf.Tensor]) -> tf.Tensor:
        """What `rerun` took apart; the gradients of the parts are joined in the same way."""
        (whole,) = parts
        return whole

    # TFP's public methods are overridden, not its hooks (`_forward`, ...): the cache sits between the two.

    def forward(self, x, name="forward"):
        with tf.name_scope(name):
            return self.forward_and_log_det(tf.convert_to_tensor(x, dtype_hint=tf.float32))[0]

    def inverse(self, y, name="inverse"):
        with tf.name_scope(name):
            return self.inverse_and_log_det(tf.convert_to_tensor(y, dtype_hint=tf.float32))[0]

    def forward_log_det_jacobian(self, x, event_ndims=None, name="forward_log_det_jacobian"):
        with tf.name_scope(name):
            log_det = self.forward_and_log_det(tf.convert_to_tensor(x, dtype_hint=tf.float32))[1]
            return self._sum_extra_axes(log_det, event_ndims)

    def inverse_log_det_jacobian(self, y, event_ndims=None, name="inverse_log_det_jacobian"):
        with tf.name_scope(name):
            log_det = self.inverse_and_log_det(tf.convert_to_tensor(y, dtype_hint=tf.float32))[1]
            return self._sum_extra_axes(log_det, event_ndims)

    def _sum_extra_axes(self, log_det: tf.Tensor, event_ndims: int | None) -> tf.Tensor:
        """TFP may ask for the log-determinant over more axes than the bijector's own: those are independent."""
        extra = 0 if event_ndims is None else int(event_ndims) - self.forward_min_event_ndims
        if extra < 0:
            raise ValueError(
                f"{self.name} acts on {self.forward_min_event_ndims} axes, got event_ndims={event_ndims}. "
                f"Ask for event_ndims={self.forward_min_event_ndims} or more."
            )
        return tf.reduce_sum(log_det, axis=list(range(-extra, 0))) if extra else log_det
