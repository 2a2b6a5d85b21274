"""The classifier of the study, a small convolutional network, and its training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from dgm_tfp import training

if TYPE_CHECKING:
    from dgm_tfp.study.jobs import Job
    from dgm_tfp.study.lab import Lab


def network(shape: tuple[int, ...], classes: int, filters: int, seed: int) -> keras.Model:
    """A small convolutional network: bytes (n, h, w, c) to probabilities (n, classes)."""
    start = keras.initializers.HeNormal
    return keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(
                filters, 3, strides=2, padding="same", activation="relu", kernel_initializer=start(seed)
            ),
            keras.layers.Conv2D(
                2 * filters, 3, strides=2, padding="same", activation="relu", kernel_initializer=start(seed + 1)
            ),
            keras.layers.Flatten(),
            keras.layers.Dense(classes, activation="softmax", kernel_initializer=start(seed + 2)),
        ]
    )


def recipe(lab: Lab, job: Job) -> tuple[keras.Model, dict]:
    """Trains the classifier; see `jobs.RECIPES`."""
    x, y = (part(job.data, "train") for part in (lab.shelf.images, lab.shelf.labels))
    model = network(x.shape[1:], int(y.max()) + 1, lab.profile.filters // 2, job.seed)
    model.compile(loss="sparse_categorical_crossentropy")
    order = training.batches(np.arange(len(x)), lab.profile.batch_size, job.seed)
    batches = order.map(lambda i: (keras.ops.take(x, i, axis=0), keras.ops.take(y, i, axis=0)))
    record = lab.fit(job.key, model, batches, lab.plan.seconds[job.recipe], peak=3e-3)
    return model, record | {"images": len(x)}
