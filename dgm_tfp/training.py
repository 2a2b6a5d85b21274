"""Training under a budget of minutes: the optimizer, and a callback with a progress bar, a schedule, a clean stop."""

import math
import sys
import threading
import time

import keras
from tqdm.auto import tqdm


def adam(learning_rate: float = 5e-3, clipnorm: float = 100.0) -> keras.optimizers.Adam:
    """Adam for log-likelihoods in nats per image, with a clipped gradient and a short memory.

    One odd batch of an image flow can have a gradient a thousand times the usual one. Clipping its norm bounds the
    step, and a second moment over about 100 steps (beta_2 = 0.99) forgets it soon.
    """
    return keras.optimizers.Adam(learning_rate, beta_2=0.99, global_clipnorm=clipnorm)


class Budget(keras.callbacks.Callback):
    """Ends `fit` after a time, with a learning rate that warms up over steps and falls as a cosine of the time spent.

    The bar shows seconds, steps and bits per dimension.

    Args:
      seconds: how long to train, the tracing of the first step included.
      warmup: steps over which the learning rate rises linearly, so that no run starts with NaN.
      floor: the last learning rate as a fraction of the first.
      progress: show the bar.
      stop: an event that ends the training early, set by a signal handler or another thread.
    """

    def __init__(
        self,
        seconds: float,
        warmup: int = 50,
        floor: float = 0.02,
        progress: bool = True,
        stop: threading.Event | None = None,
    ):
        super().__init__()
        self.seconds, self.warmup, self.floor, self.progress = seconds, warmup, floor, progress
        self.stop = stop or threading.Event()
        self.step, self.elapsed = 0, 0.0

    def on_train_begin(self, logs=None):
        self.started = time.monotonic()
        self.peak = float(self.model.optimizer.learning_rate)
        self.bar = tqdm(
            total=round(self.seconds),
            unit="s",
            disable=not self.progress,
            mininterval=0.2 if sys.stderr.isatty() else 10,  # a log file wants fewer lines
            bar_format="training {percentage:3.0f}%|{bar}| {n:.0f}/{total} s{postfix}",
        )
        self._set_learning_rate()

    def on_train_batch_begin(self, batch, logs=None):
        self._set_learning_rate()

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        elapsed = time.monotonic() - self.started
        self.bar.update(min(elapsed, self.seconds) - min(self.elapsed, self.seconds))
        self.bar.set_postfix_str(f"step {self.step}, {logs['bits_per_dim']:.3f} bits/dim", refresh=False)
        self.elapsed = elapsed
        # Keras looks at stop_training after each batch.
        if elapsed >= self.seconds or self.stop.is_set() or not math.isfinite(logs["loss"]):
            self.model.stop_training = True
        elif self.step % 50 == 0:
            self.model.reset_metrics()  # so that the bar shows the last steps, not the mean since the start

    def on_train_end(self, logs=None):
        self.bar.close()
        self.model.optimizer.learning_rate = self.peak

    def _set_learning_rate(self):
        warm = min(1.0, (self.step + 1) / self.warmup)
        spent = min(1.0, self.elapsed / self.seconds)
        cosine = self.floor + (1 - self.floor) * (1 + math.cos(math.pi * spent)) / 2
        self.model.optimizer.learning_rate = self.peak * warm * cosine
