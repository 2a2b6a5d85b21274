"""MADE: who sees whom, proved by gradients; and the recursion in degree order against the loop of D passes."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dgm_tfp import bijectors, networks
from dgm_tfp.errors import InputError
from dgm_tfp.networks.block_triangular import product
from dgm_tfp.networks.degree_order import DegreeOrder
from dgm_tfp.networks.made import permutation
from tests.helpers import brute_force_log_det, randomise, same

SIZES = {
    "inputs": st.integers(1, 12),
    "hidden": st.lists(st.integers(1, 20), min_size=1, max_size=3),
    "outputs": st.integers(1, 3),
    "context": st.sampled_from([0, 1, 3]),
    "degrees": st.sampled_from(["sequential", "random"]),
    "order": st.sampled_from(["left-to-right", "right-to-left", "random"]),
    "seed": st.integers(0, 2**16),
}


def build(activation="tanh", **kwargs):
    made = networks.MADE(**kwargs, activation=activation, dtype="float64")
    randomise(made, scale=1.0, seed=kwargs.get("seed", 0))
    return made


def inputs(made, n=3, seed=0):
    rng = np.random.default_rng(seed)
    x = tf.constant(rng.normal(size=(n, made.inputs)))
    return x, (tf.constant(rng.normal(size=(n, made.context))) if made.context else None)


def sees(made, seed=0):
    """Which result depends on which input, in order: (outputs, D, D), from gradients."""
    x, context = inputs(made, n=20, seed=seed)
    with tf.GradientTape() as tape:
        tape.watch(x)
        results = made(x, context)
    jacobian = np.abs(tape.batch_jacobian(results, x)).max(axis=0)
    return (jacobian > 0)[:, made.order][:, :, made.order]


def loop(made, law, noise, context):
    """The D-pass loop: the specification of `in_order`."""
    x = tf.zeros_like(noise)
    for _ in range(made.inputs):
        results = made(x, context)
        x = law(noise, tf.unstack(results, axis=1))
    return x, results


def affine(noise, results):
    results = tf.unstack(results) if isinstance(results, tf.Tensor) else results
    return noise * tf.exp(tf.tanh(results[-1])) + results[0]


@settings(max_examples=20, deadline=None)
@given(**SIZES)
def test_a_result_sees_only_the_inputs_before_it_and_a_wide_network_all_of_them(**sizes):
    made = build(**sizes)
    seen, before = sees(made), np.tri(made.inputs, k=-1, dtype=bool)
    assert not (seen & ~before).any()  # exactly zero
    if sizes["degrees"] == "sequential" and min(sizes["hidden"]) >= made.inputs:
        assert (seen == before).all()


@settings(max_examples=20, deadline=None)
@given(**SIZES)
def test_no_unit_is_without_a_way_in_or_out(**sizes):
    made = build(**sizes)
    first, *rest = made.masks
    if made.inputs > 1:
        assert made.context or (first.sum(axis=0) > 0).all()
        assert all((mask.sum(axis=0) > 0).all() for mask in rest[:-1])
        assert all((mask.sum(axis=1) > 0).all() for mask in rest)


def test_every_hidden_unit_and_every_result_sees_the_conditioning():
    made = build(inputs=4, hidden=(8, 8), context=2)
    x, context = inputs(made)
    with tf.GradientTape() as tape:
        tape.watch(context)
        results = made(x, context)
    assert (np.abs(tape.batch_jacobian(results, context)) > 0).all()


@settings(max_examples=20, deadline=None)
@given(**SIZES)
def test_degree_order_equals_the_loop_of_d_passes(**sizes):
    made = build(activation="relu", **sizes)
    noise, context = inputs(made)
    ours, theirs = made.in_order(affine, noise, context), loop(made, affine, noise, context)
    same(ours[0], theirs[0], 1e-10)
    same(ours[1], theirs[1], 1e-10)
    assert ours[1].shape == (3, made.outputs, made.inputs)


@pytest.mark.parametrize("block", [1, 4, 21])
def test_degree_order_equals_the_loop_in_float32_and_in_blocks_of_any_size(block):
    made = networks.MADE(21, (64, 48), order="random")
    randomise(made)
    noise, _ = inputs(made, n=16)
    noise = tf.cast(noise, tf.float32)
    expected = loop(made, affine, noise, None)[0]
    scale = np.abs(expected).max()
    for compiled in (False, True):
        solve = tf.function(lambda z: DegreeOrder(made, block).solve(affine, z, None)[0], jit_compile=compiled)
        same(solve(noise) / scale, expected / scale, 1e-5)


def test_gradients_through_degree_order_are_those_of_the_loop():
    made = build(inputs=6, hidden=(9, 7), context=2, order="random", degrees="random")
    noise, context = inputs(made)
    gradients = []
    for solve in (made.in_order, lambda *arguments: loop(made, *arguments)):
        with tf.GradientTape() as tape:
            tape.watch([noise, context])
            total = tf.reduce_sum(tf.sin(solve(affine, noise, context)[0]))
        gradients.append(tape.gradient(total, [noise, context, *made.trainable_variables]))
    for ours, theirs in zip(*gradients, strict=True):
        assert np.abs(theirs).max() > 0
        same(ours, theirs, 1e-10)


def test_the_graph_of_degree_order_does_not_grow_with_the_dimensions():
    """784 dimensions trace as a loop over blocks, not as 784 steps."""
    sizes = []
    for dimensions in (100, 784):
        made = networks.MADE(dimensions, (32,))
        solve = tf.function(lambda z, made=made: made.in_order(affine, z)[0], autograph=False)
        graph = solve.get_concrete_function(tf.TensorSpec((None, dimensions))).graph
        sizes.append(sum(len(f.node_def) for f in graph.as_graph_def().library.function))
    assert sizes[1] < 4 * sizes[0]


@settings(max_examples=15, deadline=None)
@given(**SIZES)
def test_masked_autoregressive_over_sizes(**sizes):
    made = build(**{**sizes, "outputs": min(sizes["outputs"], 2)})
    x, context = inputs(made)
    bijector = bijectors.MaskedAutoregressive(made, context)
    y, log_det = bijector.forward_and_log_det(x)
    same(bijector.inverse(y), x, 1e-9)
    brute = brute_force_log_det(bijector.inverse, y)
    same(np.broadcast_to(bijector.inverse_log_det_jacobian(y), [3]), brute, 1e-8)
    same(np.broadcast_to(log_det, [3]), -brute, 1e-8)


def test_a_fresh_network_returns_zeros_and_a_seed_gives_the_same_one():
    made, again, other = (networks.MADE(5, (16,), degrees="random", order="random", seed=s) for s in (1, 1, 2))
    x = tf.random.normal((4, 5))
    same(made(x), np.zeros((4, 2, 5)), 0)
    np.testing.assert_array_equal(made.order, again.order)
    for a, b in zip(made.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (made.order != other.order).any()


def test_the_permutation_of_a_seed_is_a_fixed_thing():
    """Saved models hold the seed, not the permutation."""
    assert permutation(8, seed=0).tolist() == [3, 2, 1, 6, 0, 7, 4, 5]


def test_an_order_given_by_hand():
    made = build(inputs=3, hidden=(8,), order=[2, 0, 1])
    assert (sees(made) == np.tri(3, k=-1, dtype=bool)).all()
    noise, _ = inputs(made)
    same(made.in_order(affine, noise)[0], loop(made, affine, noise, None)[0], 1e-10)


@pytest.mark.parametrize("degrees", ["sequential", "random"])
@pytest.mark.parametrize("dimensions", [5, 63, 784])
def test_products_without_the_zero_blocks_equal_the_whole_ones(degrees, dimensions):
    """Values, gradients and gradients of gradients."""
    made = networks.MADE(dimensions, (300, 256), degrees=degrees, dtype="float64")
    assert len(made.cuts[1]) == 4
    rng = np.random.default_rng(0)
    x, kernel = tf.constant(rng.normal(size=(4, 300))), tf.constant(rng.normal(size=(300, 256)) * made.masks[1])
    results = []
    for multiply in (lambda x, k: product(x, k, made.cuts[1]), tf.matmul):
        with tf.GradientTape() as outer:
            outer.watch([x, kernel])
            with tf.GradientTape() as tape:
                tape.watch([x, kernel])
                y = multiply(x, kernel)
                total = tf.reduce_sum(tf.sin(y))
            gradients = tape.gradient(total, [x, kernel])
            second = tf.reduce_sum(gradients[0] ** 2) + tf.reduce_sum((gradients[1] * made.masks[1]) ** 2)
        results.append([y, gradients[0], gradients[1] * made.masks[1], outer.gradient(second, x)])
    for ours, theirs in zip(*results, strict=True):
        same(ours, theirs, 1e-10)


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"inputs": 0}, "MADE got inputs=0; expected 1 or more"),
        ({"hidden": ()}, r"MADE got hidden=\(\); expected one width or more, each 1 or more"),
        ({"hidden": (8, 0)}, r"MADE got hidden=\(8, 0\)"),
        ({"outputs": 0}, "MADE got outputs=0; expected 1 or more"),
        ({"context": -1}, "MADE got context=-1; expected 0 or more"),
        ({"degrees": "equal"}, "degrees is 'equal'; expected 'sequential' or 'random'"),
        ({"order": "down"}, "order is 'down'; expected one of left-to-right, right-to-left, random, or a permutation"),
        ({"order": [0, 0, 1]}, r"order is \[0, 0, 1\]; expected each of 0..2 once"),
    ],
)
def test_errors(kwargs, words):
    with pytest.raises(InputError, match=words):
        networks.MADE(**{"inputs": 3, **kwargs})
