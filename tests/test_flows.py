"""MAF, IAF and RealNVP: what is theirs alone. The common story is in test_models.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.spatial.distance import cdist

from dgm_tfp import data, models, training
from dgm_tfp.data import synthetic
from dgm_tfp.errors import InputError
from tests.helpers import randomise, same

tfb, tfd = tfp.bijectors, tfp.distributions
RNG = np.random.default_rng(0)


def labelled_line(n=4000):
    """x ~ N((c, -c), 0.1^2 I): what a model of x given c has to find."""
    c = RNG.uniform(-2, 2, (n, 1)).astype(np.float32)
    return np.concatenate([c, -c], axis=1) + 0.1 * RNG.standard_normal((n, 2)).astype(np.float32), c


@pytest.mark.parametrize("kind", [models.MAF, models.IAF])
def test_flow_is_stock_tfp(kind):
    """The whole model, written with TFP's parts over the same weights."""
    model = kind((4,), steps=3, hidden=(8,), order="random", dtype="float64")
    randomise(model)
    parts = []
    for block in model.blocks:

        def shift_and_log_scale(x, made=block.made):
            order = made.order  # TFP knows one order only
            shift, log_scale = tf.unstack(made(tf.gather(x, np.argsort(order), axis=-1)), axis=1)
            return tf.gather(shift, order, axis=-1), tf.tanh(tf.gather(log_scale, order, axis=-1))

        permute = tfb.Permute(block.made.order)
        masked = tfb.MaskedAutoregressiveFlow(shift_and_log_scale)
        parts += [
            tfb.Shift(tf.convert_to_tensor(block.actnorm.shift)),
            tfb.Scale(log_scale=tf.convert_to_tensor(block.actnorm.log_scale)),
            tfb.Invert(permute),
            tfb.Invert(masked) if block.inverse else masked,
            permute,
        ]
    stock = tfd.TransformedDistribution(model.base, tfb.Chain(parts))
    x = tf.constant(RNG.normal(size=(5, 4)))
    same(model.distribution.log_prob(x), stock.log_prob(x), 1e-10)
    same(model.bijector.forward(x), stock.bijector.forward(x), 1e-10)


def test_additive_real_nvp_preserves_volume():
    model = models.RealNVP((4,), steps=2, hidden=(8,), coupling="additive", actnorm=False)
    randomise(model)
    same(model.decompose(RNG.normal(size=(5, 4)).astype(np.float32)).log_volume, np.zeros(5), 1e-6)


def test_checkerboard_passes_on_the_pixels_of_one_colour():
    model = models.RealNVP((4, 4, 1), steps=2, levels=1, filters=4, actnorm=False)
    randomise(model)
    z = model.flow_bijector
    x = tf.constant(RNG.normal(size=(1, 4, 4, 1)), tf.float32)
    for i, block in enumerate(model.scales[0]):
        step = tf.nn.depth_to_space(block.bijector().inverse(tf.nn.space_to_depth(x, 2)), 2)
        passed = (step == x).numpy()[0, :, :, 0]
        np.testing.assert_array_equal(passed, np.add.outer(np.arange(4), np.arange(4)) % 2 == i)
    assert z.inverse(x).shape == x.shape


@pytest.mark.parametrize("kind", [models.MAF, models.IAF, models.RealNVP])
def test_a_fresh_flow_is_the_base_and_adapt_makes_the_noise_standard(kind):
    model = kind((4,), steps=2, hidden=(8,))
    x = RNG.normal(3, 2, (500, 4)).astype(np.float32)
    same(model.log_prob(x), model.base.log_prob(x), 1e-5)
    model.adapt(x)
    z = model.bijector.inverse(x).numpy()
    same(z.mean(axis=0), np.zeros(4), 1e-3)
    same(z.std(axis=0), np.ones(4), 1e-3)


@pytest.mark.parametrize("kind", [models.MAF, models.IAF, models.RealNVP])
def test_conditional_flow_learns_the_condition(kind):
    x, c = labelled_line()
    model = kind((2,), steps=2, hidden=(16,), conditioning_shape=(1,))
    model.adapt((x, c))
    model.compile(optimizer=training.adam(training.WarmUpCosine(1e-2)))
    model.fit((x, c), epochs=12, batch_size=200, verbose=0)
    samples = model.sample(500, seed=1, conditioning=[[-1.0], [1.5]])
    assert samples.shape == (500, 2, 2)
    same(samples.mean(axis=0), [[-1, 1], [1.5, -1.5]], 0.15)
    wrong = model.log_prob((x, -c))
    assert model.log_prob((x, c)).mean() > wrong.mean() + 1
    parts = model.decompose((x[:5], c[:5]))
    same(parts.log_prob, model.log_prob((x[:5], c[:5])), 1e-4)


