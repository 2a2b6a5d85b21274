"""Peer (a): the same Glow in plain TensorFlow ops, no TFP, no bijectors; the least that the arithmetic costs."""

import math

import keras
import numpy as np
import tensorflow as tf


def training_step(shape, levels, steps, filters, optimizer):
    """A compiled step on bytes: dequantize, log p(x), gradient, clip, Adam. Returns the loss."""
    weights = []

    def weight(value):
        weights.append(keras.Variable(np.asarray(value, np.float32)))
        return weights[-1]

    def conv(size, inputs, outputs, scale):
        kernel = np.random.default_rng(0).normal(size=(size, size, inputs, outputs)) * scale
        return weight(kernel), weight(np.zeros(outputs))

    def step(channels):
        half = channels // 2
        rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(channels, channels)))[0]
        return (
            weight(np.zeros(channels)),
            weight(np.zeros(channels)),
            weight(rotation),
            conv(3, half, filters, math.sqrt(2 / 9 / half)),
            conv(1, filters, filters, math.sqrt(2 / filters)),
            conv(3, filters, 2 * half, 0.0),
        )

    channels = [4 * shape[2] * 2**i for i in range(levels)]
    scales = [[step(c) for _ in range(steps)] for c in channels]
    loc, log_scale = weight(np.zeros(shape)), weight(np.zeros(shape))
    optimizer.build(weights)

    def flow_step(parameters, h):
        shift, log_s, packed, *convs = parameters
        height, width, channels = h.shape[1:]
        h = (h - shift.value) * tf.exp(-log_s.value)
        diagonal = tf.linalg.diag_part(packed.value)
        lower = tf.linalg.set_diag(tf.linalg.band_part(packed.value, -1, 0), tf.ones_like(diagonal))
        upper = tf.linalg.set_diag(tf.linalg.band_part(packed.value, 0, -1), tf.exp(diagonal))
        h = tf.reshape(tf.matmul(tf.reshape(h, [-1, channels]), lower @ upper, transpose_b=True), [-1, *h.shape[1:]])
        a, b = tf.split(h, 2, axis=-1)
        out = a
        for i, (kernel, bias) in enumerate(convs):
            if i == 1:  # 1x1: a matrix product, as in ours
                rows = tf.reshape(out, [-1, filters]) @ kernel.value[0, 0]
                out = tf.reshape(rows, [-1, height, width, filters])
            else:
                out = tf.nn.conv2d(out, kernel.value, 1, "SAME")
            out = tf.nn.bias_add(out, bias.value)
            out = tf.nn.relu(out) if i < 2 else out
        t, s = tf.split(out, 2, axis=-1)
        s = tf.tanh(s)
        log_det = height * width * (tf.reduce_sum(diagonal) - tf.reduce_sum(log_s.value)) - tf.reduce_sum(s, [1, 2, 3])
        return tf.concat([a, (b - t) * tf.exp(-s)], axis=-1), log_det

    def log_prob(x):
        h, total, noise = x / 256 - 0.5, -math.log(256) * x.shape[1] * x.shape[2] * x.shape[3], []
        for scale in scales:
            h = tf.nn.space_to_depth(h, 2)
            for parameters in scale:
                h, log_det = flow_step(parameters, h)
                total += log_det
            if scale is not scales[-1]:
                z, h = tf.split(h, 2, axis=-1)
                noise.append(z)
        for z in reversed(noise):
            h = tf.concat([z, tf.nn.depth_to_space(h, 2)], axis=-1)
        z = tf.nn.depth_to_space(h, 2)
        z = (z - loc.value) * tf.exp(-log_scale.value)
        total -= tf.reduce_sum(log_scale.value)
        return total - 0.5 * tf.reduce_sum(z * z + math.log(2 * math.pi), [1, 2, 3])

    @tf.function(autograph=False)
    def train(images):
        x = tf.cast(images, tf.float32) + tf.random.uniform(tf.shape(images))
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(log_prob(x))
        optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        return loss

    return train
