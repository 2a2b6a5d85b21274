"""The law of one number, given what a network says about it: Bernoulli, categorical, discretised logistic, Gaussian.

Values are those of the data, as floats: levels 0..bins-1 are not scaled.
"""

import math
from dataclasses import dataclass

import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tensorflow_probability import util as tfp_util

LIMIT = 7.0  # of a log-scale that a network returns, in absolute value, as in PixelCNN++ (Salimans et al., 2017)


def bounded(log_scale: tf.Tensor) -> tf.Tensor:
    """The log-scale that is used of the one that a network returned: within -7 and 7, and near 0 the same."""
    return LIMIT * tf.tanh(log_scale / LIMIT)


class DiscretizedLogistic(tfd.Distribution):
    """A logistic variable, rounded to the nearest of the levels 0..bins-1 (Salimans et al., 2017, equation 2).

    All that lies below 1/2 is level 0, all above bins - 3/2 the last level, so that the levels sum to 1::

        P(k) = sigmoid((k + 1/2 - loc) / s) - sigmoid((k - 1/2 - loc) / s),   s = exp(log_scale)

    A difference of two nearly equal numbers is avoided by sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b)
    (1 - exp(b - a)): exact also far out in the tails.

    Args:
      loc, log_scale: tensors of the same dtype, in levels; they broadcast.
      bins: the number of levels, 2 or more.
    """

    def __init__(self, loc, log_scale, bins: int = 256, name: str = "discretized_logistic"):
        parameters = dict(locals())
        self.loc, self.log_scale = tf.convert_to_tensor(loc), tf.convert_to_tensor(log_scale)
        self.bins = bins
        super().__init__(
            dtype=self.loc.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {"loc": tfp_util.ParameterProperties(), "log_scale": tfp_util.ParameterProperties()}

    def _event_shape(self):
        return tf.TensorShape([])

    def _event_shape_tensor(self):
        return tf.constant([], tf.int32)

    def _log_prob(self, value):
        inverse_scale = tf.exp(-self.log_scale)
        upper = (value + 0.5 - self.loc) * inverse_scale
        lower = (value - 0.5 - self.loc) * inverse_scale
        first, last = value < 0.5, value > self.bins - 1.5
        zero = tf.zeros_like(upper)
        below = tf.where(last, zero, -tf.nn.softplus(-upper))  # log P(X < k + 1/2)
        above = tf.where(first, zero, -tf.nn.softplus(lower))  # log P(X > k - 1/2)
        inside = tf.where(first | last, zero, tf.math.log(-tf.math.expm1(-inverse_scale)) + zero)
        return below + above + inside

    def _sample_n(self, n, seed=None):
        continuous = tfd.Logistic(self.loc, tf.exp(self.log_scale)).sample(n, seed=seed)
        return tf.clip_by_value(tf.floor(continuous + 0.5), 0, self.bins - 1)

    def _mean(self):
        # The continuous variable, clipped to [0, bins - 1]: within a fraction of a level of the sum over the levels.
        scale = tf.exp(self.log_scale)
        return scale * (tf.nn.softplus(self.loc / scale) - tf.nn.softplus((self.loc - (self.bins - 1)) / scale))


class Law:
    """A family of laws of one number; see the top of the file."""

    @property
    def outputs(self) -> int:
        """How many results of a network it takes for each number."""
        raise NotImplementedError

    def __call__(self, results: tf.Tensor) -> tfd.Distribution:
        """The law, given results of shape (..., outputs): of batch shape (...)."""
        raise NotImplementedError

    def mean(self, results: tf.Tensor) -> tf.Tensor:
        """Its mean, (...)."""
        return self(results).mean()

    def centred(self, x: tf.Tensor) -> tf.Tensor:
        """Numbers to about [-1/2, 1/2]."""
        return x


@dataclass(frozen=True)
class Bernoulli(Law):
    """A bit, 0 or 1, with one result: its logit."""

    outputs = 1

    def __call__(self, results):
        return tfd.Bernoulli(logits=results[..., 0], dtype=results.dtype)

    def centred(self, x):
        return x - 0.5


@dataclass(frozen=True)
class Levels(Law):
    """Integers 0..bins-1."""

    bins: int

    def centred(self, x):
        return (x - (self.bins - 1) / 2) / self.bins


@dataclass(frozen=True)
class Categorical(Levels):
    """Any law on the levels, with a result for each: their logits."""

    @property
    def outputs(self):
        return self.bins

    def __call__(self, results):
        return tfd.Categorical(logits=results, dtype=results.dtype)

    def mean(self, results):
        return tf.linalg.matvec(tf.nn.softmax(results)[..., None, :], tf.range(self.bins, dtype=results.dtype))[..., 0]


@dataclass(frozen=True)
class Logistic(Levels):
    """`DiscretizedLogistic`, or a mixture of several: their locations, their log-scales and the logits of the mixture.

    Locations and scales are in halves of the range, from its middle: one component, with results of zero, has its
    location at the middle level and the scale of half the range. Several start apart: all alike they would stay so.
    """

    components: int = 1

    @property
    def outputs(self):
        return 2 if self.components == 1 else 3 * self.components

    def __call__(self, results):
        loc, log_scale, *logits = tf.split(results, self.outputs // self.components, axis=-1)
        half = self.bins / 2
        spread = tf.linspace(tf.constant(-1.0, loc.dtype), 1.0, self.components + 2)[1:-1]
        loc = (self.bins - 1) / 2 + half * (loc + spread)
        levels = DiscretizedLogistic(loc, bounded(log_scale - math.log(self.components)) + math.log(half), self.bins)
        return tfd.MixtureSameFamily(tfd.Categorical(logits=logits[0]), levels) if logits else levels[..., 0]


@dataclass(frozen=True)
class Gaussian(Law):
    """A real number, with two results: its mean and the logarithm of its standard deviation."""

    outputs = 2

    def __call__(self, results):
        loc, log_scale = tf.unstack(results, axis=-1)
        return tfd.Normal(loc, tf.exp(bounded(log_scale)))


NAMES = ("bernoulli", "categorical", "logistic", "gaussian")


def law(name: str, bins: int | None, components: int = 1) -> Law:
    """The law `name`, one of `NAMES`; those of levels take `bins`, the logistic one also `components`."""
    if name == "bernoulli" or name == "gaussian" or not bins:
        return Bernoulli() if name == "bernoulli" else Gaussian()
    return Categorical(bins) if name == "categorical" else Logistic(bins, components)
