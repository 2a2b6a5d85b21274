"""From an image to a vector."""

import keras


def encoder(
    in_shape: tuple[int, ...], code: int, filters: int, seed: int = 0, dtype=None, name: str = "encoder"
) -> keras.Sequential:
    """Two 3x3 convolutions of stride 2 with ReLU, then a dense layer.

    Args:
      in_shape: (h, w, c) of one example.
      code: size of the result.
      filters: channels of the first convolution; the second has twice as many.
      seed: of the weights.
      dtype: a Keras dtype policy, for instance "mixed_bfloat16".

    Returns:
      A built `keras.Sequential`: its weights exist before any data.
    """
    halving = [
        keras.layers.Conv2D(
            (i + 1) * filters,
            3,
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer=keras.initializers.HeNormal(seed=seed + i),
            dtype=dtype,
        )
        for i in range(2)
    ]
    last = keras.layers.Dense(code, kernel_initializer=keras.initializers.GlorotNormal(seed=seed + 2), dtype=dtype)
    network = keras.Sequential(
        [keras.Input(in_shape, dtype=last.variable_dtype), *halving, keras.layers.Flatten(dtype=dtype), last], name=name
    )
    network.dtype_policy = last.variable_dtype  # else a Sequential rounds float64 to the global policy's float32
    return network
