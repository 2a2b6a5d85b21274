"""The PixelCNN autoencoder (van den Oord et al., 2016b, section 2.4)."""

import keras
import numpy as np
import tensorflow as tf

from dgm_tfp.errors import InputError
from dgm_tfp.models.likelihood import Likelihood
from dgm_tfp.models.pixelcnn import OPTIONS, PixelCNN
from dgm_tfp.models.pixelcnn_distribution import PixelCNNDistribution
from dgm_tfp.networks import conv_encoder
from dgm_tfp.pixel_laws import centred

ENCODER_LEVELS = 2  # how often the encoder halves the image


@keras.saving.register_keras_serializable(package="dgm_tfp")
class PixelCNNAutoencoder(Likelihood):
    """An encoder whose code c = e(x) conditions a PixelCNN: the two are trained together for log P(x given e(x)).

    An autoencoder with a decoder that draws: it can leave the texture to chance, and keep in the code what the pixels
    do not tell each other. `log_prob` and `bits_per_dim` are of x given its own code, and the code is free of charge: a
    reconstruction error, not a likelihood of x. There is no law of codes, so it has no `distribution` and no `sample`:
    see `reconstruct`, and `decoder.sample(n, conditioning=codes)`.

    Args:
      event_shape: (h, w, c).
      code: how many numbers.
      encoder_filters: channels of the encoder's first convolution.
      bins, dtype, seed: see `Likelihood`.
      options: of the decoder, a `PixelCNN`.

    Raises:
      InputError: as `PixelCNN`; a code or an encoder of no numbers; `sample` and `distribution` were asked for.
    """

    dequantized = False

    def __init__(
        self,
        event_shape=(28, 28, 1),
        code: int = 10,
        encoder_filters: int = 16,
        bins: int = 256,
        dtype=None,
        seed: int = 0,
        name: str | None = None,
        **options,
    ):
        super().__init__(event_shape, bins=bins, dtype=dtype, seed=seed, name=name)
        for size_name, size in (("code", code), ("encoder_filters", encoder_filters)):
            if size < 1:
                raise InputError(f"PixelCNNAutoencoder got {size_name}={size}; expected 1 or more.")
        self.code, self.encoder_filters = code, encoder_filters
        self.decoder = PixelCNN(
            self.event_shape, bins=bins, dtype=self.network_policy, seed=seed, conditioning_shape=(code,), **options
        )
        height, width, channels = self.event_shape
        self.encoder = conv_encoder(
            (height, width, channels), code, encoder_filters, ENCODER_LEVELS, seed=seed, dtype=self.network_policy
        )
        self._graph_encode = tf.function(lambda x, seed: self._code(self.to_continuous(x, seed)), autograph=False)
        self.build()

    @property
    def distribution(self):
        raise InputError(
            "a PixelCNNAutoencoder has no law of codes, hence none of images. Use distribution_given(codes)."
        )

    def distribution_given(self, conditioning) -> PixelCNNDistribution:
        """P(x given c) for codes c (..., code): what the decoder says."""
        return self.decoder.distribution_given(conditioning)

    def sample(self, n: int, seed: int | None = None, conditioning=None) -> np.ndarray:
        """`n` images for each code of `conditioning`, (..., code): (n, ..., h, w, c)."""
        if conditioning is None:
            raise InputError(
                "a PixelCNNAutoencoder has no law of codes to draw from. Use reconstruct(x), or "
                "sample(n, conditioning=encode(x))."
            )
        return self.decoder.sample(n, seed, conditioning)

    def encode(self, x, batch_size: int = 250) -> np.ndarray:
        """The codes of images (n, h, w, c): (n, code)."""
        parts = [self._graph_encode(*batch) for batch in self._batches(self.check(x), batch_size, seed=0)]
        return np.concatenate([part.numpy() for part in parts])

    def reconstruct(self, x, seed: int | None = None) -> np.ndarray:
        """An image drawn for the code of each image of x, (n, h, w, c): of the same shape."""
        return self.sample(1, seed, self.encode(x))[0]

    def get_config(self):
        options = {name: getattr(self.decoder, name) for name in OPTIONS}
        config = super().get_config()
        del config["conditioning_shape"]
        return {**config, **options, "code": self.code, "encoder_filters": self.encoder_filters}

    def _code(self, x):
        return tf.cast(self.encoder(centred(x, self.decoder.pixel_law.bins)), self.variable_dtype)

    def _log_prob(self, data, seed):
        x = self.to_continuous(data[0], seed)
        return self.distribution_given(self._code(x)).log_prob(x)
