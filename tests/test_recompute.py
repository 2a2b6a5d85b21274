"""memory="recompute": the same numbers as memory="store", in less memory."""

import json
import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tfp import models, training
from dgm_tfp.bijectors import Chain, OnePass, Recompute
from dgm_tfp.errors import InputError
from dgm_tfp.models.glow import MEMORY
from tests.helpers import randomise, same

KINDS = {
    "affine": {},
    "additive": {"coupling": "additive"},
    "standard prior": {"prior": "standard"},
    "one level": {"levels": 1},
    "three levels": {"levels": 3},
    "odd channels": {"event_shape": (4, 4, 3), "levels": 2},
    "signal": {"event_shape": (1, 8, 1), "levels": 2},
    "real_nvp": {"kind": models.RealNVP, "event_shape": (5,), "bins": 4, "masks": "random", "steps": 4},
    "real_nvp of images": {"kind": models.RealNVP, "event_shape": (4, 4, 2)},
    "nice": {"kind": models.RealNVP, "event_shape": (4, 4, 3), "coupling": "additive", "actnorm": False},
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def flow(memory="recompute", kind=models.Glow, **kwargs):
    options = {"event_shape": (8, 8, 1), "levels": 2, "steps": 2, "filters": 8, "bins": 4}
    return kind(**{**options, "memory": memory, **kwargs})


def pair(**kwargs):
    """The same flow in both modes."""
    both = [flow(memory, **kwargs) for memory in ("store", "recompute")]
    randomise(both[0])
    both[1].set_weights(both[0].get_weights())
    return both


def examples(model, n=6, seed=0):
    return np.random.default_rng(seed).integers(4, size=(n, *model.event_shape)).astype(np.uint8)


def log_prob_and_gradients(model, y, order=1):
    """Of the data and of every weight; with order 2 those of the sum of squares of the gradients."""

    def function(y):
        sources = [y, *(weight.value for weight in model.trainable_variables)]
        with tf.GradientTape() as outer:
            outer.watch(y)
            with tf.GradientTape() as tape:
                tape.watch(y)
                log_prob = model.distribution.log_prob(y)
            gradients = tape.gradient(log_prob, sources)
            size = sum(tf.reduce_sum(gradient**2) for gradient in gradients)
        if order == 2:
            gradients = outer.gradient(size, sources, unconnected_gradients="zero")
        return log_prob, gradients

    return function(y), tf.function(function, autograph=False)(y)


def close(ours, theirs, tolerance):
    """Norm-wise, weight by weight."""
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


@every_kind
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", 1e-4)])
def test_log_prob_and_gradients_are_those_of_store(kind, dtype, tolerance):
    store, recompute = pair(**KINDS[kind], dtype=dtype)
    y = tf.constant(np.random.default_rng(0).uniform(0, 4, (5, *store.event_shape)), dtype)
    for expected, found in zip(log_prob_and_gradients(store, y), log_prob_and_gradients(recompute, y), strict=True):
        same(found[0], expected[0], tolerance)
        close(found[1], expected[1], tolerance)
        assert all(np.linalg.norm(gradient) > 0 for gradient in found[1])
    same(recompute.bijector.forward(y), store.bijector.forward(y), tolerance)


@pytest.mark.parametrize("kind", ["affine", "additive"])
def test_second_derivatives_too(kind):
    store, recompute = pair(**KINDS[kind], dtype="float64")
    y = tf.constant(np.random.default_rng(0).uniform(0, 4, (2, 8, 8, 1)))
    for expected, found in zip(
        log_prob_and_gradients(store, y, order=2), log_prob_and_gradients(recompute, y, order=2), strict=True
    ):
        close(found[1], expected[1], 1e-10)


@pytest.mark.parametrize("kind", ["affine", "real_nvp of images"])
def test_gradients_under_xla(kind):
    store, recompute = pair(**KINDS[kind])
    y = tf.constant(np.random.default_rng(0).uniform(0, 4, (5, *store.event_shape)), tf.float32)
    sources = [[y, *model.trainable_variables] for model in (store, recompute)]

    def gradients(model, sources):
        with tf.GradientTape() as tape:
            tape.watch(y)
            log_prob = model.distribution.log_prob(y)
        return tape.gradient(log_prob, sources)

    expected = gradients(store, sources[0])
    close(tf.function(lambda: gradients(recompute, sources[1]), jit_compile=True)(), expected, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("coupling", ["affine", "additive"])
def test_gradients_of_a_deep_flow_adapted_and_trained(coupling, clothes):
    """In float64 weight by weight; in float32 as one vector, over a batch as large as one trains with.

    The derivative of a ReLU jumps. Where its input is within rounding of zero the way back may find it on the other
    side, one unit of millions, and then the gradients of that coupling's weights differ by far more than rounding, as
    those of "store" in float32 and in float64 do (benchmarks/memory.md).
    """
    clothes = clothes[:128]

    def deep(memory, dtype):
        options = {"event_shape": (28, 28, 1), "levels": 1, "steps": 16, "filters": 16, "bins": 256}
        return flow(memory, coupling=coupling, dtype=dtype, **options)

    def gradient(model):
        def function(x):
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(model(x))
            return tape.gradient(loss, [weight.value for weight in model.trainable_variables])

        return tf.function(function, autograph=False)

    flows = {(memory, dtype): deep(memory, dtype) for memory in MEMORY for dtype in ("float32", "float64")}
    gradients = {key: gradient(model) for key, model in flows.items()}
    trained = flows["recompute", "float32"]
    trained.adapt(clothes)
    trained.compile(optimizer=training.adam(), jit_compile=False)
    for epochs in (0, 4):
        if epochs:
            trained.fit(clothes, batch_size=16, epochs=epochs, verbose=0)
        for model in flows.values():
            model.set_weights(trained.get_weights())
        for dtype, count in (("float64", 8), ("float32", 64)):
            x = tf.constant(clothes[:count])
            found, expected = ([np.asarray(g) for g in gradients[memory, dtype](x)] for memory in reversed(MEMORY))
            if dtype == "float64":
                close(found, expected, 1e-10)
            else:
                close([flat(found)], [flat(expected)], 1e-4)


def flat(arrays):
    return np.concatenate([np.ravel(array) for array in arrays])


@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}, {"jit_compile": True}])
def test_fit_moves_every_weight_as_store_does(options):
    store, recompute = pair(bins=None)  # no dequantization noise: XLA draws its own
    x = np.random.default_rng(0).normal(size=(64, 8, 8, 1)).astype(np.float32)
    before = [weight.numpy() for weight in recompute.trainable_variables]
    for model in (store, recompute):
        model.compile(optimizer=keras.optimizers.SGD(1e-4, global_clipnorm=10.0), **{"jit_compile": False, **options})
        history = model.fit(x, epochs=2, batch_size=16, shuffle=False, verbose=0).history
        assert history["loss"][-1] < history["loss"][0]
    moved = [weight.numpy() - old for weight, old in zip(recompute.trainable_variables, before, strict=True)]
    expected = [weight.numpy() - old for weight, old in zip(store.trainable_variables, before, strict=True)]
    assert all(np.abs(change).max() > 0 for change in moved)
    for change, other in zip(moved, expected, strict=True):
        np.testing.assert_allclose(change, other, atol=1e-2 * np.abs(other).max())


