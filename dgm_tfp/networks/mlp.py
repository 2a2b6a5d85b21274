"""The conditioner of a vector coupling."""

from collections.abc import Callable, Sequence

import keras


def mlp(
    inputs: int,
    outputs: int,
    hidden: Sequence[int],
    activation: str | Callable = "relu",
    seed: int = 0,
    dtype=None,
    name: str = "mlp",
    last: str | keras.initializers.Initializer = "zeros",
) -> keras.Sequential:
    """Dense layers with an activation between them.

    The last one starts at zero, so that a coupling starts as the identity, unless told otherwise.

    Args:
      inputs, outputs: sizes of a vector before and after.
      hidden: widths of the hidden layers.
      activation: of the hidden layers.
      seed: of the weights.
      dtype: a Keras dtype policy, for instance "mixed_bfloat16".
      last: initializer of the last layer's kernel.

    Returns:
      A built `keras.Sequential`: its weights exist before any data.
    """
    layers = [
        keras.layers.Dense(
            width, activation, kernel_initializer=keras.initializers.HeNormal(seed=seed + i), dtype=dtype
        )
        for i, width in enumerate(hidden)
    ]
    top = keras.layers.Dense(outputs, kernel_initializer=last, dtype=dtype)
    network = keras.Sequential([keras.Input((inputs,), dtype=top.variable_dtype), *layers, top], name=name)
    network.dtype_policy = top.variable_dtype  # else a Sequential rounds float64 to the global policy's float32
    return network
