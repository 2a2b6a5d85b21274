"""What a person calls of our models, with the defaults, as programs to time."""

from collections.abc import Callable

import keras
import tensorflow as tf

from benchmarks.interleave import timed


def programs(model, x, batch: int, optimizer: keras.optimizers.Optimizer) -> dict[str, Callable[[], float]]:
    """The step of `fit`, metrics and all; `log_prob`, and `sample`, NumPy in and out. Each of `batch` examples.

    Args:
      x: examples for `adapt`, of which the first `batch` are trained on and scored.
    """
    model.adapt(x)
    model.compile(optimizer=optimizer)
    model.make_train_function()
    examples = x[:batch]
    batches = iter(tf.data.Dataset.from_tensors(tf.constant(examples)).repeat())
    return {
        "train": timed(lambda: model.train_function(batches)),
        "log_prob": timed(lambda: model.log_prob(examples, batch_size=batch)),
        "sample": timed(lambda: model.sample(batch)),
    }
