"""One dense product in TensorFlow and in PyTorch: how much of a ratio is due to what the two are built on."""

import statistics

import numpy as np
import tensorflow as tf

from benchmarks.interleave import rounds, timed
from benchmarks.peers import torch_worker

SIZES = {"rows": 1024, "width": 512}
REPEATS, ROUNDS = 10, 20


def table() -> dict[str, float]:
    """Milliseconds of (1024, 512) by (512, 512), float32."""
    rng = np.random.default_rng(0)
    x, w = (tf.constant(rng.normal(size=(rows, SIZES["width"])), tf.float32) for rows in SIZES.values())

    @tf.function(autograph=False)
    def products(x, w):
        for _ in range(REPEATS):
            x = x @ w / SIZES["width"] ** 0.5  # each waits for the one before
        return x

    worker = torch_worker({"flow": "product", "sizes": {**SIZES, "repeats": REPEATS}, "batch": SIZES["rows"]}, "eager")
    try:
        times = rounds({"TensorFlow": timed(lambda: products(x, w)), "PyTorch": worker.program("product")}, ROUNDS)
    finally:
        worker.close()
    return {name: round(statistics.median(values) / REPEATS, 2) for name, values in times.items()}
