"""Runs every benchmark and writes results.json and results.md beside this file.

A ratio is the median over rounds of ours / peer's, the two run one after the other in each round, so that a slow moment
of the machine slows both.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from benchmarks import plain, tfp_glow
from dgm_tfp import commands, data, models, training

FOLDER = Path(__file__).parent
SMALL = {"shape": (28, 28, 1), "levels": 2, "steps": 4, "filters": 64}
BATCH, ROUNDS = 64, 40


def main() -> None:
    rows = [*training_step(), trace()]
    results = FOLDER / "results.json"
    results.write_text(json.dumps(rows, indent=2) + "\n")
    (FOLDER / "results.md").write_text(markdown(rows))
    print(markdown(rows))


def training_step() -> list[dict]:
    """One training step of the default Glow, against plain TensorFlow and against tfb.Glow."""
    images = data.load("fashion_mnist", "train", source="embedded", verbose=False).images
    batch = tf.constant(images[:BATCH])
    model = models.Glow(SMALL["shape"], SMALL["levels"], SMALL["steps"], SMALL["filters"])
    model.adapt(images)
    model.compile(optimizer=training.adam())
    model.make_train_function()
    fit_step = model.train_function  # what `fit` runs, metrics and all
    iterator = iter(tf.data.Dataset.from_tensors(batch).repeat())
    plain_step = plain.training_step(**SMALL, optimizer=training.adam())
    tfp_step = tfp_glow.training_step(**SMALL)
    times = interleaved(
        {
            "ours": lambda: fit_step(iterator),
            "plain": lambda: plain_step(batch),
            "tfb.Glow": lambda: tfp_step(batch),
        }
    )
    name = "training step, Glow 28x28x1, levels 2, steps 4, filters 64, batch 64"
    return [
        row(name, times["ours"], "the same arithmetic in plain TensorFlow ops", times["plain"], 1.15),
        row(name, times["ours"], "tfb.Glow with tf_keras networks", times["tfb.Glow"], 0.55),
    ]


def trace() -> dict:
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


def interleaved(functions: dict[str, Callable], warmup: int = 5) -> dict[str, list[float]]:
    """Milliseconds of each function in each round; in every round each runs once, in turn."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for i in tqdm(range(warmup + ROUNDS), desc="rounds"):
        for name, function in functions.items():
            start = time.perf_counter()
            wait_for(function())
            if i >= warmup:
                times[name].append(1000 * (time.perf_counter() - start))
    return times


def wait_for(result) -> None:
    for value in keras.tree.flatten(result):
        np.asarray(value)


def row(name: str, ours: list[float], peer: str, theirs: list[float], bar: float) -> dict:
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return {
        "name": name,
        "ours_ms": round(statistics.median(ours), 1),
        "peer": peer,
        "peer_ms": round(statistics.median(theirs), 1),
        "ratio": round(ratio, 3),
        "bar": bar,
        "met": ratio <= bar,
    }


def markdown(rows: list[dict]) -> str:
    lines = [
        "# Benchmarks",
        "",
        "`make bench` writes this table and `results.json`. Times in milliseconds, medians; the ratio is the median",
        "of the ratios of each round. The bar is the ratio that we want to stay under.",
        "",
        "| what | ours, ms | peer | peer, ms | ratio | bar | met |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        met = "yes" if r["met"] else "**no**"
        lines.append(
            f"| {r['name']} | {r['ours_ms']} | {r['peer']} | {r['peer_ms']} | {r['ratio']} | {r['bar']} | {met} |"
        )
    versions = ", ".join(f"{name} {version}" for name, version in commands.versions().items())
    return "\n".join([*lines, "", f"{versions}; {platform.machine()}, {commands.device()}.", ""])


if __name__ == "__main__":
    main()
