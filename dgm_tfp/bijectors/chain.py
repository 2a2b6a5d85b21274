"""Composition: log-determinants add."""

from collections.abc import Sequence

import tensorflow as tf

from dgm_tfp.bijectors.one_pass import OnePass


class Chain(OnePass):
    """The composition b_1 o b_2 o ... o b_n, in the order of `tfb.Chain`: `forward` applies the last one first.

    log abs det of a product of Jacobians is the sum of theirs; a loop adds them up. Unlike `tfb.Chain` it hashes by
    identity and has a short name: TFP's hashes every part of every part, which is exponential in the depth of nesting.
    """

    def __init__(self, bijectors: Sequence[OnePass], name: str = "chain"):
        super().__init__(bijectors[0].forward_min_event_ndims, name=name)
        self.bijectors = tuple(bijectors)

    def forward_and_log_det(self, x):
        y, log_det = x, 0.0
        for bijector in reversed(self.bijectors):
            y, term = bijector.forward_and_log_det(y)
            log_det = log_det + term
        return y, log_det

    def inverse_and_log_det(self, y):
        x, log_det = y, 0.0
        for bijector in self.bijectors:
            x, term = bijector.inverse_and_log_det(x)
            log_det = log_det + term
        return x, log_det

    def _forward_event_shape(self, input_shape: tf.TensorShape) -> tf.TensorShape:
        for bijector in reversed(self.bijectors):
            input_shape = bijector.forward_event_shape(input_shape)
        return input_shape

    def _inverse_event_shape(self, output_shape: tf.TensorShape) -> tf.TensorShape:
        for bijector in self.bijectors:
            output_shape = bijector.inverse_event_shape(output_shape)
        return output_shape
