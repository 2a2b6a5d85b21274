"""One story over every model: weights, gradients, Jacobian, round trip, freshness, saving, XLA, precision, devices."""

import functools
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from hypothesis import given, settings
from hypothesis import strategies as st

from dgm_tfp import bits, models, training
from dgm_tfp.errors import InputError
from tests import stock
from tests.helpers import brute_force_log_det, randomise, same

tfd = tfp.distributions


def glow(shape=(4, 4, 2), **kwargs):
    return models.Glow(shape, **{"levels": 2, "steps": 2, "filters": 8, "bins": 4, **kwargs})


def maf(event_shape=(4,), kind=models.MAF, **kwargs):
    return kind(event_shape, **{"steps": 3, "hidden": (16, 12), **kwargs})


def iaf(**kwargs):
    """Small: its density is a pass for each dimension, all in one graph."""
    return maf((3,), kind=models.IAF, **{"steps": 2, **kwargs})


def real_nvp(event_shape=(5,), **kwargs):
    return models.RealNVP(event_shape, **{"steps": 3, "hidden": (16,), "filters": 8, **kwargs})


MODELS = {
    "affine": glow,
    "additive": lambda **kwargs: glow(coupling="additive", **kwargs),
    "recompute": lambda **kwargs: glow(memory="recompute", **kwargs),
    "standard prior": lambda **kwargs: glow(prior="standard", **kwargs),
    "8x8x1": lambda **kwargs: glow((8, 8, 1), **kwargs),
    "8x8x1 additive": lambda **kwargs: glow((8, 8, 1), coupling="additive", **kwargs),
    "colour, one level": lambda **kwargs: glow((4, 6, 3), levels=1, **kwargs),
    "continuous": lambda **kwargs: glow(**{**kwargs, "bins": None}),
    "maf": maf,
    "maf, random": lambda **kwargs: maf(order="random", degrees="random", activation="tanh", **kwargs),
    "maf of bytes, learned prior": lambda **kwargs: maf(**{"bins": 4, "prior": "learned", "actnorm": False, **kwargs}),
    "maf given c": lambda **kwargs: maf(conditioning_shape=(2,), **kwargs),
    "maf, spline": lambda **kwargs: maf(transform="spline", spline_bins=4, **kwargs),
    "maf of flat pixels": lambda **kwargs: maf(**{"bins": 4, "logit_alpha": 0.05, **kwargs}),
    "iaf": iaf,
    "iaf given c": lambda **kwargs: iaf(conditioning_shape=(2,), **kwargs),
    "real_nvp": real_nvp,
    "real_nvp additive, random": lambda **kwargs: real_nvp(coupling="additive", masks="random", **kwargs),
    "real_nvp, spline": lambda **kwargs: real_nvp(coupling="spline", spline_bins=5, **kwargs),
    "real_nvp given c": lambda **kwargs: real_nvp(conditioning_shape=(2,), prior="learned", **kwargs),
    "real_nvp of images": lambda **kwargs: real_nvp((4, 4, 2), **{"steps": 2, "bins": 4, **kwargs}),
    "real_nvp recompute": lambda **kwargs: real_nvp(memory="recompute", masks="random", **kwargs),
    "real_nvp of images, recompute": lambda **kwargs: real_nvp((4, 4, 2), memory="recompute", **{"bins": 4, **kwargs}),
    "nice of images": lambda **kwargs: real_nvp((4, 6, 1), levels=1, coupling="additive", **{"bins": 4, **kwargs}),
}
every_model = pytest.mark.parametrize("name", MODELS)
# One of each kind, for what takes seconds.
KINDS = ["affine", "maf", "maf given c", "iaf", "real_nvp", "real_nvp of images"]
each_kind = pytest.mark.parametrize("name", KINDS)


def examples(model, n=6, seed=0):
    rng = np.random.default_rng(seed)
    if model.bins:
        x = rng.integers(model.bins, size=(n, *model.event_shape)).astype(np.uint8)
    else:
        x = rng.normal(size=(n, *model.event_shape)).astype(np.float32)
    return x if model.conditioning_shape is None else (x, condition(model, n).astype(np.float32))


