"""Autoencoders: what is known of linear ones and of Gaussian data, the score of mixtures, Langevin dynamics."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import linalg, special

from dgm_tfp import data, training
from dgm_tfp.errors import InputError
from dgm_tfp.models import Autoencoder, DenoisingAutoencoder
from tests.helpers import same


def plain(event_shape=(5,), **kwargs):
    return Autoencoder(event_shape, **{"code": 3, "hidden": (8, 6), **kwargs})


def images(**kwargs):
    return plain((4, 3, 2), **{"bins": 4, **kwargs})


def denoising(event_shape=(5,), **kwargs):
    return DenoisingAutoencoder(event_shape, **{"code": 3, "hidden": (8, 6), "sigma": 0.5, **kwargs})


def denoising_images(**kwargs):
    return denoising((4, 3, 2), **{"bins": 4, **kwargs})


MODELS = {f.__name__: f for f in (plain, images, denoising, denoising_images)}
every_model = pytest.mark.parametrize("name", MODELS)


def examples(model, n=6, seed=0):
    rng = np.random.default_rng(seed)
    if model.bins:
        return rng.integers(model.bins, size=(n, *model.event_shape)).astype(np.uint8)
    return rng.normal(size=(n, *model.event_shape)).astype(np.float32)


def trained(model, x, updates, peak, batch_size=256):
    schedule = training.WarmUpCosine(peak)
    model.compile(optimizer=training.adam(schedule))
    budget = training.Budget(schedule=schedule, progress=False, updates=updates)
    training.fit(model, training.batches(x.astype(model.variable_dtype), batch_size, 0), budget)
    return model


@every_model
def test_every_weight_gets_a_gradient_and_moves(name):
    model = MODELS[name]()
    x = tf.constant(examples(model, 64))
    assert len(model.trainable_variables) == 2 * 2 * 3
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, None, model(x))
    for weight, gradient in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True):
        assert np.abs(gradient).max() > 0, weight.path
    before = [weight.numpy() for weight in model.trainable_variables]
    scores = model.scores(x)
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    history = model.fit(x, epochs=4, batch_size=16, verbose=0).history["loss"]
    assert history[-1] < history[0]
    for old, weight in zip(before, model.trainable_variables, strict=True):
        assert np.abs(old - weight.numpy()).max() > 0, weight.path
    assert np.abs(model.scores(x)["rmse"] - scores["rmse"]).max() > 1e-3  # nothing kept from before the training


@every_model
def test_save_and_load_bit_for_bit(name, tmp_path):
    model = MODELS[name]()
    x = examples(model, 32)
    model.compile(optimizer="adam")
    model.fit(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    for ours, theirs in ((model.encode(x), loaded.encode(x)), (model.sample(5, seed=2), loaded.sample(5, seed=2))):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    loaded.fit(x, verbose=0)  # the compilation was saved too
    other = MODELS[name](seed=1)
    saved = tf.train.Checkpoint(model=model).save(tmp_path / "checkpoint")
    tf.train.Checkpoint(model=other).restore(saved).assert_existing_objects_matched()
    np.testing.assert_array_equal(other.sample(5, seed=2), model.sample(5, seed=2))


@every_model
def test_mixed_precision_and_xla(name):
    full, mixed = MODELS[name](), MODELS[name](dtype="mixed_bfloat16")
    mixed.set_weights(full.get_weights())
    x = examples(full, 16)
    y = full.predict(x, verbose=0)
    assert mixed(x).dtype == tf.float32
    assert 1e-6 < np.abs(mixed.predict(x, verbose=0) - y).max() < 0.2
    units = full.to_unit(tf.constant(x))
    same(tf.function(full._error, jit_compile=True)(units), full.squared_errors(x), 1e-4)
    mixed.compile(optimizer="adam", jit_compile=True)
    assert np.isfinite(mixed.fit(x, verbose=0).history["loss"][0])


@every_model
def test_the_second_step_does_not_trace(name):
    model = MODELS[name]()
    x, calls = examples(model, 64), []

    class Spy(type(model)):
        def call(self, x, training=False):
            calls.append(1)
            return super().call(x, training)

    model.__class__ = Spy
    model.compile(optimizer="adam")
    model.fit(x, batch_size=16, epochs=3, verbose=0)
    assert len(calls) == 1


def test_errors_are_in_units_of_pixels_from_0_to_1():
    model = images()
    x = examples(model, 20)
    y = model.reconstruct(x)
    assert (y.dtype, y.shape) == (np.uint8, x.shape)
    f = model.predict(x, verbose=0)
    same(np.clip(f * 3, 0, 3).round(), y, 0)
    error = ((f - x / 3.0) ** 2).sum(axis=(1, 2, 3))
    scores = model.scores(x)
    same(scores["negative_error"], -error, 1e-5)
    same(scores["rmse"], np.sqrt(error / 24), 1e-5)
    model.compile(optimizer="adam")
    assert model.evaluate(x, batch_size=20, verbose=0) == pytest.approx(error.mean(), rel=1e-5)
    same(model.decode(model.encode(x)), y, 0)


def gaussian(n, eigenvalues, seed=0):
    """Centred vectors whose covariance has exactly these eigenvalues, and its eigenvectors in columns."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, len(eigenvalues)))
    x -= x.mean(axis=0)
    white = x @ linalg.inv(linalg.cholesky(x.T @ x / n))
    axes = linalg.qr(rng.normal(size=(len(eigenvalues),) * 2))[0]
    return (white * np.sqrt(eigenvalues)) @ axes.T, axes


