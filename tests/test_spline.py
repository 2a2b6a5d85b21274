"""The rational-quadratic spline: TFP's is the specification."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from hypothesis import given, settings
from hypothesis import strategies as st

from dgm_tfp.bijectors import SplineLaw
from dgm_tfp.bijectors.spline import LEAST
from dgm_tfp.errors import InputError
from tests.helpers import same

tfb = tfp.bijectors


def results(law, shape, seed=0, scale=1.0, dtype="float64"):
    values = scale * np.random.default_rng(seed).normal(size=(law.outputs, *shape))
    return tf.unstack(tf.constant(values, dtype))


def stock(law, results):
    last = tf.stack(results, axis=-1)
    widths, heights, slopes = tf.split(last, [law.bins, law.bins, law.bins - 1], axis=-1)
    widths, heights = (2 * law.edge * (LEAST + (1 - LEAST * law.bins) * tf.nn.softmax(s)) for s in (widths, heights))
    slopes = LEAST + tf.nn.softplus(slopes + np.log(np.expm1(1 - LEAST)))
    return tfb.RationalQuadraticSpline(widths, heights, slopes, tf.constant(-law.edge, last.dtype))


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.floats(0.5, 5), st.integers(0, 2**16))
def test_it_is_tfp_rational_quadratic_spline(bins, edge, seed):
    law = SplineLaw(bins, edge)
    given = results(law, (3, 2), seed)
    y = tf.constant(np.random.default_rng(seed).normal(size=(3, 2)) * edge)  # a third of them outside
    oracle = stock(law, given)
    z, log_slope = law.inverse(y, given)
    same(z, oracle.forward(y), 1e-10)
    same(log_slope, oracle.forward_log_det_jacobian(y, event_ndims=0), 1e-9)
    back, back_log_slope = law.forward(tf.identity(z), given)
    same(back, y, 1e-8)
    same(back_log_slope, -log_slope.numpy(), 1e-7)


def test_results_of_zero_are_the_identity():
    law = SplineLaw(6)
    x = tf.constant(np.linspace(-9, 9, 37))
    for method in (law.forward, law.inverse):
        y, log_slope = method(x, [tf.zeros_like(x)] * law.outputs)
        same(y, x, 1e-12)
        same(log_slope, np.zeros(37), 1e-12)


@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
def test_it_is_finite_and_inverts_in_float32_with_any_results(scale):
    """Also exactly on the edges, where a rounded knot might leave a gap; the gradient too."""
    law = SplineLaw(8, edge=4.0)
    x = np.concatenate([np.linspace(-6, 6, 2001), [-4, 4, np.nextafter(4, 0), np.nextafter(-4, 0)]]).astype(np.float32)
    given, x = results(law, x.shape, scale=scale, dtype="float32"), tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch([x, *given])
        z, log_slope = law.inverse(x, given)
        total = tf.reduce_sum(log_slope) + tf.reduce_sum(z)
    for value in (z, log_slope, *tape.gradient(total, [x, *given])):
        assert np.isfinite(value).all()
    with tf.GradientTape() as tape:
        tape.watch([z, *given])
        y, log_slope = law.forward(z, given)
        total = tf.reduce_sum(log_slope) + tf.reduce_sum(y)
    for value in (y, log_slope, *tape.gradient(total, [z, *given])):
        assert np.isfinite(value).all()
    # A slope goes up to 1e6 where results are wild, so that y cannot tell z; what y says has to be near on both axes.
    same(tf.minimum(abs(law.inverse(y, given)[0] - z), abs(y - x)), np.zeros(len(x)), 1e-3)


def test_it_is_increasing():
    law = SplineLaw(5, edge=2.0)
    x = tf.constant(np.linspace(-3, 3, 500))
    given = [tf.fill(x.shape, tf.constant(r[0], tf.float64)) for r in results(law, (1,), scale=3.0)]
    assert (np.diff(law.inverse(x, given)[0]) > 0).all()


def test_too_few_bins():
    with pytest.raises(InputError, match="a spline needs 2 bins or more, got 1"):
        SplineLaw(1)
