"""The peer: `tfd.PixelCNN`, on tf_keras, of the same widths."""

import tensorflow as tf
from tensorflow_probability import distributions as tfd


def sampler(shape, filters: int, blocks: int, components: int):
    """A compiled function of n that draws n images, and the number of its weights.

    One hierarchy, so that no block halves the image: after the first layer `num_resnet` blocks down and as many up.
    Each has two convolutions in each stack where a block of van den Oord et al. has one.
    """
    distribution = tfd.PixelCNN(
        image_shape=shape,
        num_resnet=(blocks - 1) // 2,
        num_hierarchies=1,
        num_filters=filters,
        num_logistic_mix=components,
        dropout_p=0.0,
        use_weight_norm=False,
    )
    weights = sum(int(tf.size(weight)) for weight in distribution.network.trainable_weights)

    @tf.function(autograph=False, reduce_retracing=True)
    def sample(n):
        return distribution.sample(n, seed=1)

    return lambda n: sample(tf.constant(n)), weights
