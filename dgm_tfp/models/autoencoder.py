"""The autoencoder, and the denoising autoencoder with the score field that it induces."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from dgm_tfp import bits
from dgm_tfp.errors import InputError
from dgm_tfp.models.generative import Generative, seed_pair
from dgm_tfp.networks import mlp

CODE_MEMORY = 0.99  # of the running moments of the codes: about the last 100 batches


@keras.saving.register_keras_serializable(package="dgm_tfp")
class SquaredError(keras.losses.Loss):
    """The squared distance between an example and its reconstruction: a sum over the example, a mean over the batch."""

    def call(self, y_true, y_pred):
        difference = keras.ops.reshape(y_pred - y_true, (keras.ops.shape(y_pred)[0], -1))
        return keras.ops.sum(difference**2, axis=1)


@keras.saving.register_keras_serializable(package="dgm_tfp")
class Autoencoder(Generative):
    """An encoder to a code of few numbers and a decoder back, f(x) = decode(encode(x)): the least E ||f(x) - x||^2.

    The error is in units in which the pixels 0..bins - 1 span [0, 1]; real data are taken as they are. The loss is the
    squared error of a whole example, summed over its numbers. Without hidden layers, the best code spans the
    principal subspace of the data, and the loss is the sum of the eigenvalues left out (Baldi & Hornik, 1989).

    An autoencoder is not a density: nothing says how codes are distributed. `sample` decodes draws from a Gaussian
    fitted to the codes afterwards (ex-post density estimation: Ghosh et al., 2020, section 4). Its mean and covariance
    are weights that no gradient moves: running averages over the batches of training, or exact by `fit_codes`.

    Args:
      event_shape: of one example; images are flattened inside.
      code: how many numbers are left of it.
      hidden: widths of the encoder's hidden layers; the decoder has the same in reverse.
      activation: of the hidden layers.
      bins: 256 for images (three axes) and None for vectors by default.
      dtype, seed: see `Generative`.

    Raises:
      InputError: a code below 1; conditioning, which this model does not take.
    """

    def __init__(
        self,
        event_shape=(28, 28, 1),
        code: int = 16,
        hidden: Sequence[int] = (256, 128),
        activation: str = "relu",
        bins: int | Literal["auto"] | None = "auto",
        dtype=None,
        seed: int = 0,
        **kwargs,
    ):
        bins = (256 if len(event_shape) == 3 else None) if bins == "auto" else bins
        super().__init__(event_shape, bins=bins, dtype=dtype, seed=seed, **kwargs)
        if self.conditioning_shape is not None:
            raise InputError(f"{type(self).__name__} takes no conditioning. Leave conditioning_shape out.")
        if code < 1:
            raise InputError(f"{type(self).__name__} got code={code}; expected 1 or more numbers.")
        self.code, self.hidden, self.activation = code, tuple(hidden), keras.activations.get(activation)
        self.encoder = self._network(self.event_size, code, self.hidden, "encoder", 0)
        self.decoder = self._network(code, self.event_size, self.hidden[::-1], "decoder", 50)
        self.code_mean = self._moment("code_mean", (code,), "zeros")
        self.code_covariance = self._moment("code_covariance", (code, code), "zeros")
        self.code_updates = self._moment("code_updates", (), "zeros")
        self.squared_error = SquaredError(name="squared_error")
        self._graph_encode = tf.function(self._encode, autograph=False)
        self._graph_decode = tf.function(self._decode, autograph=False)
        self._graph_error = tf.function(self._error, autograph=False)
        self.build()

    def _network(self, inputs: int, outputs: int, hidden: Sequence[int], name: str, seed: int) -> keras.Sequential:
        seed += 100 * self.seed
        last = keras.initializers.GlorotUniform(seed=seed + 49)
        return mlp(inputs, outputs, hidden, self.activation, seed, self.network_policy, name, last=last)

    def _moment(self, name: str, shape: tuple[int, ...], start: str) -> keras.Variable:
        return self.add_weight(name=name, shape=shape, initializer=start, trainable=False, aggregation="mean")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "code": self.code,
            "hidden": self.hidden,
            "activation": keras.activations.serialize(self.activation),
        }

    # In tensors, in units of the error.

    def to_unit(self, x: tf.Tensor) -> tf.Tensor:
        """Pixels as numbers from 0 to 1; real data as they are. Checks the type and the shape of the batch."""
        y = self.to_continuous(x, None)
        return y / (self.bins - 1) if self.bins else y

    dequantized = False  # an error needs no density, so no noise

    def _encode(self, y: tf.Tensor) -> tf.Tensor:
        return tf.cast(self.encoder(tf.reshape(y, [-1, self.event_size])), self.variable_dtype)

    def _decode(self, z: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.cast(self.decoder(z), self.variable_dtype), [-1, *self.event_shape])

    def _error(self, y: tf.Tensor) -> tf.Tensor:
        return self.squared_error.call(y, self._decode(self._encode(y)))

    # What Keras calls.

    def call(self, x, training=False):
        """f(x), in units of the error, (batch, *event_shape). In training, the running moments of the codes move."""
        z = self._encode(self.to_unit(x))
        if training:
            self._track(z)
        return self._decode(z)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        target = self.to_unit(self.split(x)[0])
        # A Loss object, not a mean: it divides by the global batch under tf.distribute.
        if self._compile_loss is not None:
            return super().compute_loss(x, target, y_pred, sample_weight, training)
        return sum(self.losses, start=self.squared_error(target, y_pred, sample_weight))

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, self.to_unit(self.split(x)[0]), y_pred, sample_weight)

    def _track(self, z: tf.Tensor) -> None:
        """Running mean and covariance (the law of total variance, so that it stays a covariance)."""
        rate = tf.maximum(1 / (self.code_updates + 1), 1 - CODE_MEMORY)
        mean = tf.reduce_mean(z, axis=0)
        centred, shift = z - mean, mean - self.code_mean
        within = tf.matmul(centred, centred, transpose_a=True) / tf.cast(tf.shape(z)[0], z.dtype)
        covariance = self.code_covariance + rate * (within - self.code_covariance)
        self.code_covariance.assign(covariance + rate * (1 - rate) * shift[:, None] * shift[None, :])
        self.code_mean.assign(self.code_mean + rate * shift)
        self.code_updates.assign(self.code_updates + 1)

    # What a person calls. Each takes any number of examples.

    def encode(self, x, batch_size: int = 250) -> np.ndarray:
        """The codes of the examples, (n, code)."""
        return self._map(lambda x: self._graph_encode(self.to_unit(x)), self.check(x), batch_size)

    def decode(self, z, batch_size: int = 250) -> np.ndarray:
        """Examples of codes (n, code): (n, *event_shape), rounded to integers where the data are integers."""
        z = np.asarray(z, self.variable_dtype)
        if z.ndim != 2 or z.shape[1] != self.code:
            raise InputError(
                f"this {type(self).__name__} has codes of {self.code} numbers, got {z.shape}. Pass (n, code)."
            )
        return self._from_unit(self._map(self._graph_decode, z, batch_size))

    def reconstruct(self, x, batch_size: int = 250) -> np.ndarray:
        """f(x): (n, *event_shape), rounded to integers where the data are integers."""
        return self.decode(self.encode(x, batch_size), batch_size)

    def squared_errors(self, x, batch_size: int = 250) -> np.ndarray:
        """||f(x) - x||^2 of each example, (n,), pixels spanning 1."""
        return self._map(lambda x: self._graph_error(self.to_unit(x)), self.check(x), batch_size)

    def scores(self, x, batch_size: int = 250, seed: int = 0) -> dict[str, np.ndarray]:
        """Minus the squared error, and the root of its mean over the example's numbers. `seed` is for other models."""
        error = self.squared_errors(x, batch_size)
        return {"negative_error": -error, "rmse": np.sqrt(error / self.event_size)}

    @property
    def codes(self) -> tfd.MultivariateNormalTriL:
        """The Gaussian fitted to the codes."""
        if not self.code_updates.numpy():
            raise InputError(
                f"this {type(self).__name__} has seen no data, so nothing is known of its codes. "
                "Call fit, or fit_codes(x)."
            )
        covariance = self.code_covariance.numpy().astype(np.float64)
        jitter = 1e-6 * max(np.trace(covariance) / self.code, 1e-12) * np.eye(self.code)  # a code may be constant
        scale = np.linalg.cholesky(covariance + jitter).astype(self.variable_dtype)
        return tfd.MultivariateNormalTriL(self.code_mean.numpy(), scale)

    def fit_codes(self, x, batch_size: int = 250) -> None:
        """Sets the Gaussian of the codes to the mean and the covariance of the codes of `x`."""
        z = self.encode(x, batch_size).astype(np.float64)
        self.code_mean.assign(z.mean(axis=0))
        self.code_covariance.assign(np.cov(z, rowvar=False, bias=True).reshape(self.code, self.code))
        self.code_updates.assign(max(1.0, float(self.code_updates.numpy())))

    def sample(self, n: int, seed: int | None = None, conditioning=None) -> np.ndarray:
        """`n` decoded draws from the Gaussian of the codes: no draws from a density, see the class."""
        self.match(conditioning)
        return self.decode(self.codes.sample(n, seed=seed_pair(self.seed if seed is None else seed)))

    def _map(self, function, x: np.ndarray, batch_size: int) -> np.ndarray:
        return np.concatenate([function(batch).numpy() for batch, _ in self._batches(x, batch_size, 0)])

    def _from_unit(self, y: np.ndarray) -> np.ndarray:
        return bits.quantize(y * (self.bins - 1) + 0.5, self.bins) if self.bins else y