def test_a_conditional_distribution_has_the_batch_shape_of_its_condition():
    model = models.MAF((3,), steps=2, hidden=(8,), conditioning_shape=(2,))
    randomise(model)
    c = tf.constant(RNG.normal(size=(5, 2)), tf.float32)
    distribution = model.distribution_given(c)
    assert distribution.batch_shape == (5,)
    x = distribution.sample(4, seed=1)
    log_prob = distribution.log_prob(x)
    assert (x.shape, log_prob.shape) == ((4, 5, 3), (4, 5))
    same(model.distribution_given(c[2]).log_prob(x[1, 2]), log_prob[1, 2], 1e-5)
    same(distribution.log_prob(x[0, 0]), model.log_prob((np.repeat(x[0, :1], 5, axis=0), c.numpy())), 1e-5)


def test_conditional_data_as_keras_takes_them():
    x, c = labelled_line(64)
    model = models.MAF((2,), steps=1, hidden=(8,), conditioning_shape=(1,))
    pairs = tf.data.Dataset.from_tensor_slices(((x, c),)).batch(16)
    model.adapt(pairs)
    model.compile(optimizer="adam")
    assert "val_loss" in model.fit(pairs, validation_data=((x, c),), verbose=0).history
    labelled = tf.data.Dataset.from_tensor_slices(((x, c), np.zeros(64))).batch(16)
    model.fit(labelled, verbose=0)
    same(model.predict((x, c), verbose=0), model.log_prob((x, c)), 1e-5)


PAIR = (np.zeros((4, 2), np.float32), np.zeros((4, 3), np.float32))


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (
            lambda m: m.log_prob(PAIR[0]),
            r"MAF models x given c, got no pair. Pass \(x, c\), for instance fit\(\(x, c\)\)",
        ),
        (lambda m: m.log_prob((PAIR[0], PAIR[0])), r"takes conditioning of shape \(3,\), got a batch of \(4, 2\)"),
        (lambda m: m.adapt((PAIR[0], PAIR[1][:2])), "got 4 examples and 2 conditioning vectors. Pass one for each"),
        (lambda m: m.log_prob((PAIR[0], PAIR[1] * np.nan)), "the conditioning has NaN or infinite values"),
        (lambda m: m.distribution, r"models x given c of shape \(3,\). Use distribution_given\(c\)"),
        (lambda m: m.bijector, r"models x given c of shape \(3,\)"),
        (lambda m: m.sample(2), r"sample\(n, conditioning=c\)"),
    ],
)
def test_conditioning_errors(action, words):
    with pytest.raises(InputError, match=words):
        action(models.MAF((2,), steps=1, hidden=(4,), conditioning_shape=(3,)))


def test_conditioning_that_a_model_does_not_take():
    with pytest.raises(InputError, match=r"this MAF has no conditioning. Construct it with conditioning_shape=\(k,\)"):
        models.MAF(steps=1, hidden=(4,)).distribution_given(tf.zeros((1, 2)))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (
            lambda: models.MAF((28, 28, 1)),
            r"MAF models vectors, got event_shape=\(28, 28, 1\). Flatten the data to \(784,\)",
        ),
        (lambda: models.IAF((2,), steps=0), "IAF got steps=0; expected 1 or more"),
        (lambda: models.MAF((2,), order="up"), "order is 'up'; expected 'alternate' or 'random'"),
        (lambda: models.MAF((2,), transform="cubic"), "transform is 'cubic'; expected 'affine' or 'spline'"),
        (lambda: models.MAF((2,), transform="spline", spline_bins=1), "a spline needs 2 bins or more, got 1"),
        (
            lambda: models.MAF((4,), logit_alpha=0.1),
            "logit_alpha is 0.1 with bins=None; expected a number between",
        ),
        (lambda: models.MAF((4,), bins=256, logit_alpha=0.5), "logit_alpha is 0.5 with bins=256"),
        (lambda: models.MAF((2,), hidden=()), r"MADE got hidden=\(\)"),
        (lambda: models.MAF((2,), conditioning_shape=(2, 3)), r"conditioning_shape is \(2, 3\); expected \(k,\)"),
        (lambda: models.Glow(conditioning_shape=(2,)), "Glow has no conditional version. Use MAF, IAF or RealNVP"),
        (lambda: models.RealNVP((1,)), "splits a vector in two, and this one has 1 dimension. Use MAF, or 2 or more"),
        (lambda: models.RealNVP((4, 4)), r"RealNVP got event_shape=\(4, 4\); expected \(D,\) or \(height"),
        (lambda: models.RealNVP((6, 6, 1)), "RealNVP halves the image 2 times: .* Use levels=1, or pad to 8x8"),
        (lambda: models.RealNVP((4, 4, 1), conditioning_shape=(2,)), "RealNVP of images has no conditional version"),
        (lambda: models.RealNVP((4,), hidden=(0,)), r"RealNVP got hidden=\(0,\)"),
        (lambda: models.RealNVP((4,), steps=0), "RealNVP got steps=0; expected 1 or more"),
        (lambda: models.RealNVP((4,), coupling="cubic"), "is 'cubic'; expected 'affine', 'additive' or 'spline'"),
        (lambda: models.RealNVP((4,), masks="odd"), "masks is 'odd'; expected 'alternate' or 'random'"),
    ],
)
def test_construction_errors(build, words):
    with pytest.raises(InputError, match=words):
        build()


