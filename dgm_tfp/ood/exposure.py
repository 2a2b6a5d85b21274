"""Outlier exposure (Hendrycks et al., 2019, section 4.4): the likelihood is taught to be low on other data.

The loss of a batch of training images and one of auxiliary images, paired at random, D their dimensions:

    -log p(inside) + weight D max(0, margin - (log p(inside) - log p(outside)) / D)    [nats]

The hinge is zero where each pair differs by the margin: the likelihood of the auxiliary images is not driven to zero.
The auxiliary images are neither training nor test images; that the lesson holds for data never seen is the claim.
"""

import threading
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from dgm_tfp import bits, training
from dgm_tfp.errors import InputError
from dgm_tfp.models import Likelihood

MEASURED = 1000  # training images whose bits per dimension are told


class Exposure(NamedTuple):
    """What it cost: bits per dimension of the training images before and after, and the training."""

    bits_before: float
    bits_after: float
    steps: int
    seconds: float


class OutlierExposure(keras.Model):
    """Trains a model on pairs of batches (inside, outside) with the loss above.

    `fit` takes a `tf.data.Dataset` of ((inside, outside),). The weights are those of the given model.

    Args:
      model: any `models.Likelihood` that is not conditional.
      margin: in nats per dimension.
      weight: of the hinge; 0 goes on training as before.
    """

    progress_metric = "bits_per_dim"

    def __init__(self, model: Likelihood, margin: float = 1.0, weight: float = 1.0, **kwargs):
        super().__init__(dtype=model.variable_dtype, **kwargs)  # else Keras would cast real vectors to its own type
        self.model, self.margin, self.weight = model, margin, weight
        self.trackers = {name: keras.metrics.Mean(name=name) for name in ("bits_per_dim", "outside_bits_per_dim")}
        self.build()

    def build(self, input_shape=None):
        """Nothing to do: the weights are there."""
        self.built = True

    def call(self, x, training=False):
        """log p of both batches in nats, each (n,)."""
        # One pass over both: a model that normalised by the batch would tell two passes apart by that alone.
        sizes = [tf.shape(part)[0] for part in x]
        return tf.split(self.model(tf.concat(x, axis=0), training=training), sizes, num=len(sizes))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        inside, outside = y_pred
        size = self.model.event_size
        hinge = tf.nn.relu(self.margin - (inside - outside) / size)
        return tf.reduce_mean(-inside + self.weight * size * hinge)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        for tracker, log_prob in zip(self.trackers.values(), y_pred, strict=True):
            tracker.update_state(bits.bits_per_dim(log_prob, self.model.event_size))
        return self.get_metrics_result()


def expose(
    model: Likelihood,
    train: np.ndarray,
    auxiliary: np.ndarray,
    *,
    margin: float = 1.0,
    weight: float = 1.0,
    steps: int | None = 300,
    seconds: float | None = None,
    batch_size: int = 32,
    peak: float = 3e-3,
    seed: int = 0,
    progress: bool = False,
    stop: threading.Event | None = None,
) -> Exposure:
    """Fine-tunes `model`, in place, on training and auxiliary images. Afterwards `likelihood` is the score.

    The price is a worse likelihood of the training images; the result says how much worse. To keep the model as it was,
    expose a copy: `type(model).from_config(model.get_config())` with `set_weights(model.get_weights())`.

    Args:
      model: see `OutlierExposure`; trained before, or not.
      train: what it models, (n, *event_shape).
      auxiliary: other images of the same shape, from neither side of the test.
      margin, weight: see `OutlierExposure`.
      steps: of training; None with `seconds`.
      seconds: to train, instead of `steps`.
      batch_size: of each of the two batches in a step.
      peak: the highest learning rate.
      seed: of the order of the images. The same seed and steps give the same weights.
      progress: show a bar.
      stop: an event that ends it early; the model stays as it is then.

    Raises:
      InputError: images of another shape, too few of them, or a training that diverged.
    """
    for name, images in (("train", train), ("auxiliary", auxiliary)):
        if tuple(images.shape[1:]) != model.event_shape or len(images) < batch_size:
            raise InputError(
                f"{name} has the shape {images.shape}; expected {batch_size} or more examples of {model.event_shape}."
            )
    sample = train[:MEASURED]
    before = float(model.bits_per_dim(sample).mean())
    schedule = training.WarmUpCosine(peak)
    budget = training.Budget(seconds, schedule, progress, stop, updates=None if seconds else steps)
    exposure = OutlierExposure(model, margin, weight)
    exposure.compile(optimizer=training.adam(schedule))
    pairs = (training.batches(images, batch_size, seed + i) for i, images in enumerate((train, auxiliary)))
    training.fit(exposure, tf.data.Dataset.zip(*pairs).map(lambda *pair: (pair,)), budget)
    return Exposure(before, float(model.bits_per_dim(sample).mean()), budget.step, budget.elapsed)
