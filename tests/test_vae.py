"""The VAE: the story of tests/test_models.py, and what its bounds are bounds of."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from dgm_tfp import bits, laws, models, plots, profiles, training
from dgm_tfp.errors import InputError
from dgm_tfp.models import registry
from tests.helpers import randomise, same


def vae(event_shape=(4, 4, 1), **kwargs):
    sizes = {"latent": 3, "hidden": (12,), "filters": 4, "levels": 1, "prior_steps": 2, "prior_hidden": (8,)}
    return models.VAE(event_shape, **{**sizes, "bins": 4, **kwargs})


VAES = {
    "bits": lambda **kwargs: vae((6,), bins=2, **kwargs),
    "bernoulli of levels": lambda **kwargs: vae(likelihood="bernoulli", network="dense", kl="monte_carlo", **kwargs),
    "colours": lambda **kwargs: vae((4, 6, 3), **kwargs),
    "mixture, two halvings": lambda **kwargs: vae((4, 4, 1), components=2, **{"levels": 2, **kwargs}),
    "categorical": lambda **kwargs: vae(likelihood="categorical", **kwargs),
    "gaussian": lambda **kwargs: vae((5,), **{**kwargs, "bins": None}),
    "real_nvp prior": lambda **kwargs: vae(prior="real_nvp", **kwargs),
    "maf prior": lambda **kwargs: vae((6,), likelihood="logistic", prior="maf", hidden=(8, 7), **kwargs),
}
every_vae = pytest.mark.parametrize("name", VAES)
KINDS = ["bits", "colours", "real_nvp prior"]
each_kind = pytest.mark.parametrize("name", KINDS)


def examples(model, n=6, seed=0):
    rng = np.random.default_rng(seed)
    if model.bins:
        return rng.integers(model.bins, size=(n, *model.event_shape)).astype(np.uint8)
    return rng.normal(size=(n, *model.event_shape)).astype(np.float32)


def known(model, x):
    """The data on the side of the distributions."""
    return model.to_continuous(tf.constant(x), (0, 1))


@every_vae
def test_the_call_is_the_formula_of_the_elbo(name):
    model = VAES[name](dtype="float64")
    randomise(model)
    x = known(model, examples(model))
    q = model.posterior(x)
    z = q.sample(seed=(1, 2))
    reconstruction, kl = model.reconstruction_and_kl(x, (1, 2))
    same(reconstruction, model.likelihood(z).log_prob(x), 1e-12)
    expected = tfd.kl_divergence(q, model.prior) if model.kl == "analytic" else q.log_prob(z) - model.prior.log_prob(z)
    same(tf.reduce_sum(kl, axis=-1), expected, 1e-10)
    assert (q.event_shape, model.prior.event_shape) == ([3], [3])
    assert model.likelihood(z).event_shape == model.event_shape
    assert model.likelihood(model.prior.sample((2, 5), seed=(0, 0))).batch_shape == (2, 5)
    same(model.posterior(x[None]).mean()[0], q.mean(), 1e-12)


@every_vae
def test_every_weight_is_counted_and_gets_a_gradient(name):
    model = VAES[name]()
    dense = 4 * (len(model.hidden) + 1)
    convolutional = 2 * (model.levels + 1) + 2 * (model.levels + 2)
    prior = model.prior_steps * (2 + 2 * 2) if model.prior_name != "gaussian" else 0  # ActNorm; two layers
    expected = (dense if model.network == "dense" else convolutional) + prior + (model.likelihood_name == "gaussian")
    assert len(model.trainable_variables) == expected
    randomise(model)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(tf.constant(examples(model, 32))))
    for weight, gradient in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True):
        assert gradient is not None, weight.path
        assert np.abs(gradient).max() > 0, weight.path


@every_vae
def test_fit_moves_every_weight_and_the_same_tensor_is_scored_anew(name, tmp_path):
    model = VAES[name]()
    x = examples(model, 64)
    before = [weight.numpy() for weight in model.trainable_variables]
    y, kept = known(model, x), model.distribution
    log_prob = kept.log_prob(y).numpy()
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    history = model.fit(x, epochs=4, batch_size=16, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    for old, weight in zip(before, model.trainable_variables, strict=True):
        assert np.abs(old - weight.numpy()).max() > 0, weight.path
    fresh = VAES[name]()
    fresh.set_weights(model.get_weights())
    expected = fresh.distribution.log_prob(tf.identity(y)).numpy()
    assert np.abs(expected - log_prob).max() > 1e-2
    same(kept.log_prob(y), expected, 1e-5)

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded.log_prob(x), model.log_prob(x))
    np.testing.assert_array_equal(loaded.sample(5), model.sample(5))
    loaded.fit(x, verbose=0)  # the compilation was saved too
    assert int(loaded.optimizer.iterations.numpy()) == int(model.optimizer.iterations.numpy()) + 2


def test_checkpoints_hold_every_weight(tmp_path):
    model = VAES["real_nvp prior"]()
    randomise(model)
    x = examples(model)
    saved = tf.train.Checkpoint(model=model).save(tmp_path / "checkpoint")
    other = VAES["real_nvp prior"](seed=1)
    assert (other.log_prob(x) != model.log_prob(x)).all()
    tf.train.Checkpoint(model=other).restore(saved).assert_existing_objects_matched()
    np.testing.assert_array_equal(other.log_prob(x), model.log_prob(x))


@each_kind
def test_the_second_step_does_not_trace(name):
    model, calls = VAES[name](), []

    class Spy(type(model)):
        def likelihood(self, z):
            calls.append(1)
            return super().likelihood(z)

    model.__class__ = Spy
    x = examples(model, 64)
    model.compile(optimizer=training.adam())
    model.fit(x, batch_size=16, epochs=2, verbose=0)
    assert len(calls) == 1
    calls.clear()
    for n in (1, 2, 3):
        model.sample(n, seed=n)
    assert len(calls) == 1
    calls.clear()
    for samples in (3, 4, 50):
        model.importance_weighted(x, samples, seed=samples)
    assert len(calls) == 1


@each_kind
def test_mixed_precision_keeps_densities_in_float32(name):
    model, full = VAES[name](dtype="mixed_bfloat16"), VAES[name]()
    randomise(full)
    model.set_weights(full.get_weights())
    assert {layer.compute_dtype for layer in model._flatten_layers()} == {"float32", "bfloat16"}
    x = examples(model, 32)
    log_prob = model(tf.constant(x))
    assert log_prob.dtype == tf.float32
    assert 1e-6 < np.abs(log_prob - full(tf.constant(x))).max() < 5
    model.compile(optimizer="adam")
    assert np.isfinite(model.fit(x, verbose=0).history["loss"][0])


@each_kind
def test_xla_and_export(name, tmp_path):
    model = VAES[name]()
    x = examples(model, 32)
    model.compile(optimizer=training.adam(), jit_compile=True)
    assert np.isfinite(model.fit(x, batch_size=16, verbose=0).history["loss"][0])
    signature = [keras.InputSpec(shape=(None, *model.event_shape), dtype="uint8")]
    model.export(tmp_path / "served", input_signature=signature, verbose=False)
    served = tf.saved_model.load(tmp_path / "served")  # kept: its variables live as long as it
    model.compile(optimizer="adam", jit_compile=False)
    same(served.serve(x), model.predict(x, batch_size=32, verbose=0), 1e-4)


# Bounds.


def linear(kl="monte_carlo", away=0.0):
    """Factor analysis: the exact log p(x) is that of a normal law, and so is the exact posterior.

    The columns of the loadings are at right angles, so that the dimensions of the posterior are independent. `away`
    shifts q(z | x) from it and widens it.
    """
    model = vae((4,), bins=None, latent=2, hidden=(), kl=kl, dtype="float64")
    randomise(model, scale=0.5)
    sigma, mean = np.exp(laws.bounded(model.log_scale.numpy())), model.decoder.get_weights()[1]
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 2)))
    strength = np.array([1.5, 0.7])
    loadings = (basis * strength).T * sigma
    model.decoder.set_weights([loadings, mean])
    variance = 1 / (1 + strength**2)
    gain = (loadings / sigma**2).T * variance
    log_scale = laws.LIMIT * np.arctanh((np.log(variance) / 2 + away) / laws.LIMIT)
    model.encoder.set_weights([np.hstack([gain, 0 * gain]), np.concatenate([away - mean @ gain, log_scale])])
    return model


def exact(model):
    (loadings, mean), sigma = model.decoder.get_weights(), np.exp(laws.bounded(model.log_scale.numpy()))
    return tfd.MultivariateNormalFullCovariance(mean, loadings.T @ loadings + np.diag(sigma**2))


def test_elbo_below_importance_weighted_below_exact():
    model = linear(away=0.3)
    law = exact(model)
    x = law.sample(20, seed=(0, 0)).numpy()
    repeated = np.repeat(x, 400, axis=0)
    rows = [model.elbo(repeated, seed=1)]
    rows += [model.importance_weighted(repeated, k, batch_size=16_000, seed=2).log_prob for k in (2, 10)]
    rows += [model.importance_weighted(repeated, 100, batch_size=16_000, seed=2).log_prob]
    rows = np.reshape(rows, (4, 20, 400)).mean(axis=1)  # of the 20 examples; 400 independent repetitions
    means, errors = rows.mean(axis=1), rows.std(axis=1) / 20
    truth = law.log_prob(x).numpy().mean()
    for i in range(3):
        assert means[i] + 3 * np.hypot(errors[i], errors[i + 1]) < means[i + 1]
    assert means[3] - 3 * errors[3] < truth
    assert means[0] < truth - 0.1
    assert means[3] == pytest.approx(truth, abs=0.05)


def test_standard_error_is_how_far_the_estimate_is_from_the_exact_value():
    model = linear(away=0.3)
    law = exact(model)
    x = law.sample(300, seed=(3, 0)).numpy()
    estimate = model.importance_weighted(x, samples=2000, batch_size=30_000)
    away = (estimate.log_prob - law.log_prob(x)) / estimate.standard_error
    assert 0.7 < np.sqrt(np.median(away**2) / 0.455) < 1.4  # 0.455: the median of chi^2 of one degree of freedom
    few = model.importance_weighted(x, samples=20)
    assert few.standard_error.mean() > 5 * estimate.standard_error.mean()
    assert np.isnan(model.importance_weighted(x[:2], samples=1).standard_error).all()
    # The same, whatever is held in memory at a time.
    small = model.importance_weighted(x[:3], samples=2000, batch_size=100).log_prob
    same(small, estimate.log_prob[:3], 6 * estimate.standard_error[:3].max())


@pytest.mark.parametrize("kl", ["analytic", "monte_carlo"])
def test_with_the_exact_posterior_the_bound_is_tight(kl):
    model = linear(kl)
    law = exact(model)
    x = law.sample(10, seed=(0, 0)).numpy()
    if kl == "monte_carlo":  # every single draw gives log p(x)
        same(model.elbo(x), law.log_prob(x), 1e-10)
        same(model.importance_weighted(x, 5).log_prob, law.log_prob(x), 1e-10)
        assert model.importance_weighted(x, 5).standard_error.max() < 1e-5
    else:
        same(model.elbo(x, samples=3000), law.log_prob(x), 0.1)


@pytest.mark.parametrize("name", ["bits", "real_nvp prior"])
def test_monte_carlo_kl_is_the_analytic_one_or_its_own_mean(name):
    model = VAES[name](**({"kl": "monte_carlo"} if name == "bits" else {}))
    randomise(model)
    x = np.repeat(examples(model, 1), 4000, axis=0)
    kl = model.decompose(x).kl
    if name == "bits":
        expected = VAES[name](kl="analytic")
        expected.set_weights(model.get_weights())
        expected = expected.decompose(x[:1]).kl[0]
    else:  # with a flow: the integral, by samples of the flow's own side
        q = model.posterior(known(model, x[:1]))
        z = q.sample(20_000, seed=(5, 5))
        expected = tf.reduce_mean(q.log_prob(z) - model.prior_flow.distribution.log_prob(z)).numpy()
    assert kl.std() > 0
    assert kl.mean() == pytest.approx(expected, abs=4 * kl.std() * np.sqrt(1 / 4000 + 1 / 20_000))


@pytest.mark.parametrize("likelihood", ["categorical", "logistic", "bernoulli"])
def test_all_images_of_two_by_two_sum_to_one(likelihood):
    levels = 2 if likelihood == "bernoulli" else 4
    model = vae((2, 2, 1), bins=levels, latent=1, likelihood=likelihood, network="dense", dtype="float64")
    randomise(model.decoder, scale=1.5)
    images = np.array(list(itertools.product(range(levels), repeat=4)), np.uint8).reshape(-1, 2, 2, 1)
    z = np.linspace(-9, 9, 3001)
    weights = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    given = np.exp(model.likelihood(z[:, None, None]).log_prob(images.astype(float)[None]))  # (3001, images)
    mass = weights @ given
    assert mass.sum() == pytest.approx(1, abs=1e-9)
    assert mass.max() > 3 * mass.min()

    estimate = model.importance_weighted(images, samples=512_000 // len(images), batch_size=50_000)
    errors = np.exp(estimate.log_prob) * estimate.standard_error
    assert np.exp(estimate.log_prob).sum() == pytest.approx(1, abs=4 * np.linalg.norm(errors))
    assert 4 * np.linalg.norm(errors) < 0.1
    assert (model.elbo(images, samples=50) < np.log(mass) + 0.05).all()

    counts = np.zeros(len(images))
    sample = model.sample(20_000, seed=1).reshape(-1, 4) @ levels ** np.arange(3, -1, -1)
    np.add.at(counts, sample, 1 / 20_000)
    same(counts, mass, 0.015)


# The loss.


def test_beta_and_free_bits_change_the_loss_and_not_the_bound():
    plain, x = vae(), examples(vae(), 32)
    randomise(plain)
    posterior = plain.posterior(known(plain, x)).distribution
    mu, sigma = posterior.loc.numpy(), posterior.scale.numpy()
    parts = (0.5 * (mu**2 + sigma**2 - 1) - np.log(sigma)).mean(axis=0)
    least = float(np.median(parts))  # one dimension is below, one above
    logs = {}
    for name, options in {"plain": {}, "beta": {"beta": 4}, "free": {"free_bits": least, "beta": 2}}.items():
        model = vae(**options)
        model.set_weights(plain.get_weights())
        np.testing.assert_array_equal(model.log_prob(x), plain.log_prob(x))
        model.compile(optimizer=keras.optimizers.SGD(0.0))
        logs[name] = {key: values[0] for key, values in model.fit(x, batch_size=32, verbose=0).history.items()}
        evaluated = model.evaluate(x, batch_size=32, verbose=0, return_dict=True)["loss"]
        assert evaluated == pytest.approx(-model.predict(x, batch_size=32, verbose=0).mean(), rel=1e-5)
    assert logs["beta"]["bits_per_dim"] == logs["free"]["bits_per_dim"] == logs["plain"]["bits_per_dim"]
    assert logs["beta"]["loss"] - logs["plain"]["loss"] == pytest.approx(3 * parts.sum(), rel=1e-3)
    freed = 2 * np.maximum(parts, least).sum() - parts.sum()
    assert logs["free"]["loss"] - logs["plain"]["loss"] == pytest.approx(freed, rel=1e-3)
    assert np.maximum(parts, least).sum() > parts.sum() + 1e-3


def test_below_its_free_bits_the_kl_has_no_gradient():
    model = vae(free_bits=100.0)
    randomise(model)
    x = tf.constant(examples(model, 16))
    with tf.GradientTape(persistent=True) as tape:
        model.noise_seed.state.assign([1, 0])
        loss = -tf.reduce_mean(model(x, training=True)) + sum(model.losses)
        model.noise_seed.state.assign([1, 0])
        reconstruction, kl = model._parts(x, model.noise_seed.next())
        alone, total = -tf.reduce_mean(reconstruction), tf.reduce_mean(tf.reduce_sum(kl, axis=-1))
    weight = model.encoder.trainable_variables[0]
    same(tape.gradient(loss, weight), tape.gradient(alone, weight), 1e-4)
    assert np.abs(tape.gradient(total, weight)).max() > 1e-3


# Data.


def test_levels_become_bits_anew_in_training_and_by_seed_in_scoring():
    model = VAES["bernoulli of levels"]()
    randomise(model)
    x = np.tile(np.array([0, 1, 2, 3], np.uint8)[:, None, None], (5000, 1, 4, 1))
    share = known(model, x).numpy().mean(axis=(0, 2, 3))
    same(share, [0, 1 / 3, 2 / 3, 1], 0.01)
    assert share[0] == 0
    assert share[3] == 1
    few = x[:8]
    np.testing.assert_array_equal(model.log_prob(few), model.log_prob(few))
    assert (model.log_prob(few) != model.log_prob(few, seed=1)).all()
    batch = tf.constant(few)
    assert np.abs(model(batch, training=True) - model(batch, training=True)).max() > 0.1
    exactly = VAES["bits"]()
    bits_ = examples(exactly)
    for seed in range(5):
        np.testing.assert_array_equal(exactly.to_continuous(tf.constant(bits_), (seed, 0)), bits_)


def test_samples_means_codes_and_scores_are_in_the_units_of_the_data():
    for name, values in (("bernoulli of levels", {0, 3}), ("colours", {0, 1, 2, 3}), ("bits", {0, 1})):
        model = VAES[name]()
        randomise(model)
        sample = model.sample(200, seed=1)
        assert (sample.shape, sample.dtype, set(np.unique(sample))) == ((200, *model.event_shape), np.uint8, values)
        np.testing.assert_array_equal(sample, model.sample(200, seed=1))
        means = model.sample(200, seed=1, means=True)
        assert np.corrcoef(means.ravel(), sample.ravel())[0, 1] > 0.05
        z = np.random.default_rng(0).normal(size=(1, model.latent))
        drawn = model.to_data(model.likelihood(z[0]).sample(4000, seed=(0, 0))).numpy()
        same(model.decode(z)[0], drawn.mean(axis=0), 0.15)
        x = examples(model)
        same(model.reconstruct(x), model.decode(model.encode(x)), 1e-6)
        assert model.encode(x).shape == (6, model.latent)
        scores = model.scores(x, samples=10)
        np.testing.assert_array_equal(scores["log_prob"], model.log_prob(x))
        same(scores["log_prob"], scores["reconstruction"] - scores["kl"], 1e-5)
        same(scores["importance_weighted"], model.importance_weighted(x, 10).log_prob, 0)
        same(model.bits_per_dim(x, samples=10), bits.bits_per_dim(scores["importance_weighted"], model.event_size), 0)
    assert vae((5,), bins=None).sample(2).dtype == np.float32


def test_the_distribution_is_a_tfd_distribution_with_any_batch_axes():
    model = VAES["real_nvp prior"]()
    randomise(model)
    distribution = model.distribution
    sample = distribution.sample((2, 3), seed=1)
    assert sample.shape == (2, 3, *model.event_shape)
    assert distribution.log_prob(sample).shape == (2, 3)
    flat = tf.reshape(sample, (6, *model.event_shape))
    same(tf.reshape(distribution.log_prob(sample), [-1]), distribution.log_prob(flat), 1e-5)
    assert tf.reduce_mean(distribution.log_prob(flat, samples=100)) > tf.reduce_mean(distribution.log_prob(flat))


def test_a_flow_as_prior_is_a_better_prior():
    """Codes in two heaps: the KL to a flow is less than that to N(0, I)."""
    rng = np.random.default_rng(0)
    x = (rng.choice([-3.0, 3.0], (2000, 1)) + 0.3 * rng.normal(size=(2000, 4))).astype(np.float32)
    elbo = {}
    for prior in ("gaussian", "real_nvp"):
        model = models.VAE((4,), latent=2, hidden=(32,), prior=prior, prior_hidden=(32,))
        model.compile(optimizer=training.adam(3e-3))
        model.fit(x, batch_size=100, epochs=15, verbose=0)
        elbo[prior] = model.elbo(x).mean()
    assert elbo["real_nvp"] > elbo["gaussian"] + 0.1


# Pictures.


@pytest.mark.parametrize("prior", ["gaussian", "maf"])
def test_manifold_decodes_quantiles_from_left_to_right_and_upwards(prior):
    model = vae((4, 6, 3), latent=2, prior=prior)
    randomise(model, scale=1.0)
    pixels = plots.manifold(model, side=3).axes[0].images[0].get_array()
    assert pixels.shape == (16, 22, 3)
    quantile = 0.967421566101701  # of 5/6
    noise = np.array([[-quantile, quantile], [quantile, quantile], [0, 0]])
    z = model.prior_flow.bijector.forward(noise.astype(np.float32)) if prior == "maf" else noise
    for image, (top, left) in zip(model.decode(z), ((1, 1), (1, 15), (6, 8)), strict=True):
        same(pixels[top : top + 4, left : left + 6], np.round(image * 85), 1)
    assert np.ptp(model.decode(z), axis=0).max() > 0.2


def test_traversal_and_interpolation_keep_the_ends(tmp_path):
    model = vae((24,))
    randomise(model, scale=1.0)
    code = np.array([0.5, -1.0, 2.0])
    figure = plots.traversal(model, code, dimensions=[2, 0], side=5, shape=(4, 6, 1))
    pixels = figure.axes[0].images[0].get_array()
    assert pixels.shape == (11, 36)
    same(pixels[6:10, 15:21], np.round(model.decode([[0.0, -1, 2]]).reshape(4, 6) * 85), 1)
    ends = np.array([[1.0, 1, 1]])
    pixels = plots.interpolation(model, code[None], ends, 3, shape=(4, 6, 1)).axes[0].images[0].get_array()
    for z, left in ((code, 1), (code / 2 + 0.5, 8), (ends[0], 15)):
        same(pixels[1:5, left : left + 6], np.round(model.decode(z[None]).reshape(4, 6) * 85), 1)
    figure.savefig(tmp_path / "traversal.png")
    with pytest.raises(InputError, match=r"has 3 dimensions, not 2. Use plots.traversal"):
        plots.manifold(model)
    with pytest.raises(InputError, match=r"decodes no images but \(24,\). Pass shape="):
        plots.traversal(model)


# Errors, and the registry.


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"event_shape": (27, 28, 1)}, r"VAE halves the image 2 times: \(27, 28, 1\) is not divisible by 4"),
        ({"event_shape": (4, 4)}, r"VAE got event_shape=\(4, 4\); expected \(D,\) or \(height, width, channels\)"),
        ({"event_shape": (4,), "network": "conv"}, r"VAE models images of \(height, width, channels\)"),
        ({"latent": 0}, "VAE got latent=0; expected 1 or more"),
        ({"hidden": (0,)}, r"VAE got hidden=\(0,\); expected widths of 1 or more"),
        ({"likelihood": "poisson"}, "likelihood is 'poisson'; expected 'bernoulli', 'categorical', 'logistic' or"),
        ({"prior": "vamp"}, "prior is 'vamp'; expected 'gaussian', 'real_nvp' or 'maf'"),
        ({"kl": "exact"}, "kl is 'exact'; expected 'analytic' or 'monte_carlo'"),
        ({"beta": -1}, "VAE got beta=-1.0; expected 0 or more"),
        ({"free_bits": float("nan")}, "VAE got free_bits=nan; expected 0 or more"),
        (
            {"likelihood": "gaussian"},
            "likelihood='gaussian' does not go with bins=256. Use \"gaussian\" with bins=None",
        ),
        ({"likelihood": "logistic", "bins": None}, "likelihood='logistic' does not go with bins=None"),
        ({"prior": "maf", "kl": "analytic"}, 'the KL to a prior "maf" has no closed form. Use kl="monte_carlo"'),
    ],
)
def test_construction_errors(kwargs, words):
    with pytest.raises(InputError, match=words):
        models.VAE(**kwargs)


def test_data_errors():
    model = vae()
    for method in (model.log_prob, model.decompose, model.importance_weighted, model.encode, model.reconstruct):
        with pytest.raises(InputError, match=r"models integers 0..3, got float32. Pass the bytes"):
            method(np.zeros((2, 4, 4, 1), np.float32))
    with pytest.raises(InputError, match="got samples=0; expected 1 or more"):
        model.importance_weighted(examples(model), samples=0)
    with pytest.raises(InputError, match=r"decode got z of shape \(2, 4\); expected \(n, 3\)"):
        model.decode(np.zeros((2, 4)))


def test_the_registry_fits_the_image():
    profile = profiles.PROFILES["smoke"]
    assert registry.build("vae", "images", (28, 28, 1), profile, {}, 0).network == "conv"
    assert registry.build("vae", "images", (32, 32, 3), profile, {}, 0).law.components > 1
    assert registry.build("vae", "images", (27, 27, 1), profile, {}, 0).network == "dense"
    options = registry.options("vae", ["network=dense", "likelihood=bernoulli", "prior=maf", "beta=2", "hidden=50,40"])
    small = registry.build("vae", "images", (28, 28, 1), profile, options, 0)
    assert (small.hidden, small.beta, small.likelihood_name) == ((50, 40), 2.0, "bernoulli")


@pytest.mark.slow
def test_learns_real_images(clothes):
    model = models.VAE((28, 28, 1), filters=16)
    before = model.bits_per_dim(clothes[:100]).mean()
    model.compile(optimizer=training.adam(1e-3))
    model.fit(clothes, batch_size=32, epochs=20, verbose=0)
    noise = np.random.default_rng(0).integers(256, size=(100, 28, 28, 1)).astype(np.uint8)
    assert model.bits_per_dim(clothes[:100]).mean() < min(5.5, before - 1)
    assert model.bits_per_dim(noise).mean() > 8  # uniform noise has 8 bits: no model beats it
