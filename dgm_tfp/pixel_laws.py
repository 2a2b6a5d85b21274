"""A mixture of discretised logistics, with a linear dependence between channels (Salimans et al., 2017).

Values 0..bins-1 are brought to [-1, 1], so that a bin is 2 delta = 2 / (bins - 1) wide. A component with location m and
scale s gives to the value v of a channel::

    P(v) = sigmoid((v + delta - m) / s) - sigmoid((v - delta - m) / s)

where the first bin reaches down to minus infinity and the last up to infinity, so that all sum to 1. The component is
shared by the channels of a pixel, and the locations of later channels lean on the values of earlier ones::

    m_G = m'_G + a v_R,    m_B = m'_B + b v_R + c v_G
"""

import numpy as np
import tensorflow as tf

LEAST_LOG_SCALE = -7.0


def centred(x: tf.Tensor, bins: int) -> tf.Tensor:
    """0..bins-1 to [-1, 1]."""
    return 2 * x / (bins - 1) - 1


def log_mass(v: tf.Tensor, loc: tf.Tensor, log_scale: tf.Tensor, bins: int) -> tf.Tensor:
    """log P(v) of one discretised logistic; all tensors broadcast.

    The difference of two nearly equal numbers is avoided by sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b)
    (1 - exp(b - a)), which holds far out in the tails too.
    """
    delta, inverse_scale = 1 / (bins - 1), tf.exp(-log_scale)
    below, above = ((v + side * delta - loc) * inverse_scale for side in (1, -1))
    first, last = v < -1 + delta, v > 1 - delta
    nothing = tf.zeros_like(below)
    return (
        tf.where(last, nothing, tf.math.log_sigmoid(below))
        + tf.where(first, nothing, tf.math.log_sigmoid(-above))
        + tf.where(first | last, nothing, tf.math.log(-tf.math.expm1(-2 * delta * inverse_scale)) + nothing)
    )


class LogisticMixture:
    """The law of a pixel's channels given the numbers that a network returns for the pixel.

    Args:
      components: of the mixture.
      channels, bins: of the image.
    """

    groups = 1  # all channels of a pixel are drawn from the same numbers

    def __init__(self, components: int, channels: int, bins: int):
        self.components, self.channels, self.bins = components, channels, bins
        self.pairs = channels * (channels - 1) // 2
        self.outputs = components * (1 + 2 * channels + self.pairs)
        self.noise = 1 + channels

    def parameters(self, params: tf.Tensor):
        """Logits (..., K), locations and log-scales (..., K, C), coefficients (..., K, C (C - 1) / 2)."""
        k, c = self.components, self.channels
        lead = params.shape[:-1].as_list() if params.shape[:-1].is_fully_defined() else tf.shape(params)[:-1]
        logits, rest = params[..., :k], tf.reshape(params[..., k:], tf.concat([lead, [k, 2 * c + self.pairs]], 0))
        spread = np.linspace(-1, 1, k + 2)[1:-1, None]  # components start apart: all alike they would stay so
        loc = rest[..., :c] + tf.constant(spread, params.dtype)
        log_scale = tf.maximum(rest[..., c : 2 * c] - np.log(k), LEAST_LOG_SCALE)
        return logits, loc, log_scale, tf.tanh(rest[..., 2 * c :])

    def log_prob(self, params: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """log P of pixels x (..., C), values 0..bins-1, by params (..., outputs): (...)."""
        logits, loc, log_scale, coefficients = self.parameters(params)
        v = centred(x, self.bins)
        loc += self._lean(coefficients, v[..., None, :])
        each = tf.reduce_sum(log_mass(v[..., None, :], loc, log_scale, self.bins), axis=-1)
        return tf.reduce_logsumexp(tf.nn.log_softmax(logits) + each, axis=-1)

    def draw(self, params: tf.Tensor, x: tf.Tensor, noise: tf.Tensor, group: int) -> tf.Tensor:
        """Pixels (n, C) by params (n, outputs), uniform noise (n, 1 + C) and the inverse CDF."""
        logits, loc, log_scale, coefficients = self.parameters(params)
        component = draw_categorical(logits, noise[:, 0])
        loc, log_scale, coefficients = (tf.gather(p, component, batch_dims=1) for p in (loc, log_scale, coefficients))
        tiny = np.finfo(params.dtype.as_numpy_dtype).tiny
        step = tf.exp(log_scale) * (tf.math.log(tf.maximum(noise[:, 1:], tiny)) - tf.math.log1p(-noise[:, 1:]))
        columns: list[tf.Tensor] = []
        v: list[tf.Tensor] = []
        for c in range(self.channels):
            lean = sum((coefficients[:, self._pair(c, d)] * v[d] for d in range(c)), start=tf.zeros_like(step[:, c]))
            value = (loc[:, c] + lean + step[:, c] + 1) * ((self.bins - 1) / 2)
            columns.append(tf.clip_by_value(tf.round(value), 0, self.bins - 1))
            v.append(centred(columns[-1], self.bins))
        return tf.stack(columns, axis=-1)

    def _lean(self, coefficients, v):
        lean = [
            sum((coefficients[..., self._pair(c, d)] * v[..., d] for d in range(c)), tf.zeros_like(v[..., 0]))
            for c in range(self.channels)
        ]
        return tf.stack([part + tf.zeros_like(lean[-1]) for part in lean], axis=-1)

    @staticmethod
    def _pair(c: int, d: int) -> int:
        return c * (c - 1) // 2 + d


def draw_categorical(logits: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """The inverse CDF of categories 0..k-1: logits (n, k) and uniforms (n,) on [0, 1) to int32 (n,)."""
    below = tf.cumsum(tf.exp(logits - tf.reduce_max(logits, axis=-1, keepdims=True)), axis=-1)
    passed = tf.cast(below <= uniform[:, None] * below[:, -1:], tf.int32)
    return tf.minimum(tf.reduce_sum(passed, axis=-1), logits.shape[-1] - 1)


class Categorical:
    """The law of a pixel's channels, one after another, each by `bins` logits (van den Oord et al., 2016a).

    A channel's logits see the channels before it through the network's groups.
    """

    def __init__(self, channels: int, bins: int):
        self.channels, self.bins = channels, bins
        self.groups = self.noise = channels
        self.outputs = channels * bins

    def log_prob(self, params: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """log P of pixels x (..., C), values 0..bins-1, by params (..., outputs): (...)."""
        logits = tf.reshape(params, tf.concat([tf.shape(x), [self.bins]], axis=0))
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(x, tf.int32), logits)
        return -tf.reduce_sum(loss, axis=-1)

    def draw(self, params: tf.Tensor, x: tf.Tensor, noise: tf.Tensor, group: int) -> tf.Tensor:
        """Pixels x (n, C) with channel `group` drawn by params (n, outputs) and uniform noise (n, C)."""
        logits = params[:, group * self.bins : (group + 1) * self.bins]
        drawn = tf.cast(draw_categorical(logits, noise[:, group]), x.dtype)
        return tf.concat([x[:, :group], drawn[:, None], x[:, group + 1 :]], axis=-1)
