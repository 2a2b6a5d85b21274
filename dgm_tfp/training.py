"""Training under a budget of minutes: the optimizer, its schedule, and a callback with a bar and a clean stop."""

import math
import sys
import threading
import time
from typing import Any

import keras
import tensorflow as tf
from tqdm.auto import tqdm


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


def adam(schedule: WarmUpCosine | float | None = None, clipnorm: float = 100.0) -> keras.optimizers.Adam:
    """Adam for log-likelihoods in nats per image: warm-up, a clipped gradient and a short memory.

    One odd batch of an image flow can have a gradient a thousand times the usual one. Clipping its norm bounds the
    step, and a second moment over about 100 steps (beta_2 = 0.99) forgets it soon.

    Args:
      schedule: the learning rate; `WarmUpCosine()` by default.
      clipnorm: the greatest norm of the gradient of all weights together.
    """
    return keras.optimizers.Adam(schedule or WarmUpCosine(), beta_2=0.99, global_clipnorm=clipnorm)


class Budget(keras.callbacks.Callback):
    """Ends `fit` after a time. The bar shows seconds, steps and bits per dimension.

    Args:
      seconds: how long to train, the tracing of the first step included.
      schedule: is told the part of the time that is spent.
      progress: show the bar.
      stop: an event that ends the training early, set by a signal handler or another thread.
    """

    def __init__(
        self,
        seconds: float,
        schedule: WarmUpCosine | None = None,
        progress: bool = True,
        stop: threading.Event | None = None,
    ):
        super().__init__()
        self.seconds, self.schedule, self.progress = seconds, schedule, progress
        self.stop = stop or threading.Event()
        self.step, self.elapsed, self.loss = 0, 0.0, math.nan

    def on_train_begin(self, logs=None):
        self.started = time.monotonic()
        self.bar = tqdm(
            total=round(self.seconds),
            unit="s",
            disable=not self.progress,
            mininterval=0.2 if sys.stderr.isatty() else 10,  # a log file wants fewer lines
            bar_format="training {percentage:3.0f}%|{bar}| {n:.0f}/{total} s{postfix}",
        )

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        self.loss = logs["loss"]
        before, self.elapsed = self.elapsed, time.monotonic() - self.started
        if self.schedule:
            self.schedule.spent.assign(min(1.0, self.elapsed / self.seconds))
        self.bar.set_postfix_str(f"step {self.step}, {logs['bits_per_dim']:.3f} bits/dim", refresh=False)
        self.bar.update(min(self.elapsed, self.seconds) - min(before, self.seconds))
        # Keras looks at stop_training after each batch.
        if self.elapsed >= self.seconds or self.stop.is_set() or not math.isfinite(self.loss):
            self.model.stop_training = True
        elif self.step % 50 == 0:
            self.model.reset_metrics()  # so that the bar shows the last steps, not the mean since the start

    def on_train_end(self, logs=None):
        self.bar.close()
