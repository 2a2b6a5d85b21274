"""The conditioner of an image coupling."""

import keras


def convnet(
    in_shape: tuple[int, int, int],
    out_channels: int,
    filters: int,
    gain: float = 1.0,
    seed: int = 0,
    dtype=None,
    name: str = "convnet",
) -> keras.Sequential:
    """3x3, 1x1, 3x3 convolutions with ReLU between them (Kingma & Dhariwal, 2018, section 4).

    The last one starts at zero, so that a coupling starts as the identity.

    Args:
      in_shape: (h, w, c) of one example.
      out_channels: channels of the result, of shape (h, w, out_channels).
      filters: channels of the two hidden layers.
      gain: a constant factor on the result.
      seed: of the weights.
      dtype: a Keras dtype policy, for instance "mixed_bfloat16".

    Returns:
      A built `keras.Sequential`: its weights exist before any data.
    """
    first, second = (keras.initializers.HeNormal(seed=seed + i) for i in range(2))
    hidden = [
        keras.layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer=first, dtype=dtype),
        # A 1x1 convolution is a dense layer at each pixel, and as a matrix product it is faster on a CPU.
        keras.layers.Dense(filters, activation="relu", kernel_initializer=second, dtype=dtype),
    ]
    last = keras.layers.Conv2D(out_channels, 3, padding="same", kernel_initializer="zeros", dtype=dtype)
    layers = [*hidden, last] if gain == 1.0 else [*hidden, last, keras.layers.Rescaling(gain, dtype=dtype)]
    network = keras.Sequential([keras.Input(in_shape, dtype=last.variable_dtype), *layers], name=name)
    network.dtype_policy = last.variable_dtype  # else a Sequential rounds float64 to the global policy's float32
    return network
