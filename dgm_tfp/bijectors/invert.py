"""The same bijector the other way round."""

from dgm_tfp.bijectors.one_pass import OnePass


class Invert(OnePass):
    """`forward` is the other's `inverse`: what `tfb.Invert` is, in one pass and without its cache."""

    def __init__(self, bijector: OnePass, name: str = "invert"):
        super().__init__(bijector.inverse_min_event_ndims, name=name)
        self.bijector = bijector

    def forward_and_log_det(self, x):
        return self.bijector.inverse_and_log_det(x)

    def inverse_and_log_det(self, y):
        return self.bijector.forward_and_log_det(y)

    def _forward_event_shape(self, input_shape):
        return self.bijector.inverse_event_shape(input_shape)

    def _inverse_event_shape(self, output_shape):
        return self.bijector.forward_event_shape(output_shape)
