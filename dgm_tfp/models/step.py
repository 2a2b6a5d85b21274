"""What a step of flow has in common in Real-NVP, MAF and IAF."""

import keras
import tensorflow as tf

from dgm_tfp.bijectors import ActNorm, Chain, OnePass


class Step(keras.layers.Layer):
    """One step of flow, data to noise: ActNorm, where there is one, then the bijector that a subclass gives.

    A subclass makes its weights in its constructor, and sets `actnorm` and `built` there.
    """

    actnorm: ActNorm | None

    def transform(self, conditioning: tf.Tensor | None) -> OnePass:
        """The step without ActNorm, from the current weights, for a batch of conditioning vectors (n, k) or None."""
        raise NotImplementedError

    def bijector(self, conditioning: tf.Tensor | None = None) -> OnePass:
        transform = self.transform(conditioning)
        return Chain([self.actnorm.bijector, transform], name="step") if self.actnorm else transform

    def adapt(self, y: tf.Tensor, conditioning: tf.Tensor | None = None) -> tf.Tensor:
        """Sets ActNorm from `y`, on the data side of this step; returns its noise side."""
        if self.actnorm:
            self.actnorm.adapt(y)
        return self.bijector(conditioning).inverse(y)
