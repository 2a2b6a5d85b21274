"""Training under a budget of minutes or steps: the optimizer, its schedule, a callback with a bar and a clean stop."""

import math
import sys
import threading
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from dgm_tfp.errors import InputError

RECENT_STEPS = 50  # that the shown and recorded loss is the mean of


@keras.saving.register_keras_serializable(package="dgm_tfp")
class WarmUpCosine(keras.optimizers.schedules.LearningRateSchedule):
    """peak min(1, (step + 1) / warmup) (floor + (1 - floor) (1 + cos(pi spent)) / 2).

    A linear rise over the first steps, so that no run starts with NaN, and a cosine fall with `spent`, the part of the
    training that is over. `spent` is a variable in [0, 1] that somebody sets, `Budget` by the clock; it starts at 0.

    Args:
      peak: the highest learning rate.
      warmup: steps of the rise.
      floor: the last learning rate as a fraction of the peak.
    """

    def __init__(self, peak: float = 5e-3, warmup: int = 50, floor: float = 0.02):
        self.peak, self.warmup, self.floor = peak, warmup, floor
        self.spent = tf.Variable(0.0, trainable=False, name="spent")

    def __call__(self, step):
        rise = tf.minimum(1.0, (tf.cast(step, tf.float32) + 1) / self.warmup)
        return self.peak * rise * (self.floor + (1 - self.floor) * (1 + tf.cos(math.pi * self.spent)) / 2)

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "warmup": self.warmup, "floor": self.floor}


def adam(
    schedule: WarmUpCosine | float | None = None, clipnorm: float = 100.0, weight_decay: float | None = None
) -> keras.optimizers.Adam:
    """Adam for log-likelihoods in nats per image: warm-up, a clipped gradient and a short memory.

    One odd batch of an image flow can have a gradient a thousand times the usual one. Clipping its norm bounds the
    step, and a second moment over about 100 steps (beta_2 = 0.99) forgets it soon.

    Args:
      schedule: the learning rate; `WarmUpCosine()` by default.
      clipnorm: the greatest norm of the gradient of all weights together.
      weight_decay: of all weights, apart from the gradient (AdamW): against overfitting, where data are few.
    """
    return keras.optimizers.Adam(
        schedule or WarmUpCosine(), beta_2=0.99, global_clipnorm=clipnorm, weight_decay=weight_decay
    )


class Budget(keras.callbacks.Callback):
    """Ends `fit` after a time, or after a number of steps. The bar shows how far it is, and the model's metric.

    Args:
      seconds: how long to train, the tracing of the first step included.
      schedule: is told the part of the training that is over.
      progress: show the bar.
      stop: an event that ends the training early, set by a signal handler or another thread.
      updates: the number of steps to end after, instead of `seconds`.
      step, elapsed: where an earlier run left off, in steps and seconds.
    """

    def __init__(
        self,
        seconds: float | None = None,
        schedule: WarmUpCosine | None = None,
        progress: bool = True,
        stop: threading.Event | None = None,
        updates: int | None = None,
        step: int = 0,
        elapsed: float = 0.0,
    ):
        super().__init__()
        if (seconds is None) == (updates is None):
            raise InputError("Budget takes seconds or updates, one of the two.")
        self.seconds, self.updates, self.schedule, self.progress = seconds, updates, schedule, progress
        self.stop = stop or threading.Event()
        self.step, self.elapsed, self.loss = step, elapsed, math.nan

    @property
    def spent(self) -> float:
        """The part of the training that is over, from 0 to 1."""
        spent = self.step / self.updates if self.updates else self.elapsed / (self.seconds or math.inf)
        return min(1.0, spent)

    def on_train_begin(self, logs=None):
        self.started = time.monotonic() - self.elapsed
        if self.schedule:
            self.schedule.spent.assign(self.spent)
        unit = "steps" if self.updates else "s"
        total = self.updates or max(1, round(self.seconds or 0))
        self.bar = tqdm(
            total=total,
            initial=self.spent * total,
            unit=unit,
            disable=not self.progress,
            mininterval=0.2 if sys.stderr.isatty() else 10,  # a log file wants fewer lines
            bar_format=f"training {{percentage:3.0f}}%|{{bar}}| {{n:.0f}}/{{total}} {unit}{{postfix}}",
        )

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        self.loss = logs["loss"]
        self.elapsed = time.monotonic() - self.started
        if self.schedule:
            self.schedule.spent.assign(self.spent)
        metric = getattr(self.model, "progress_metric", "loss")  # any Keras model may be trained
        words = f"step {self.step}, {logs[metric]:.3f} {metric.replace('_per_', '/')}"
        self.bar.set_postfix_str(words, refresh=False)
        self.bar.n = self.spent * self.bar.total  # set, not added up: a sum that rounds above the total is a warning
        self.bar.update(0)
        # Keras looks at stop_training after each batch.
        if self.spent >= 1 or self.stop.is_set() or not math.isfinite(self.loss):
            self.model.stop_training = True
        elif self.step % RECENT_STEPS == 0:
            self.model.reset_metrics()  # so that the bar shows the last steps, not the mean since the start

    def on_train_end(self, logs=None):
        self.bar.close()


def batches(examples: np.ndarray, batch_size: int, seed: int, start: int = 0) -> tf.data.Dataset:
    """Shuffled batches without end, each epoch in another order, from batch number `start` on.

    The order is a function of the seed and the position, with no state: a run that goes on at step k sees the batches
    that it would have seen.
    """
    count = len(examples)
    with tf.device("CPU"):  # where the input pipeline runs
        held = tf.constant(examples)

    def order(epoch: tf.Tensor) -> tf.Tensor:
        return tf.random.experimental.stateless_shuffle(tf.range(count), [seed, epoch])

    # Autotuning is off: there is nothing to tune, and its thread can hold up the exit for 40 seconds.
    options = tf.data.Options()
    options.autotune.enabled = False
    first_epoch, seen = divmod(start * batch_size, count)
    indices = tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max).map(order).unbatch().skip(seen)
    examples_of = indices.batch(batch_size, drop_remainder=True).map(lambda index: tf.gather(held, index))
    return examples_of.prefetch(2).with_options(options)


def fit(model: keras.Model, data: tf.data.Dataset, budget: Budget, *callbacks: keras.callbacks.Callback) -> None:
    """`model.fit` on batches without end, until the budget is spent.

    Raises:
      InputError: the loss became infinite or NaN.
    """
    model.fit(data, steps_per_epoch=10**9, shuffle=False, verbose=0, callbacks=[budget, *callbacks])
    if not math.isfinite(budget.loss):
        raise InputError(
            f"training diverged after {budget.step} steps: the loss is {budget.loss}. Try fewer steps of the flow."
        )
