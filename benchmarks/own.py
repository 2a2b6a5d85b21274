"""What a person calls of our models, as programs to time."""

from collections.abc import Callable

import keras
import tensorflow as tf

from benchmarks.interleave import timed


def programs(
    model, x, batch: int, optimizer: keras.optimizers.Optimizer, xla: bool = False
) -> dict[str, Callable[[], float]]:
    """The step of `fit`, metrics and all; `log_prob`, and `sample`, NumPy in and out. Each of `batch` examples.

    Args:
      x: examples for `adapt`, of which the first `batch` are trained on and scored.
      xla: with `compile(jit_compile=True)`, which `predict_on_batch` follows, and `sample` does not.
    """
    model.adapt(x)
    model.compile(optimizer=optimizer, jit_compile=xla or "auto")
    model.make_train_function()
    examples = x[:batch]
    batches = iter(tf.data.Dataset.from_tensors(tf.constant(examples)).repeat())
    train = timed(lambda: model.train_function(batches))
    if xla:
        return {"train": train, "log_prob": timed(lambda: model.predict_on_batch(examples))}
    return {
        "train": train,
        "log_prob": timed(lambda: model.log_prob(examples, batch_size=batch)),
        "sample": timed(lambda: model.sample(batch)),
    }