def test_the_second_step_does_not_trace(monkeypatch):
    calls, backward = [], Recompute._backward
    monkeypatch.setattr(Recompute, "_backward", lambda *args: calls.append(1) or backward(*args))
    model = flow()
    model.compile(optimizer=training.adam())
    model.fit(examples(model, 64), batch_size=16, epochs=2, verbose=0)
    assert len(calls) == model.levels


def test_mixed_precision():
    store, recompute = pair(dtype="mixed_bfloat16")
    y = tf.constant(np.random.default_rng(0).uniform(0, 4, (5, *store.event_shape)), tf.float32)
    _, expected = log_prob_and_gradients(store, y)
    _, found = log_prob_and_gradients(recompute, y)
    assert found[0].dtype == tf.float32
    same(found[0], expected[0], 1e-6)
    close(found[1], expected[1], 0.1)  # bfloat16 has 8 bits
    recompute.compile(optimizer="adam")
    assert np.isfinite(recompute.fit(examples(recompute, 32), verbose=0).history["loss"][0])


def test_save_and_load_and_configs_from_before(tmp_path):
    model = flow()
    x = examples(model, 32)
    model.adapt(x)
    model.compile(optimizer="adam")
    model.fit(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.memory == loaded.get_config()["memory"] == "recompute"
    np.testing.assert_array_equal(loaded.log_prob(x), model.log_prob(x))
    loaded.fit(x, verbose=0)
    config = model.get_config()
    del config["memory"]
    assert models.Glow.from_config(config).memory == "store"


def test_an_unknown_memory_is_refused():
    with pytest.raises(InputError, match="memory is 'disk'; expected 'store' or 'recompute'"):
        flow("disk")


def test_a_condition_is_refused():
    """The gradient of a condition that is itself computed would be lost."""
    with pytest.raises(InputError, match=r'given a condition stores its activations\. Use memory="store"'):
        models.RealNVP((2,), memory="recompute", conditioning_shape=(1,))


def test_recompute_takes_any_chain_and_goes_back_through_the_inverse():
    """Without weights, nested, of vectors; and the input of a part is really found by `forward`."""

    class Cube(OnePass):
        calls = 0

        def forward_and_log_det(self, x):
            Cube.calls += 1
            y = tf.sign(x) * tf.abs(x) ** (1 / 3)
            return y, -self.inverse_and_log_det(y)[1]

        def inverse_and_log_det(self, y):
            return y**3, tf.reduce_sum(tf.math.log(3 * y**2), axis=-1)

    y = tf.constant([[1.0, -2.0], [0.5, 1.5]], tf.float64)
    results = []
    for chain in (Chain, Recompute):
        bijector = chain([Cube(1), Chain([Cube(1)])])
        with tf.GradientTape() as tape:
            tape.watch(y)
            x, log_det = bijector.inverse_and_log_det(y)
        Cube.calls = 0
        results.append([x, log_det, tape.gradient([x, log_det], y)])
    assert Cube.calls == 2
    for ours, theirs in zip(*results, strict=True):
        same(ours, theirs, 1e-12)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_peak_memory_at_depth_16():
    """ "recompute" takes less than a quarter of what "store" takes; an eighth was seen.

    One level and twice the batch: all levels take as long to trace as each other, and the finest the most memory.
    """
    peaks = []
    for memory in ("store", "recompute"):
        program = "import json, sys; from benchmarks import memory; memory.LEVELS, memory.BATCH = 1, 128; "
        program += "print(json.dumps(memory.measure_peak(*sys.argv[1:])))"
        command = [sys.executable, "-c", program, memory, "16"]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        peaks.append(json.loads(output.splitlines()[-1])["step_mb"])
    assert peaks[0] > 200
    assert peaks[1] < peaks[0] / 4


@pytest.mark.slow
def test_memory_under_xla_hardly_grows_with_depth(tmp_path):
    """By the compiler's own report. XLA knows no control dependencies: without a dependency of data it
    goes back through two scales at once."""
    program = """
import tensorflow as tf
from dgm_tfp import models

for memory in ("store", "recompute"):
    for steps in (2, 6):
        model = models.Glow((16, 16, 1), levels=2, steps=steps, filters=32, memory=memory)

        def gradient(x):
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(model(x))
            return tape.gradient(loss, [weight.value for weight in model.trainable_variables])

        gradient.__name__ = f"{memory}_{steps}"
        tf.function(gradient, autograph=False, jit_compile=True)(tf.zeros((64, 16, 16, 1), tf.uint8))
"""
    flags = f"--xla_dump_to={tmp_path} --xla_dump_hlo_as_text"
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, "XLA_FLAGS": flags})

    def used(memory, steps):
        (report,) = tmp_path.glob(f"*{memory}_{steps}_*memory-usage-report.txt")
        return int(re.match(r"Total bytes used: (\d+)", report.read_text())[1])

    growth = {memory: used(memory, 6) - used(memory, 2) for memory in MEMORY}
    assert 0 < growth["recompute"] < growth["store"] / 4