@pytest.mark.parametrize("name", synthetic.DENSITIES)
def test_entropy_is_the_mean_of_the_log_density(name):
    points = synthetic.SETS[name](100_000, np.random.default_rng(1))[0]
    log_p = synthetic.log_density(name, points)
    assert -log_p.mean() == pytest.approx(synthetic.entropy(name), abs=4 * log_p.std() / np.sqrt(len(log_p)) + 1e-6)


def test_no_density_of_moons():
    with pytest.raises(InputError, match="density of 'moons' is not known; expected one of rings, eight_gaussians"):
        synthetic.log_density("moons", np.zeros((1, 2)))


def energy_test(x, y, permutations=200, seed=0) -> float:
    """The p-value of the permutation test of x and y having one law, by the energy distance (Szekely & Rizzo, 2013)."""
    distances, n = cdist(np.concatenate([x, y]), np.concatenate([x, y])), len(x)

    def statistic(order):
        a, b = order[:n], order[n:]
        within = distances[np.ix_(a, a)].mean() + distances[np.ix_(b, b)].mean()
        return 2 * distances[np.ix_(a, b)].mean() - within

    rng, everything = np.random.default_rng(seed), np.arange(len(distances))
    observed = statistic(everything)
    return (1 + sum(statistic(rng.permutation(everything)) >= observed for _ in range(permutations))) / (
        permutations + 1
    )


@pytest.mark.parametrize("name", ["fashion_mnist", "mnist"])
def test_the_logit_transform_pays_on_flat_pixels_and_keeps_the_units(name):
    """Bits per dimension of bytes with and without it are of one density: here of the same few steps of training."""
    train = data.load(name, "train", source="embedded", verbose=False).images[:1000].reshape(-1, 784)
    bits = {}
    for alpha in (None, 1e-6):
        model = models.MAF((784,), steps=1, hidden=(64,), bins=256, logit_alpha=alpha)
        model.adapt(train)
        bits[alpha] = model.bits_per_dim(train[:200]).mean()
    assert bits[1e-6] < bits[None] < 9


@pytest.mark.slow
def test_samples_of_a_flow_trained_on_moons_pass_a_two_sample_test():
    """At the size of 500 samples each; a Gaussian of the same mean and covariance does not pass it."""
    train, test = (data.load("moons", split, verbose=False).images for split in ("train", "test"))
    model = models.MAF((2,), steps=6)
    model.adapt(train)
    schedule = training.WarmUpCosine(5e-3)
    model.compile(optimizer=training.adam(schedule), jit_compile=True)
    fall = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: schedule.spent.assign(epoch / 30))
    model.fit(train, batch_size=250, epochs=30, verbose=0, callbacks=[fall])
    gaussian = np.random.default_rng(0).multivariate_normal(train.mean(axis=0), np.cov(train.T), 500)
    assert energy_test(gaussian, test[:500]) < 0.01
    assert energy_test(model.sample(500, seed=1), test[:500]) > 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("name", "updates"), [("eight_gaussians", 1500), ("rings", 3000)])
def test_a_spline_flow_comes_within_a_twentieth_of_a_nat_of_the_entropy(name, updates):
    """Less than a minute of training on two cores; an affine flow stays 0.8 nats above the entropy of the rings."""
    train, new = (synthetic.SETS[name](n, np.random.default_rng(n))[0].astype(np.float32) for n in (100_000, 20_000))
    model = models.MAF((2,), steps=2, transform="spline", spline_bins=32, activation="silu")
    model.adapt(train)
    schedule = training.WarmUpCosine(5e-3)
    model.compile(optimizer=training.adam(schedule), jit_compile=True)
    budget = training.Budget(updates=updates, schedule=schedule, progress=False)
    training.fit(model, training.batches(train, 512, seed=0), budget)
    assert -0.01 < -model.log_prob(new, batch_size=5000).mean() - synthetic.entropy(name) < 0.05
