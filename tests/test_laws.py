"""The laws of one number: what sums to 1, and what TFP says of the same."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from dgm_tfp import laws
from tests.helpers import same

EXTREMES = [(127.3, 0.0), (-400.0, 2.0), (900.0, 1.0), (0.0, -4.0), (255.0, -4.0), (30.0, 7.0), (254.6, 3.0)]


def levels(bins=256, dtype="float64"):
    return tf.range(bins, dtype=dtype)[:, None]


def test_discretized_logistic_sums_to_one_and_equals_the_quantized_logistic_of_tfp():
    loc, log_scale = tf.constant(EXTREMES, tf.float64)[:, 0], tf.constant(EXTREMES, tf.float64)[:, 1]
    log_mass = laws.DiscretizedLogistic(loc, log_scale).log_prob(levels())
    same(tf.reduce_sum(tf.exp(log_mass), axis=0), np.ones(len(EXTREMES)), 1e-10)
    stock = tfd.QuantizedDistribution(
        tfd.Logistic(loc - 0.5, tf.exp(log_scale)),
        low=tf.constant(0.0, tf.float64),
        high=tf.constant(255.0, tf.float64),
    )
    same(tf.exp(log_mass), stock.prob(levels()), 1e-10)
    assert np.isfinite(log_mass).all()
    assert np.exp(log_mass[0, 1]) > 0.99  # what lies below the levels is level 0
    assert np.exp(log_mass[-1, 2]) > 0.99


def test_discretized_logistic_has_finite_gradients_in_float32():
    loc, log_scale = (tf.constant(column, tf.float32) for column in np.transpose(EXTREMES))
    with tf.GradientTape() as tape:
        tape.watch([loc, log_scale])
        log_mass = laws.DiscretizedLogistic(loc, log_scale).log_prob(levels(dtype="float32"))
    for gradient in tape.gradient(log_mass, [loc, log_scale]):
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).min() > 0


@pytest.mark.parametrize("law", [laws.Bernoulli(), laws.Categorical(6), laws.Logistic(6), laws.Logistic(6, 3)], ids=str)
def test_levels_sum_to_one_and_samples_and_mean_are_those_of_the_mass(law):
    bins = getattr(law, "bins", 2)
    results = tf.constant(np.random.default_rng(1).normal(size=(4, law.outputs)))
    mass = np.exp(law(results).log_prob(levels(bins)))
    same(mass.sum(axis=0), np.ones(4), 1e-10)
    sample = law(results).sample(40_000, seed=(0, 1)).numpy()
    counts = np.stack([(sample == level).mean(axis=0) for level in range(bins)])
    same(counts, mass, 0.015)
    # The logistic's mean is that of the clipped continuous variable: within a part of a level.
    tolerance = 0.1 if isinstance(law, laws.Logistic) else 1e-12
    same(law.mean(results), (np.arange(bins)[:, None] * mass).sum(axis=0), tolerance)


def test_logistic_components_start_apart():
    components = laws.Logistic(256, 3)(tf.zeros((1, 9))).components_distribution.loc[0]
    assert len(set(components.numpy())) == 3
    assert components[1] == 127.5


def test_gaussian_is_a_normal():
    results = tf.constant([[0.3, -0.2]])
    same(laws.Gaussian()(results).log_prob([1.0]), tfd.Normal(0.3, tf.exp(-0.2)).log_prob([1.0]), 1e-3)
    assert laws.Gaussian()(tf.constant([0.0, 99.0])).stddev() <= np.exp(laws.LIMIT)
