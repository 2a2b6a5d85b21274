"""Peer (b): `tfb.Glow` with tf_keras networks of the same widths, trained as its documentation does."""

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

tfb, tfd = tfp.bijectors, tfp.distributions


def training_step(shape, levels, steps, filters):
    """A compiled step on bytes. The exits carry no network, so that it has the arithmetic of ours and no more."""

    def coupling(input_shape):
        return tfb.GlowDefaultNetwork(input_shape, num_hidden=filters)

    def exit_without_network(input_shape, output_chan):
        return lambda x: tf.zeros_like(x[..., :output_chan])

    glow = tfb.Glow(
        output_shape=shape,
        num_glow_blocks=levels,
        num_steps_per_block=steps,
        coupling_bijector_fn=coupling,
        exit_bijector_fn=exit_without_network,
    )
    size = shape[0] * shape[1] * shape[2]
    distribution = tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), [size]), glow)
    optimizer = tf_keras.optimizers.Adam(1e-3, global_clipnorm=100.0)
    optimizer.build(glow.trainable_variables)

    @tf.function(autograph=False)
    def train(images):
        x = (tf.cast(images, tf.float32) + tf.random.uniform(tf.shape(images))) / 256 - 0.5
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(distribution.log_prob(x))
        gradients = tape.gradient(loss, glow.trainable_variables)
        optimizer.apply_gradients(zip(gradients, glow.trainable_variables, strict=True))
        return loss

    return train
