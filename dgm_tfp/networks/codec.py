"""The two networks of a convolutional VAE: an image to a vector, and a vector to an image."""

import keras


def conv_encoder(
    in_shape: tuple[int, int, int], outputs: int, filters: int, levels: int, seed: int = 0, dtype=None
) -> keras.Sequential:
    """Strided convolutions that halve the image `levels` times and double the channels, then a dense layer.

    Args:
      in_shape: (h, w, c), h and w divisible by 2 ** levels (or 1).
      outputs: size of the result, a vector.
      filters: channels of the first convolution.
      levels: how many times to halve.
      seed: of the weights.
      dtype: a Keras dtype policy, for instance "mixed_bfloat16".

    Returns:
      A built `keras.Sequential`: its weights exist before any data.
    """
    layers = [
        keras.layers.Conv2D(
            filters * 2**i, 4, 2, "same", activation="relu", kernel_initializer=_he(seed + i), dtype=dtype
        )
        for i in range(levels)
    ]
    last = keras.layers.Dense(outputs, kernel_initializer=_glorot(seed + levels), dtype=dtype)
    return _network(in_shape, [*layers, keras.layers.Flatten(dtype=dtype), last], "encoder")


def conv_decoder(
    inputs: int, out_shape: tuple[int, int, int], filters: int, levels: int, seed: int = 0, dtype=None
) -> keras.Sequential:
    """A dense layer to the coarsest image, transposed convolutions that double it `levels` times, and a 3x3 one.

    Args:
      inputs: size of a vector.
      out_shape: (h, w, channels) of the result.
      filters, levels, seed, dtype: as in `conv_encoder`.
    """
    height, width, channels = out_shape
    strides = [tuple(1 if size == 1 else 2 for size in (height, width))] * levels
    small = tuple(1 if size == 1 else size // 2**levels for size in (height, width))
    widest = filters * 2 ** (levels - 1)
    layers = [
        keras.layers.Dense(small[0] * small[1] * widest, "relu", kernel_initializer=_he(seed), dtype=dtype),
        keras.layers.Reshape((*small, widest), dtype=dtype),
        *(
            keras.layers.Conv2DTranspose(
                max(filters, widest // 2 ** (i + 1)),
                4,
                stride,
                "same",
                activation="relu",
                kernel_initializer=_he(seed + 1 + i),
                dtype=dtype,
            )
            for i, stride in enumerate(strides)
        ),
    ]
    last = keras.layers.Conv2D(channels, 3, padding="same", kernel_initializer=_glorot(seed + 99), dtype=dtype)
    return _network((inputs,), [*layers, last], "decoder")


def _he(seed: int) -> keras.initializers.Initializer:
    return keras.initializers.HeNormal(seed=seed)


def _glorot(seed: int) -> keras.initializers.Initializer:
    return keras.initializers.GlorotUniform(seed=seed)


def _network(in_shape, layers, name: str) -> keras.Sequential:
    network = keras.Sequential([keras.Input(in_shape, dtype=layers[-1].variable_dtype), *layers], name=name)
    network.dtype_policy = layers[-1].variable_dtype  # else a Sequential rounds float64 to the global float32
    return network
