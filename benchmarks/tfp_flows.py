"""TFP's own MAF and Real-NVP with tf_keras networks, trained as its documentation does."""

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from benchmarks.interleave import timed

tfb, tfd = tfp.bijectors, tfp.distributions


def maf(dims, steps, hidden):
    layers, networks = [], []
    for i in range(steps):
        network = tfb.AutoregressiveNetwork(
            params=2,
            event_shape=[dims],
            hidden_units=list(hidden),
            activation="relu",
            input_order="left-to-right" if i % 2 == 0 else "right-to-left",
        )
        network.build((None, dims))
        networks.append(network)
        layers.append(tfb.MaskedAutoregressiveFlow(network))
    return layers, networks


def real_nvp(dims, steps, hidden):
    layers, networks = [], []
    for i in range(steps):
        passed = dims // 2 if i % 2 == 0 else dims - dims // 2
        network = tf_keras.Sequential(
            [
                tf_keras.Input((passed,)),
                *[tf_keras.layers.Dense(width, "relu") for width in hidden],
                tf_keras.layers.Dense(2 * (dims - passed)),
            ]
        )

        def shift_and_log_scale(x, output_units, network=network):
            return tf.split(network(x), 2, axis=-1)

        networks.append(network)
        # A negative number masks from the end: the other half is passed on.
        layers.append(tfb.RealNVP(passed if i % 2 == 0 else -passed, shift_and_log_scale_fn=shift_and_log_scale))
    return layers, networks


class Peer:
    """A flow of TFP's with compiled functions.

    Args:
      make: `maf` or `real_nvp`.
      x: the examples (batch, dims).
      xla: compile with XLA.
    """

    def __init__(self, make, dims, steps, hidden, x, xla: bool):
        layers, networks = make(dims, steps, hidden)
        flow = tfd.TransformedDistribution(tfd.MultivariateNormalDiag(tf.zeros(dims)), tfb.Chain(layers))
        weights = [weight for network in networks for weight in network.trainable_variables]
        optimizer = tf_keras.optimizers.Adam(1e-4)
        optimizer.build(weights)
        self.x, self.flow = tf.constant(x), flow
        self.parameters = sum(int(tf.size(weight)) for weight in weights)

        def step(x):
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(flow.log_prob(x))
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return loss

        compiled = xla or None
        train = tf.function(step, autograph=False, jit_compile=compiled)
        log_prob = tf.function(flow.log_prob, autograph=False, jit_compile=compiled)
        sample = tf.function(lambda: flow.sample(len(x)), autograph=False, jit_compile=compiled)
        self.programs = {
            "train": timed(lambda: train(self.x)),
            "log_prob": timed(lambda: log_prob(self.x)),
            "sample": timed(sample),
        }

    def about(self, examples: int = 8) -> dict:
        """That this is the model it should be; see `peers_torch.about`."""
        x = self.x[:examples]
        log_prob, drawn = self.flow.log_prob(x), self.flow.sample(examples)
        bijector = self.flow.bijector
        error = float(tf.reduce_max(tf.abs(bijector.forward(tf.identity(bijector.inverse(x))) - x)))
        if not (
            tf.reduce_all(tf.math.is_finite(log_prob)) and tf.reduce_all(tf.math.is_finite(drawn)) and error < 1e-2
        ):
            raise ValueError(f"log_prob {log_prob}; data to noise and back moved an example by {error}")
        return {
            "parameters": self.parameters,
            "inverse_error": error,
            "log_prob": float(tf.reduce_mean(log_prob)),
        }
