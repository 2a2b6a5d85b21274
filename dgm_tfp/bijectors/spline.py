"""The monotone rational-quadratic spline (Durkan et al., 2019): a law for one number, with many degrees of freedom."""

import math

import tensorflow as tf

from dgm_tfp.errors import InputError

LEAST = 1e-3  # of a bin's share of the interval, and of a slope: keeps every bin invertible


class SplineLaw:
    """An increasing piecewise function from [-edge, edge] onto itself, and the identity outside.

    K bins; knots (x^k, y^k) with slopes d^k, the two outer slopes 1. In a bin, with s = (y^k+1 - y^k) / (x^k+1 - x^k)
    and t = (x - x^k) / (x^k+1 - x^k) in [0, 1] (equation 4 of the paper)::

        g(x) = y^k + (y^k+1 - y^k) (s t^2 + d^k t (1 - t)) / (s + (d^k+1 + d^k - 2 s) t (1 - t))

    A law has `forward`, noise to data, and `inverse`, data to noise; each returns the value and the logarithm of its
    slope. `inverse` is g, which training evaluates; `forward` solves a quadratic equation for t (appendix A.3).

    Results, the numbers that a network gives for each x, are a list of 3 K - 1 tensors of the shape of x: K for the
    widths of the bins, K for the heights (the softmax of each), K - 1 for the inner slopes. Zeros are the identity.

    Args:
      bins: K.
      edge: where the spline ends. Data and noise have a standard deviation of about 1 here, so that 4 holds them.
    """

    def __init__(self, bins: int = 16, edge: float = 4.0):
        if bins < 2:
            raise InputError(f"a spline needs 2 bins or more, got {bins}.")
        self.bins, self.edge = bins, edge
        self.outputs = 3 * bins - 1

    def inverse(self, y, results):
        inside = tf.abs(y) < self.edge
        x = tf.where(inside, y, tf.zeros_like(y))
        knots_x, knots_y, slopes = self._knots(results)
        left, width, bottom, height, d0, d1 = _bin(x, knots_x, knots_x, knots_y, slopes)
        s, t = height / width, (x - left) / width
        u = t * (1 - t)
        denominator = s + (d1 + d0 - 2 * s) * u
        value = bottom + height * (s * t * t + d0 * u) / denominator
        log_slope = _log_slope(s, t, u, d0, d1, denominator)
        return tf.where(inside, value, y), tf.where(inside, log_slope, tf.zeros_like(y))

    def forward(self, x, results):
        inside = tf.abs(x) < self.edge
        y = tf.where(inside, x, tf.zeros_like(x))
        knots_x, knots_y, slopes = self._knots(results)
        left, width, bottom, height, d0, d1 = _bin(y, knots_y, knots_x, knots_y, slopes)
        s, rise = height / width, y - bottom
        bend = (d1 + d0 - 2 * s) * rise
        a, b, c = height * (s - d0) + bend, height * d0 - bend, -s * rise
        root = tf.sqrt(tf.maximum(b * b - 4 * a * c, 1e-12))  # above 0: at 0 its gradient is infinite
        t = tf.clip_by_value(2 * c / (-b - root), 0, 1)  # but for rounding it is in [0, 1]
        u = t * (1 - t)
        log_slope = -_log_slope(s, t, u, d0, d1, s + (d1 + d0 - 2 * s) * u)
        return tf.where(inside, left + t * width, x), tf.where(inside, log_slope, tf.zeros_like(x))

    def _knots(self, results):
        """Knots on both axes and slopes, each (K + 1, *shape of x)."""
        widths, heights, slopes = tf.split(tf.stack(results), [self.bins, self.bins, self.bins - 1], axis=0)
        one = tf.ones_like(slopes[:1])
        slopes = LEAST + tf.nn.softplus(slopes + math.log(math.expm1(1 - LEAST)))  # zero gives slope 1
        return self._ends(widths), self._ends(heights), tf.concat([one, slopes, one], axis=0)

    def _ends(self, sizes):
        shares = LEAST + (1 - LEAST * self.bins) * tf.nn.softmax(sizes, axis=0)
        inner = self.edge * (2 * tf.cumsum(shares[:-1], axis=0) - 1)
        end = tf.fill(tf.shape(inner[:1]), tf.constant(self.edge, inner.dtype))
        return tf.concat([-end, inner, end], axis=0)


def _bin(value, of, knots_x, knots_y, slopes):
    """The left end, the width, the bottom, the height and both slopes of the bin of `of` that holds the value."""
    here = (of[:-1] <= value) & (value < of[1:])

    def pick(values):
        return tf.reduce_sum(tf.where(here, values, tf.zeros_like(values)), axis=0)

    return (
        pick(knots_x[:-1]),
        pick(knots_x[1:] - knots_x[:-1]),
        pick(knots_y[:-1]),
        pick(knots_y[1:] - knots_y[:-1]),
        pick(slopes[:-1]),
        pick(slopes[1:]),
    )


def _log_slope(s, t, u, d0, d1, denominator):
    """Equation 5."""
    return 2 * tf.math.log(s / denominator) + tf.math.log(d1 * t * t + 2 * s * u + d0 * (1 - t) * (1 - t))