def condition(model, n=3):
    """Conditioning vectors, or None for a model that takes none."""
    if model.conditioning_shape is None:
        return None
    return np.random.default_rng(1).normal(size=(n, *model.conditioning_shape)).astype(model.variable_dtype)


def points(model, n=3, seed=0):
    """Points of the continuous space on which the distribution lives."""
    dtype = model.variable_dtype
    return tf.constant(np.random.default_rng(seed).uniform(0, model.bins or 1, (n, *model.event_shape)), dtype)


@every_model
def test_log_prob_is_the_change_of_variables(name):
    model = MODELS[name](dtype="float64")
    randomise(model)
    y = points(model)
    log_prob = model.distribution_given(condition(model)).log_prob(y)
    inverse = model.bijector_given(condition(model)).inverse
    same(log_prob, model.base.log_prob(inverse(y)) + brute_force_log_det(inverse, y), 1e-8)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 2),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from(["affine", "additive"]),
    st.integers(0, 2**16),
)
def test_change_of_variables_over_shapes(levels, height, width, channels, coupling, seed):
    shape = (height * 2**levels, width * 2**levels, channels)
    model = models.Glow(shape, levels, steps=1, filters=4, coupling=coupling, bins=4, dtype="float64", seed=seed)
    randomise(model, seed=seed)
    y = points(model, n=2, seed=seed)
    z = model.bijector.inverse(y)
    same(model.bijector.forward(tf.identity(z)), y, 1e-8)
    if model.event_size <= 144:  # the brute force costs the cube of it
        expected = model.base.log_prob(z) + brute_force_log_det(model.bijector.inverse, y)
        same(model.distribution.log_prob(y), expected, 1e-8)


@every_model
def test_round_trip_in_float32(name):
    model = MODELS[name]()
    randomise(model, scale=0.1)
    scale = model.bins or 1
    y = points(model, n=20)
    bijector = model.bijector_given(condition(model, 20))
    z = bijector.inverse(y)
    assert z.dtype == tf.float32
    assert np.abs(z - y).max() > 0.1  # it does something
    same(bijector.forward(tf.identity(z)) / scale, y / scale, 1e-5)


@pytest.mark.parametrize("coupling", ["affine", "additive"])
@pytest.mark.parametrize("shape", [(4, 4, 2), (8, 8, 1), (8, 8, 3)])
def test_equals_stock_tfp_bijectors(shape, coupling):
    model = glow(shape, coupling=coupling, dtype="float64")
    randomise(model)
    y = points(model)
    results = {}
    for name in ("ours", "stock"):
        with tf.GradientTape() as tape:
            tape.watch(y)
            distribution = model.distribution if name == "ours" else stock.distribution(model)
            log_prob = distribution.log_prob(y)
        gradients = tape.gradient(log_prob, [y, *model.trainable_variables])
        bijector = distribution.bijector
        results[name] = [
            log_prob,
            bijector.inverse(y),
            bijector.forward(tf.identity(bijector.inverse(y))),
            bijector.inverse_log_det_jacobian(tf.identity(y), event_ndims=3),
            bijector.forward_log_det_jacobian(tf.identity(y), event_ndims=3),
            *map(tf.convert_to_tensor, gradients),
        ]
    assert len(results["ours"]) == len(results["stock"]) == 6 + len(model.trainable_variables)
    for ours, theirs in zip(results["ours"], results["stock"], strict=True):
        same(ours / np.abs(theirs).max(), theirs / np.abs(theirs).max(), 1e-10)


@every_model
def test_every_weight_is_counted_and_gets_a_gradient(name):
    model = MODELS[name]()
    assert len(model.trainable_variables) == _weights(model)
    randomise(model)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(examples(model)))
    for weight, gradient in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True):
        assert gradient is not None, weight.path
        assert np.abs(gradient).max() > 0, weight.path