def test_a_linear_autoencoder_spans_the_principal_subspace():
    """Baldi & Hornik (1989): the best code spans it, and the error is the sum of the eigenvalues left out."""
    x, axes = gaussian(1000, [4.0, 2.0, 0.5, 0.2, 0.1])
    model = trained(Autoencoder((5,), code=2, hidden=(), dtype="float64"), x, 1500, 0.02, batch_size=1000)
    span = model.decode(np.eye(2)) - model.decode(np.zeros((2, 2)))
    angles = linalg.subspace_angles(span.T, axes[:, :2])
    assert np.rad2deg(angles).max() < 0.5
    assert np.rad2deg(linalg.subspace_angles(span.T, axes[:, 2:4])).max() > 80  # the test can fail
    assert model.squared_errors(x).mean() == pytest.approx(0.5 + 0.2 + 0.1, rel=1e-3)


def test_codes_are_gaussian_as_fitted_and_tracked():
    x, _ = gaussian(4000, [4.0, 2.0, 0.5])
    model = Autoencoder((3,), code=2, hidden=(), dtype="float64")
    with pytest.raises(InputError, match=r"has seen no data, so nothing is known of its codes. Call fit, or fit_codes"):
        model.sample(3)
    model.fit_codes(x)
    z = model.encode(x)
    same(model.codes.mean(), z.mean(axis=0), 1e-9)
    same(model.codes.covariance(), np.cov(z.T, bias=True), 1e-4)
    drawn = model.sample(20_000, seed=1)
    expected = model.decode(z)
    same(np.cov(drawn.T), np.cov(expected.T), 0.06 * np.trace(np.cov(expected.T)))
    np.testing.assert_array_equal(model.sample(5, seed=3), model.sample(5, seed=3))

    other = Autoencoder((3,), code=2, hidden=(), dtype="float64")
    other.set_weights(model.get_weights()[: len(other.get_weights())])
    other.code_updates.assign(0.0)
    other.compile(optimizer=keras.optimizers.SGD(0.0))
    other.fit(x, batch_size=500, epochs=1, shuffle=False, verbose=0)  # eight batches: a plain average so far
    same(other.codes.mean(), z.mean(axis=0), 1e-9)
    same(other.codes.covariance(), np.cov(z.T, bias=True), 1e-4)


