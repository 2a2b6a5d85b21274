"""PixelCNN: how soon it learns MNIST, and what drawing from it costs: `python -m benchmarks.pixelcnn [MINUTES]`.

A part of `make bench`. Trains on the full set for 20 minutes, then draws from what it has learned. Writes
pixelcnn.json, pixelcnn.md and pixelcnn.png beside this file. Needs a prepared MNIST, or a network.
"""

import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from benchmarks import pixelcnn_page, tfp_pixelcnn
from benchmarks.interleave import rounds, timed
from benchmarks.table import row
from dgm_tfp import commands, data, models, training

FOLDER = Path(__file__).parent
SHAPE, OPTIONS = (28, 28, 1), {"filters": 32, "blocks": 5, "head": 64}
MINUTES, BATCH, PEAK, BAR = 20.0, 8, 4e-3, 1.0  # bits/dim, of the test set
POINTS, SUBSET = 20, 500  # of the curve, and how many test images each is the mean of
IMAGES, SEED, COMPONENTS = 16, 1, 5
SLOW_ROUNDS, ROUNDS = 2, 10
PEER_BAR, GROWTH_BAR = 1 / 20, 1.3
SIZES = (14, 28, 56)


class Curve(keras.callbacks.Callback):
    """Bits per dimension of some test images, as the training goes on; its time is a part of the training's."""

    def __init__(self, budget: training.Budget, test: np.ndarray):
        super().__init__()
        self.budget, self.test, self.points = budget, test, []

    def on_train_batch_end(self, batch, logs=None):
        if self.budget.spent >= (len(self.points) + 1) / POINTS:
            minutes = round(self.budget.elapsed / 60, 2)
            bits = round(float(self.model.bits_per_dim(self.test).mean()), 4)
            self.points.append({"minutes": minutes, "updates": self.budget.step, "bits_per_dim": bits})


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES
    model, learning = learn(minutes)
    growth, per_pixel = by_size(model)
    results = {
        "learning": learning,
        "identical": identical(model),
        "rows": [*peer_rows(model), growth],
        "per_pixel_us": per_pixel,
        "versions": commands.versions(),
        "device": f"{platform.machine()}, {commands.device()}",
    }
    (FOLDER / "pixelcnn.json").write_text(json.dumps(results, indent=2) + "\n")
    (FOLDER / "pixelcnn.md").write_text(pixelcnn_page.page(results))
    pixelcnn_page.plot(results, model.sample(40, seed=SEED), FOLDER / "pixelcnn.png")
    print(pixelcnn_page.page(results))


def learn(minutes: float) -> tuple[models.PixelCNN, dict]:
    """A PixelCNN trained on MNIST for some minutes on the clock, tracing included, and how it went."""
    train, test = (data.load("mnist", split, source="tfds").images for split in ("train", "test"))
    model, schedule = models.PixelCNN(SHAPE, **OPTIONS), training.WarmUpCosine(PEAK)
    model.compile(optimizer=training.adam(schedule))
    budget = training.Budget(60 * minutes, schedule)
    curve = Curve(budget, test[:SUBSET])
    cpu = time.process_time()
    training.fit(model, training.batches(train, BATCH, seed=0), budget, curve)
    cpu = time.process_time() - cpu
    bits = model.bits_per_dim(test)
    return model, {
        "minutes": round(budget.elapsed / 60, 1),
        "cpu_minutes": round(cpu / 60, 1),
        "updates": budget.step,
        "examples": budget.step * BATCH,
        "weights": model.count_params(),
        "bits_per_dim": round(float(bits.mean()), 4),
        "standard_error": round(float(bits.std() / np.sqrt(len(bits))), 4),
        "test_images": len(test),
        "bar": BAR,
        "met": bool(bits.mean() < BAR),
        "curve": curve.points,
        "subset": SUBSET,
    }


def identical(model: models.PixelCNN) -> dict[str, float]:
    """Of the images of cached sampling, the part that a loop of whole passes draws too, the same to the last pixel."""
    double = models.PixelCNN(SHAPE, **OPTIONS, dtype="float64")
    double.set_weights(model.get_weights())
    result = {}
    for one in (model, double):
        cached, by_passes = (one.sample(IMAGES, seed=SEED, cached=cached) for cached in (True, False))
        result[one.variable_dtype] = float((cached == by_passes).all(axis=(1, 2, 3)).mean())
    return result


def peer_rows(model: models.PixelCNN) -> list[dict]:
    """Against tfd.PixelCNN of the same widths and law, and against a pass of our own network for each pixel."""
    mixture = models.PixelCNN(SHAPE, **OPTIONS, law="mixture", components=COMPONENTS)
    theirs, weights = tfp_pixelcnn.sampler(SHAPE, OPTIONS["filters"], OPTIONS["blocks"], COMPONENTS)
    programs = {
        "mixture": timed(lambda: mixture.sample(IMAGES, seed=SEED)),
        "tfd.PixelCNN": timed(lambda: theirs(IMAGES)),
        "ours": timed(lambda: model.sample(IMAGES, seed=SEED)),
        "passes": timed(lambda: model.sample(IMAGES, seed=SEED, cached=False)),
    }
    times = rounds(programs, SLOW_ROUNDS, warmup=1, title="sampling, against others")
    name = f"{IMAGES} images of {SHAPE[0]}x{SHAPE[1]}"
    note = f"{mixture.count_params():,} weights against {weights:,}"
    return [
        row(f"{name}, mixture", times["mixture"], "tfd.PixelCNN in tf.function", times["tfd.PixelCNN"], PEER_BAR, note),
        row(f"{name}, categorical", times["ours"], "a pass of the network a pixel", times["passes"], PEER_BAR),
    ]


def by_size(model: models.PixelCNN) -> tuple[dict, dict[str, float]]:
    """The cost of a pixel of a large image against that of a small one; microseconds for a pixel at every size."""
    programs = {}
    for size in SIZES:
        other = models.PixelCNN((size, size, 1), **OPTIONS)
        other.set_weights(model.get_weights())
        programs[size] = timed(lambda other=other: other.sample(IMAGES, seed=SEED))
    times = rounds(programs, ROUNDS, title="sampling, by size")
    pixel = {size: [ms / size**2 for ms in values] for size, values in times.items()}
    small, large = SIZES[0], SIZES[-1]
    name = f"a pixel of {IMAGES} images of {large}x{large}"
    result = row(name, pixel[large], f"a pixel of {small}x{small}", pixel[small], GROWTH_BAR)
    for key, size in (("ours_ms", large), ("peer_ms", small)):
        result[key] = round(statistics.median(pixel[size]), 3)
    return result, {f"{size}x{size}": round(1000 * statistics.median(ms), 1) for size, ms in pixel.items()}


if __name__ == "__main__":
    main()