def _weights(model):
    """How many weights there should be."""
    prior = 2 if model.prior == "learned" else 0
    if isinstance(model, models.Glow):
        per_step = 2 + 1 + 6  # ActNorm, the 1x1 convolution, three convolutions with biases
        return model.levels * model.steps * per_step + prior
    actnorm = 2 if model.actnorm else 0
    if isinstance(model, models.MAF):
        context = len(model.hidden) if model.conditioning_shape else 0
        return model.steps * (actnorm + 2 * (len(model.hidden) + 1) + context) + prior
    if len(model.event_shape) == 1:
        return model.steps * (actnorm + 2 * (len(model.hidden) + 1)) + prior
    return (2 * model.levels - 1) * model.steps * (actnorm + 6) + prior


@every_model
def test_fit_moves_every_weight_and_the_same_tensor_is_scored_anew(name):
    model = MODELS[name]()
    x = examples(model, 64)
    model.adapt(x)
    before = [weight.numpy() for weight in model.trainable_variables]
    y, c = points(model), condition(model)
    kept = model.distribution_given(c)
    log_prob, log_prob_kept = model.distribution_given(c).log_prob(y).numpy(), kept.log_prob(y).numpy()
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    history = model.fit(x, epochs=2, batch_size=16, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    for old, weight in zip(before, model.trainable_variables, strict=True):
        assert np.abs(old - weight.numpy()).max() > 0, weight.path

    # TFP's cache, keyed by the tensor's identity, would return the old number
    fresh = MODELS[name]()
    fresh.set_weights(model.get_weights())
    expected = fresh.distribution_given(c).log_prob(tf.identity(y)).numpy()
    assert np.abs(expected - log_prob).max() > 1e-2
    same(model.distribution_given(c).log_prob(y), expected, 1e-6)
    same(kept.log_prob(y), expected, 1e-6)
    same(log_prob, log_prob_kept, 0)


def test_loss_is_the_mean_nll_and_bits_per_dim_is_a_metric():
    model = glow()
    randomise(model)
    model.compile(optimizer="adam")
    x = examples(model, 20)
    result = model.evaluate(x, batch_size=20, verbose=0, return_dict=True)
    log_prob = model.predict(x, batch_size=20, verbose=0)
    assert result["loss"] == pytest.approx(-log_prob.mean(), rel=1e-5)
    assert result["bits_per_dim"] == pytest.approx(bits.bits_per_dim(log_prob, 32).mean(), rel=1e-5)


def test_fit_takes_datasets_with_labels_weights_and_callbacks(tmp_path):
    model = glow()
    x = examples(model, 40)
    data = tf.data.Dataset.from_tensor_slices((x, np.zeros(40), np.ones(40))).batch(16)
    model.compile(optimizer="adam")
    log = tmp_path / "log.csv"
    history = model.fit(data, validation_data=data, epochs=2, verbose=0, callbacks=[keras.callbacks.CSVLogger(log)])
    assert {"loss", "bits_per_dim", "val_loss", "val_bits_per_dim"} <= set(history.history)
    assert len(log.read_text().splitlines()) == 3


def test_a_loss_and_metrics_of_the_user_get_x_and_log_prob():
    def brightness(x, log_prob):
        return keras.ops.mean(keras.ops.cast(x, "float32"), axis=(1, 2, 3)) + 0 * log_prob

    model = glow()
    x = examples(model, 16)
    model.compile(optimizer="adam", loss=lambda x, log_prob: -2 * log_prob, metrics=[brightness])
    result = model.evaluate(x, verbose=0, return_dict=True)
    assert result["brightness"] == pytest.approx(x.mean(), rel=1e-5)
    assert result["loss"] == pytest.approx(-2 * model.predict(x, verbose=0).mean(), rel=1e-5)
    assert np.isfinite(model.fit(x, verbose=0).history["brightness"]).all()


@pytest.mark.parametrize("options", [{"run_eagerly": True}, {"steps_per_execution": 2}, {"metrics": []}])
def test_fit_as_with_any_keras_model(options):
    model = glow()
    x = examples(model, 32)
    model.compile(optimizer="adam", **options)
    stopping = keras.callbacks.EarlyStopping(monitor="val_loss", restore_best_weights=True)
    history = model.fit(x, batch_size=8, validation_split=0.25, epochs=2, verbose=0, callbacks=[stopping]).history
    assert {"loss", "val_loss", "bits_per_dim", "val_bits_per_dim"} <= set(history)
    assert keras.models.clone_model(model).get_config()["levels"] == 2
    assert model.predict_on_batch(x[:4]).shape == (4,)


def test_sample_weights_weigh():
    model = glow()
    randomise(model)
    x = examples(model, 8)
    weights = np.array([1.0] * 4 + [0.0] * 4)
    model.compile(optimizer="sgd")
    # Keras drops weights that come without a target, hence the labels
    labels = np.zeros(8)
    weighted = model.evaluate(x, labels, sample_weight=weights, batch_size=8, verbose=0, return_dict=True)
    assert weighted["bits_per_dim"] == pytest.approx(
        bits.bits_per_dim(model.predict(x, batch_size=8, verbose=0)[:4], 32).mean(), rel=1e-5
    )


@each_kind
def test_the_second_step_does_not_trace(name):
    model = MODELS[name]()
    calls = []
    x = examples(model, 64)
    schedule = training.WarmUpCosine()
    model.compile(optimizer=training.adam(schedule))

    class Spy(type(model)):
        def distribution_given(self, conditioning):
            calls.append(1)
            return super().distribution_given(conditioning)

    model.__class__ = Spy
    first = keras.tree.map_structure(lambda x: x[:16], x)
    model.fit(first, batch_size=16, verbose=0, callbacks=[training.Budget(60, schedule, progress=False)])
    assert len(calls) == 1  # one trace: the optimizer's weights were made before it
    model.fit(x, batch_size=16, epochs=3, verbose=0)
    model.fit(keras.tree.map_structure(lambda x: x[:60], x), batch_size=16, verbose=0)  # a last batch of 12
    assert len(calls) <= 2
    calls.clear()
    for n in (1, 2, 3):
        model.sample(n, seed=n, conditioning=None if condition(model) is None else condition(model, 1)[0])
    assert len(calls) == 1


@every_model
def test_save_and_load(name, tmp_path):
    model = MODELS[name]()
    x = examples(model, 32)
    model.adapt(x)
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    model.fit(x, verbose=0)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert loaded.get_config() == model.get_config()
    assert bool(loaded.adapted.numpy())
    np.testing.assert_array_equal(loaded.log_prob(x), model.log_prob(x))
    np.testing.assert_array_equal(
        loaded.sample(3, conditioning=condition(model)), model.sample(3, conditioning=condition(model))
    )
    loaded.fit(x, verbose=0)  # the compilation was saved too
    assert int(loaded.optimizer.iterations.numpy()) == int(model.optimizer.iterations.numpy()) + 1


@pytest.mark.slow
def test_load_in_a_new_process_bit_for_bit(tmp_path):
    model = glow()
    randomise(model)
    x = examples(model, 32)
    model.adapt(x)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    program = (
        "import sys, numpy as np, keras, dgm_tfp\n"
        "model = keras.saving.load_model(sys.argv[1] + '/model.keras')\n"
        "assert model.adapted.numpy()\n"
        "np.save(sys.argv[1] + '/log_prob.npy', model.log_prob(np.load(sys.argv[1] + '/x.npy')))\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "log_prob.npy"), model.log_prob(x))


@each_kind
def test_checkpoints_hold_every_weight(name, tmp_path):
    model = MODELS[name]()
    x = examples(model, 32)
    model.adapt(x)
    expected = model.log_prob(x)
    saved = tf.train.Checkpoint(model=model).save(tmp_path / "checkpoint")
    model.compile(optimizer="adam")
    best = keras.callbacks.ModelCheckpoint(tmp_path / "best.weights.h5", save_weights_only=True)
    model.fit(x, verbose=0, callbacks=[best])
    fitted = model.log_prob(x)
    assert np.abs(fitted - expected).max() > 0

    other = MODELS[name](seed=1)
    tf.train.Checkpoint(model=other).restore(saved).assert_existing_objects_matched()
    np.testing.assert_array_equal(other.log_prob(x), expected)
    assert bool(other.adapted.numpy())
    third = MODELS[name](seed=2)
    third.load_weights(tmp_path / "best.weights.h5")
    np.testing.assert_array_equal(third.log_prob(x), fitted)


@each_kind
def test_export_serves_log_prob(name, tmp_path):
    model = MODELS[name]()
    randomise(model)
    x = examples(model, 4)
    specs = keras.tree.map_structure(lambda x: keras.InputSpec(shape=(None, *x.shape[1:]), dtype=str(x.dtype)), x)
    signature = [specs]
    model.export(tmp_path / "served", input_signature=signature, verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    same(served.serve(x), model.predict(x, verbose=0), 1e-5)


def test_adapt_is_done_once_and_makes_the_noise_standard():
    model = glow(bins=None, dtype="float64")
    rng = np.random.default_rng(0)
    x = rng.normal(5, 3, (400, *model.event_shape))
    identity = model.distribution.log_prob(x[:2]).numpy()
    model.adapt(x)
    z = model.bijector.inverse(tf.constant(x)).numpy()
    assert abs(z.mean()) < 0.1
    assert z.std() == pytest.approx(1, abs=0.1)
    after = model.distribution.log_prob(x[:2]).numpy()
    assert (after > identity).all()
    model.adapt(10 * x)
    same(model.distribution.log_prob(x[:2]), after, 0)
    model.adapt(10 * x, force=True)
    assert np.abs(model.distribution.log_prob(x[:2]) - after).max() > 1


def test_adapt_takes_a_dataset():
    model, other = glow(), glow()
    x = examples(model, 40)
    model.adapt(x)
    other.adapt(tf.data.Dataset.from_tensor_slices((x, np.zeros(40))).batch(7))
    same(model.log_prob(x), other.log_prob(x), 1e-6)


@every_model
def test_xla_gives_the_same(name):
    model = MODELS[name]()
    randomise(model)
    y = points(model)
    compiled = tf.function(lambda y: model.distribution_given(condition(model)).log_prob(y), jit_compile=True)
    same(compiled(y), model.distribution_given(condition(model)).log_prob(y), 1e-4)
    z = model.base.sample(3, seed=1)  # XLA has random numbers of its own, so both start from these
    bijector = model.bijector_given(condition(model))
    same(tf.function(bijector.forward, jit_compile=True)(z), bijector.forward(z), 1e-3)


@each_kind
def test_fit_with_xla(name):
    model = MODELS[name]()
    x = examples(model, 32)
    model.compile(optimizer=training.adam(), jit_compile=True)
    assert np.isfinite(model.fit(x, batch_size=16, verbose=0).history["loss"][0])


@each_kind
@pytest.mark.parametrize("source", ["policy", "argument"])
def test_mixed_precision_keeps_densities_in_float32(name, source, tmp_path):
    if source == "policy":
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = MODELS[name](dtype=None if source == "policy" else "mixed_bfloat16")
    keras.mixed_precision.set_global_policy("float32")
    full = MODELS[name]()
    randomise(full)
    model.set_weights(full.get_weights())
    assert {layer.compute_dtype for layer in model._flatten_layers()} == {"float32", "bfloat16"}
    x = examples(model, 32)
    log_prob = model(x)
    assert log_prob.dtype == tf.float32
    assert 1e-6 < np.abs(log_prob - full(x)).max() < 5  # it differs, as bfloat16 does, and not by more
    model.compile(optimizer="adam")
    assert np.isfinite(model.fit(x, verbose=0).history["loss"][0])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


@functools.cache
def _two_devices():
    """One for all tests: collective operations of a second one in the same process get in the way of the first."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.mark.slow
@pytest.mark.parametrize("name", [*KINDS, "recompute"])
def test_two_devices_give_the_loss_of_one(name):
    x = examples(MODELS[name](bins=None), 32)  # real data: no dequantization noise, which differs between devices
    losses = []
    for strategy in (tf.distribute.get_strategy(), _two_devices()):
        with strategy.scope():
            model = MODELS[name](seed=3, bins=None)
            randomise(model)
            model.compile(optimizer=keras.optimizers.SGD(1e-4), jit_compile=False)
        # predict, not evaluate: Keras 3.8 averages metrics over devices wrongly
        losses.append(-model.predict(x, batch_size=16, verbose=0).mean())
        model.fit(x, batch_size=16, epochs=2, shuffle=False, verbose=0)
        losses.append(-model.predict(x, batch_size=16, verbose=0).mean())
    assert losses[2] == pytest.approx(losses[0], rel=1e-5)
    assert losses[3] == pytest.approx(losses[1], rel=1e-5)
    assert losses[1] < losses[0]


def test_decompose_sums_to_log_prob():
    model = glow()
    randomise(model)
    x = examples(model, 10)
    parts = model.decompose(x, batch_size=4)
    assert parts.log_p_z.shape == parts.log_volume.shape == (10,)
    same(parts.log_p_z + parts.log_volume, model.log_prob(x, batch_size=4), 1e-5)
    same(parts.log_prob, parts.log_p_z + parts.log_volume, 0)
    assert np.std(parts.log_volume) > 1e-3


def test_additive_coupling_has_constant_volume():
    model = glow(coupling="additive")
    randomise(model)
    volume = model.decompose(examples(model, 10)).log_volume
    assert volume.shape == (10,)
    assert np.ptp(volume) == 0


def test_distribution_is_a_tfd_distribution_with_any_batch_axes():
    model = glow()
    randomise(model)
    distribution = model.distribution
    assert isinstance(distribution, tfd.TransformedDistribution)
    assert distribution.event_shape == model.event_shape
    sample = distribution.sample((2, 3), seed=1)
    assert sample.shape == (2, 3, *model.event_shape)
    log_prob = distribution.log_prob(sample)
    assert log_prob.shape == (2, 3)
    same(distribution.log_prob(sample[1, 2]), log_prob[1, 2], 1e-4)
    y, log_prob = distribution.experimental_sample_and_log_prob(5, seed=2)
    same(distribution.log_prob(y), log_prob, 1e-3)
    assert tfd.Independent(distribution, 0).sample().shape == model.event_shape


def test_samples_are_data():
    model = glow()
    sample = model.sample(5, seed=1)
    assert (sample.shape, sample.dtype) == ((5, 4, 4, 2), np.uint8)
    assert sample.max() <= 3
    np.testing.assert_array_equal(sample, model.sample(5, seed=1))
    assert (model.sample(5, seed=2) != sample).any()
    assert glow(bins=None).sample(2).dtype == np.float32


def test_bits_per_dim_integrates():
    """Over all 16 images of 1x2x1 with 4 grey levels the probabilities add up to 1, less what lies outside [0, 4)^2."""
    model = models.Glow((1, 2, 1), levels=1, steps=4, filters=32, bins=4, seed=1)
    rng = np.random.default_rng(0)
    first = rng.integers(4, size=4000)
    x = (
        np.stack([first, np.clip(first + rng.integers(-1, 2, 4000), 0, 3)], axis=1)
        .reshape(-1, 1, 2, 1)
        .astype(np.uint8)
    )
    model.adapt(x)
    model.compile(optimizer=keras.optimizers.Adam(5e-3))
    model.fit(x, batch_size=200, epochs=30, verbose=0)
    everything = np.indices((4, 4)).reshape(2, -1).T.reshape(16, 1, 2, 1).astype(np.uint8)

    # the bound: the mean of the bits over many draws of the noise. By Jensen the sum cannot exceed 1.
    repeated = np.repeat(everything, 2000, axis=0)
    bound = 2 * model.bits_per_dim(repeated, batch_size=4000).reshape(16, 2000).mean(1)
    total_bound = (2.0**-bound).sum()
    # many draws inside the logarithm: the integral itself
    exact = 2 * model.bits_per_dim(repeated, samples=20, batch_size=4000).reshape(16, 2000)
    total = (2.0**-exact).mean(1).sum()
    assert 0.5 < total_bound < total
    y = model.distribution.sample(40_000, seed=1).numpy()
    inside = ((y >= 0) & (y < 4)).all(axis=(1, 2, 3)).mean()
    assert total == pytest.approx(inside, abs=0.01)
    assert 0.95 < total < 1.005
    counts = np.bincount(4 * x[:, 0, 0, 0] + x[:, 0, 1, 0], minlength=16) / len(x)
    likely = counts > 0.05
    assert likely.any()
    np.testing.assert_allclose((2.0**-exact).mean(1)[likely], counts[likely], rtol=0.35)  # and it has learned


def test_more_dequantization_samples_tighten_the_bound():
    model = glow()
    randomise(model)
    x = examples(model, 50)
    one, many = model.bits_per_dim(x), model.bits_per_dim(x, samples=20)
    assert many.mean() < one.mean()


def test_log_prob_is_reproducible_and_noise_matters():
    model = glow()
    randomise(model)
    x = examples(model, 10)
    np.testing.assert_array_equal(model.log_prob(x), model.log_prob(x))
    np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(x, verbose=0))
    assert (model.log_prob(x, seed=1) != model.log_prob(x)).all()


@pytest.mark.slow
def test_learns_real_images(clothes):
    model = models.Glow((28, 28, 1), levels=2, steps=2, filters=16)
    model.adapt(clothes)
    before = model.bits_per_dim(clothes[:100]).mean()
    model.compile(optimizer=training.adam())
    model.fit(clothes, batch_size=32, epochs=4, verbose=0)
    after = model.bits_per_dim(clothes[:100]).mean()
    noise = np.random.default_rng(0).integers(256, size=(100, 28, 28, 1)).astype(np.uint8)
    assert after < before - 0.3
    assert (
        after < 7 < 8 <= model.bits_per_dim(noise).mean() + 0.01
    )  # 8 bits are uniform noise's entropy: no model beats it


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        (
            {"event_shape": (28, 28, 1), "levels": 3},
            r"Glow halves the image 3 times: \(28, 28, 1\) is not divisible by 8. Use levels=2, or pad to 32x32.",
        ),
        ({"event_shape": (27, 27, 1), "levels": 1}, r"\(27, 27, 1\) is not divisible by 2. Pad to 28x28."),
        ({"event_shape": (1, 5, 1), "levels": 1}, r"\(1, 5, 1\) is not divisible by 2. Pad to 1x6."),
        ({"event_shape": (1, 1, 3), "levels": 1}, r"\(1, 1, 3\) is not divisible by 2. Pad to 2x2."),
        ({"event_shape": (28, 28)}, r"Glow models images of \(height, width, channels\), got event_shape=\(28, 28\)"),
        ({"event_shape": (0, 4, 1)}, "every axis must be 1 or more"),
        ({"levels": 0}, "Glow got levels=0; expected 1 or more"),
        ({"steps": 0}, "Glow got steps=0; expected 1 or more"),
        ({"coupling": "cubic"}, "coupling is 'cubic'; expected 'affine' or 'additive'"),
        ({"prior": "flat"}, "prior is 'flat'; expected 'standard' or 'learned'"),
    ],
)
def test_construction_errors(kwargs, words):
    with pytest.raises(InputError, match=words):
        models.Glow(**kwargs)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((2, 4, 4, 2), np.float32), "models integers 0..3, got float32. Pass the bytes, not scaled floats"),
        (np.zeros((2, 4, 4, 1), np.uint8), r"models examples of shape \(4, 4, 2\), got a batch of \(2, 4, 4, 1\)"),
        (np.zeros((0, 4, 4, 2), np.uint8), "got no examples"),
        (np.full((2, 4, 4, 2), 9, np.uint8), "models integers 0..3, got values from 9 to 9"),
        (np.full((2, 4, 4, 2), np.nan, np.float32), "got NaN or infinite values"),
    ],
)
def test_data_errors(x, words):
    for method in ("log_prob", "adapt", "decompose"):
        with pytest.raises(InputError, match=words):
            getattr(glow(), method)(x)


def test_fit_on_floats_says_what_is_wrong():
    model = glow()
    model.compile(optimizer="adam")
    with pytest.raises(ValueError, match="Pass the bytes, not scaled floats"):
        model.fit(np.zeros((2, 4, 4, 2), np.float32), verbose=0)
