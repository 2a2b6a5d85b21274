"""The two networks of a GAN of images, in the manner of DCGAN (Radford et al., 2016)."""

import keras

from dgm_tfp.errors import InputError

SMALLEST = 4  # pixels: the coarsest map of the paper


def halvings(shape: tuple[int, int, int]) -> int:
    """How many times the network halves an image: while it is even, and larger than 4 pixels.

    Raises:
      InputError: not once.
    """
    height, width, _ = shape
    count = 0
    while not height % 2 and not width % 2 and min(height, width) > SMALLEST:
        height, width, count = height // 2, width // 2, count + 1
    if not count:
        raise InputError(
            f"DCGAN halves the image, and {tuple(shape)} cannot be halved. Pad to even sides of 6 or more."
        )
    return count


def dcgan_generator(
    latent: int, shape: tuple[int, int, int], filters: int, seed: int = 0, dtype=None
) -> keras.Sequential:
    """Noise (latent,) to an image `shape` in (-1, 1): a dense layer, then 4x4 transposed convolutions of stride 2.

    Each doubles the sides and halves the channels, which end at `filters` before the last; batch normalisation and
    ReLU between them, tanh at the end (section 3 of the paper).

    Args:
      latent: size of the noise vector.
      shape: (h, w, c) of an image.
      filters: channels of the finest hidden layer.
      seed: of the weights.
      dtype: a Keras dtype policy.

    Returns:
      A built `keras.Sequential`.
    """
    height, width, channels = shape
    count = halvings(shape)
    start = (height >> count, width >> count, filters << count - 1)
    layers: list[keras.Layer] = [
        keras.layers.Dense(start[0] * start[1] * start[2], use_bias=False, **_he(seed, dtype)),
        keras.layers.Reshape(start, dtype=dtype),
    ]
    for i in range(count):
        last = i == count - 1
        layers += [
            keras.layers.BatchNormalization(dtype=dtype),
            keras.layers.ReLU(dtype=dtype),
            keras.layers.Conv2DTranspose(
                channels if last else filters << count - 2 - i,
                4,
                strides=2,
                padding="same",
                activation="tanh" if last else None,
                use_bias=last,  # elsewhere batch normalisation takes a bias away again
                **_he(seed + 1 + i, dtype),
            ),
        ]
    return _sequential((latent,), layers, "generator")


def dcgan_discriminator(shape: tuple[int, int, int], filters: int, seed: int = 0, dtype=None) -> keras.Sequential:
    """An image `shape` to a logit (1,): 4x4 convolutions of stride 2 with leaky ReLU, then a dense layer.

    Unlike the paper's it has no batch normalisation: the logit of an image is not to depend on the images beside it.

    Args:
      shape, filters, seed, dtype: see `dcgan_generator`; `filters` are those of the first layer, doubled by each next.

    Returns:
      A built `keras.Sequential`.
    """
    layers: list[keras.Layer] = []
    count = halvings(shape)
    for i in range(count):
        layers += [
            keras.layers.Conv2D(filters << i, 4, strides=2, padding="same", **_he(seed + i, dtype)),
            keras.layers.LeakyReLU(0.2, dtype=dtype),
        ]
    layers += [keras.layers.Flatten(dtype=dtype), keras.layers.Dense(1, **_he(seed + count, dtype))]
    return _sequential(shape, layers, "discriminator")


def _he(seed: int, dtype) -> dict:
    return {"kernel_initializer": keras.initializers.HeNormal(seed=seed), "dtype": dtype}


def _sequential(shape, layers, name: str) -> keras.Sequential:
    variable_dtype = layers[0].variable_dtype
    network = keras.Sequential([keras.Input(shape, dtype=variable_dtype), *layers], name=name)
    network.dtype_policy = variable_dtype  # else a Sequential rounds float64 to the global policy's float32
    return network
