"""Glow against the same arithmetic in plain TensorFlow, tfb.Glow, normflows, and its own convolutions alone."""

import time

import keras
import numpy as np
import tensorflow as tf

from benchmarks import plain, tfp_glow
from benchmarks.interleave import rounds, timed
from benchmarks.own import programs
from benchmarks.peers import Peers
from benchmarks.table import against_the_fastest, row
from dgm_tfp import data, models, training

SIZES = {"shape": (28, 28, 1), "levels": 2, "steps": 4, "filters": 64}
TITLE = "Glow 28x28x1, levels 2, steps 4, filters 64, batch 64"
BATCH, ROUNDS = 64, 40
LIBRARIES = {"normflows": ("eager", "fused Adam", "channels_last", "torch.compile")}
BARS = {"train": 0.75, "log_prob": 0.9, "sample": 0.9}
CONVOLUTIONS_RATE = 0.6  # of the arithmetic rate of the convolutions alone, that training should reach


def images() -> np.ndarray:
    return data.load("fashion_mnist", "train", source="embedded", verbose=False).images


def plain_rows() -> list[dict]:
    """One training step of the default Glow, with clipping, against plain TensorFlow and tfb.Glow."""
    model, x = models.Glow(*SIZES.values()), images()
    step = programs(model, x, BATCH, training.adam())["train"]
    batch = tf.constant(x[:BATCH])
    plain_step = plain.training_step(**SIZES, optimizer=training.adam())
    tfp_step = tfp_glow.training_step(**SIZES)
    times = rounds(
        {"ours": step, "plain": timed(lambda: plain_step(batch)), "tfb.Glow": timed(lambda: tfp_step(batch))},
        ROUNDS,
        title="Glow, plain and tfb.Glow",
    )
    name = f"{TITLE}: train"
    return [
        row(name, times["ours"], "the same arithmetic in plain TensorFlow ops", times["plain"], 1.15),
        row(name, times["ours"], "tfb.Glow with tf_keras networks", times["tfb.Glow"], 0.55),
    ]


def peer_rows() -> tuple[list[dict], dict]:
    """Against normflows' Glow of the same widths: the rows, and an account of it."""
    model, x = models.Glow(*SIZES.values()), images()
    own = programs(model, x, BATCH, keras.optimizers.Adam(1e-4))
    with Peers("glow", SIZES, x[:BATCH], _trainable(model), LIBRARIES) as peers:
        rows = []
        for action, bar in BARS.items():
            times = rounds({"ours": own[action], **peers.best(action)}, ROUNDS, title=f"Glow {action}")
            rows.append(against_the_fastest(f"{TITLE}: {action}", times, bar))
        return rows, peers.account


def _trainable(model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)


def convolutions_row() -> dict:
    """A training step against the three convolutions of every coupling, forward and both gradients, and nothing else.

    Both do the multiplications of the convolutions; the step does everything else besides, which is not counted. So the
    ratio of the rates, in floating-point operations a second, is the ratio of the times the other way round.
    """
    model, x = models.Glow(*SIZES.values()), images()
    step = programs(model, x, BATCH, keras.optimizers.Adam(1e-4))["train"]
    alone, operations = convolutions(model)
    times = rounds({"ours": step, "convolutions": timed(alone)}, ROUNDS, title="Glow, its convolutions alone")
    result = row(
        f"{TITLE}: train",
        times["ours"],
        "its own convolutions alone",
        times["convolutions"],
        round(1 / CONVOLUTIONS_RATE, 3),
    )
    training_rate, rate_alone = (operations / 1e6 / result[ms] for ms in ("ours_ms", "peer_ms"))
    result["note"] = (
        f"{operations / 1e9:.2f} Gflop in the convolutions of a step, 2 for each multiplication and addition; "
        f"{training_rate:.0f} Gflop/s in training, {rate_alone:.0f} alone, {1 / result['ratio']:.0%} of that rate, "
        f"where {CONVOLUTIONS_RATE:.0%} is the bar"
    )
    return result


def convolutions(model):
    """The convolutions of all couplings with their gradients as one compiled function, and its operations.

    As in the model: of 1x1 a matrix product, of 3x3 `conv2d`; the gradients to the input and to the kernel, the first
    layer's input too, since in a flow the gradient goes on from there.
    """
    inputs, operations = [], 0
    for block in (block for blocks in model.scales for block in blocks):
        height, width = block.conditioner.input_shape[1:3]
        for layer in block.conditioner.layers:
            if not layer.weights:
                continue
            shape = layer.kernel.shape
            x, dy = (tf.random.normal((BATCH, height, width, channels)) for channels in shape[-2:])
            inputs.append((x, tf.random.normal(shape), dy))
            operations += 3 * 2 * BATCH * height * width * int(np.prod(shape))

    @tf.function(autograph=False)
    def run(inputs):
        results = []
        for x, kernel, dy in inputs:
            with tf.GradientTape() as tape:
                tape.watch([x, kernel])
                y = tf.nn.conv2d(x, kernel, 1, "SAME") if len(kernel.shape) == 4 else _pixelwise(x, kernel)
            results += [y, *tape.gradient(y, [x, kernel], dy)]
        return tf.add_n([tf.reshape(result, [-1])[0] for result in results])  # one number that needs them all

    return lambda: run(inputs), operations


def _pixelwise(x, kernel):
    rows = tf.reshape(x, [-1, kernel.shape[0]]) @ kernel
    return tf.reshape(rows, [-1, *x.shape[1:3], kernel.shape[1]])


def trace_row() -> dict:
    """Tracing forward, gradient and optimizer of a deep Glow: a time to wait, so the peer is a limit in seconds."""
    shape = (32, 32, 3)
    model = models.Glow(shape, levels=3, steps=8, filters=64)
    optimizer = training.adam()
    optimizer.build(model.trainable_variables)

    def step(x):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(model(x, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables))

    times = []
    for _ in range(3):
        start = time.perf_counter()
        tf.function(step, autograph=False).get_concrete_function(tf.TensorSpec((None, *shape), tf.uint8))
        times.append(1000 * (time.perf_counter() - start))
    return row("trace of a training step, Glow 32x32x3, levels 3, steps 8", times, "3 seconds", [3000.0] * 3, 1.0)