def test_a_linear_denoiser_of_a_gaussian_is_known():
    """f(y) = s^2 y / (s^2 + sigma^2) along each axis, and score(y) = -y / (s^2 + sigma^2)."""
    variances, sigma = np.array([1.0, 0.25]), 0.5
    x, axes = gaussian(20_000, variances)
    model = DenoisingAutoencoder((2,), sigma=sigma, code=2, hidden=(), dtype="float64")
    trained(model, x, 1500, 0.02, batch_size=2000)
    y = np.random.default_rng(1).normal(size=(200, 2))
    expected = (y @ axes) / -(variances + sigma**2) @ axes.T
    assert _relative_error(model.score(y), expected) < 0.03
    drawn = model.sample(4000, seed=2, steps=400, rate=0.1)
    spread = np.var(drawn @ axes, axis=0)
    smoothed = variances + sigma**2
    same(spread / (smoothed / (1 - 0.1 * sigma**2 / (4 * smoothed))), [1, 1], 0.07)
    denoised = model.sample(4000, seed=2, steps=400, rate=0.1, denoised=True)
    same(denoised, model.reconstruct(drawn), 1e-6)


def _relative_error(ours, theirs):
    return np.sqrt(((ours - theirs) ** 2).sum() / (theirs**2).sum())


CENTRES = 2 * np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=1)


def exact_score(y, variance):
    """Of eight Gaussians of that variance: the score of the smoothed mixture is that of a wider one."""
    to_centre = CENTRES - y[:, None]
    weight = special.softmax(-(to_centre**2).sum(axis=2) / (2 * variance), axis=1)
    return (weight[..., None] * to_centre).sum(axis=1) / variance


@pytest.mark.slow
def test_the_score_of_eight_gaussians():
    x, sigma = data.load("eight_gaussians", "train", verbose=False).images, 0.3
    model = trained(DenoisingAutoencoder((2,), sigma=sigma), x, 1500, 3e-3, batch_size=512)
    rng = np.random.default_rng(0)
    held_out = data.load("eight_gaussians", "test", verbose=False).images
    y = held_out + sigma * rng.standard_normal(held_out.shape).astype(np.float32)
    ours, variance = model.score(y), 0.2**2 + sigma**2
    theirs = exact_score(y, variance)
    cosine = (ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert _relative_error(ours, theirs) < 0.15
    assert cosine.mean() > 0.98
    # Not the score of the data themselves, of which it is 0.04 / 0.13 near a mode.
    assert _relative_error(ours, exact_score(y, 0.2**2)) > 0.6

    distance = np.linalg.norm(model.sample(2000, seed=1)[:, None] - CENTRES, axis=2)
    assert np.mean(distance.min(axis=1) ** 2) / 2 == pytest.approx(variance, rel=0.12)
    assert np.bincount(distance.argmin(axis=1), minlength=8).min() > 100  # none is empty


def test_noise_is_new_at_every_step_and_the_same_in_evaluation():
    model = denoising()
    x = examples(model)
    same(model(x), model(x), 0)
    assert np.abs(model(x, training=True) - model(x, training=True)).max() > 1e-3
    assert np.abs(model(x) - model.reconstruct(x)).max() > 1e-3
    same(model.score(x), (model.reconstruct(x) - x) / 0.25, 1e-5)


def test_langevin_from_a_start():
    model = denoising_images()
    x = examples(model, 3)
    assert model.sample(3, start=x, steps=2).dtype == np.uint8
    one, same_one, other = (model.sample(3, start=x, seed=seed, steps=2, denoised=False) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same_one)
    assert (one != other).any()
    with pytest.raises(InputError, match="got 3 examples to start from and n=4"):
        model.sample(4, start=x)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: plain(code=0), "Autoencoder got code=0; expected 1 or more"),
        (lambda: plain(conditioning_shape=(2,)), "Autoencoder takes no conditioning"),
        (lambda: denoising(sigma=0), "sigma is 0; expected a positive"),
        (lambda: plain().decode(np.zeros((2, 4))), r"codes of 3 numbers, got \(2, 4\). Pass \(n, code\)"),
        (lambda: images().encode(np.zeros((2, 4, 3, 2))), "models integers 0..3, got float64"),
        (lambda: plain().encode(np.zeros((2, 4))), r"examples of shape \(5,\), got a batch of \(2, 4\)"),
        (lambda: denoising().sample(2, rate=5.0), "rate=5.0; expected steps of 0 or more and a rate between 0 and 4"),
    ],
)
def test_errors(make, words):
    with pytest.raises(InputError, match=words):
        make()
