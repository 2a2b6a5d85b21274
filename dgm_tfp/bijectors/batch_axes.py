"""Any number of batch axes, none too, for bijectors whose networks want exactly one."""

import tensorflow as tf

from dgm_tfp.bijectors.one_pass import OnePass


class BatchAxes(OnePass):
    """The same bijector, with the batch axes flattened into one before it and restored after it."""

    def __init__(self, bijector: OnePass, name: str = "batch_axes"):
        super().__init__(bijector.forward_min_event_ndims, name=name)
        self.bijector = bijector

    def forward_and_log_det(self, x):
        return self._flattened(self.bijector.forward_and_log_det, x)

    def inverse_and_log_det(self, y):
        return self._flattened(self.bijector.inverse_and_log_det, y)

    def _flattened(self, method, x):
        event_ndims = self.forward_min_event_ndims
        if x.shape.rank == event_ndims + 1:
            y, log_det = method(x)
            return y, tf.broadcast_to(log_det, tf.shape(x)[:1])
        batch_shape = tf.shape(x)[:-event_ndims]
        flat = tf.reshape(x, [-1, *x.shape[-event_ndims:]])
        y, log_det = method(flat)
        y = tf.reshape(y, tf.concat([batch_shape, tf.shape(y)[1:]], axis=0))
        return y, tf.reshape(tf.broadcast_to(log_det, tf.shape(flat)[:1]), batch_shape)

    def _forward_event_shape(self, input_shape):
        return self.bijector.forward_event_shape(input_shape)

    def _inverse_event_shape(self, output_shape):
        return self.bijector.inverse_event_shape(output_shape)
