"""The GAN: its two optimizers, what a Keras model does, and the theory against numbers with known answers."""

import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import tensorflow as tf

from dgm_tfp import models, profiles, runs, training
from dgm_tfp.data import synthetic
from dgm_tfp.errors import InputError
from dgm_tfp.models import adversarial, gan, registry
from tests.helpers import randomise, same


def points(**kwargs):
    return models.GAN((2,), **{"latent": 3, "hidden": (16,), "discriminator_hidden": (12, 8), **kwargs})


def images(event_shape=(8, 8, 1), **kwargs):
    return models.GAN(event_shape, **{"latent": 5, "filters": 4, **kwargs})


MODELS = {
    "points": points,
    "minimax, penalty": lambda **kwargs: points(loss="minimax", gradient_penalty=0.5, **kwargs),
    "images": images,
    "colour": lambda **kwargs: images((8, 12, 3), gradient_penalty=0.1, **kwargs),
}
WEIGHTS = {"points": 2 * 2 + 2 * 3, "images": (1 + 2 + 2) + (2 + 2)}
every_model = pytest.mark.parametrize("name", MODELS)
each_kind = pytest.mark.parametrize("name", ["minimax, penalty", "colour"])


def examples(model, n=64, seed=0):
    rng = np.random.default_rng(seed)
    if model.bins:
        return rng.integers(model.bins, size=(n, *model.event_shape)).astype(np.uint8)
    return rng.normal(size=(n, *model.event_shape)).astype(np.float32)


def adam(rate=1e-2):
    return keras.optimizers.Adam(rate, beta_1=0.5)


@every_model
def test_every_weight_is_counted_and_gets_a_gradient(name):
    model = MODELS[name]()
    if name in WEIGHTS:
        assert len(model.trainable_variables) == WEIGHTS[name]
    assert {id(w) for w in model.trainable_variables} == {
        id(w) for network in (model.generator, model.discriminator) for w in network.trainable_variables
    }
    randomise(model)
    z = tf.random.stateless_normal((16, model.latent), (1, 2))
    with tf.GradientTape() as tape:
        fake = model.logit(model.generate(z, True), True)
        loss = adversarial.generator_loss(fake, model.loss_of_generator)
    for weight, gradient in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True):
        assert gradient is not None, weight.path
        assert np.abs(gradient).max() > 0, weight.path


@every_model
def test_fit_moves_every_weight_and_the_same_tensor_is_scored_anew(name):
    model = MODELS[name]()
    x = tf.constant(examples(model))
    before, logit = [weight.numpy() for weight in model.trainable_variables], model(x).numpy()
    model.compile(adam())
    history = model.fit(x, epochs=2, batch_size=16, verbose=0).history
    assert set(history) == {"loss", "discriminator_loss", "generator_loss"}
    assert np.isfinite(list(history.values())).all()
    for old, weight in zip(before, model.trainable_variables, strict=True):
        assert np.abs(old - weight.numpy()).max() > 0, weight.path
    fresh = MODELS[name]()
    fresh.set_weights(model.get_weights())
    same(model(x), fresh(tf.identity(x)), 1e-6)
    assert np.abs(model(x).numpy() - logit).max() > 1e-3


@pytest.mark.parametrize("frozen", ["generator", "discriminator"])
def test_each_optimizer_moves_its_own_network(frozen):
    model = points()
    still = keras.optimizers.SGD(0.0)
    model.compile(adam(), still) if frozen == "generator" else model.compile(still, adam())
    before = {name: getattr(model, name).get_weights() for name in ("generator", "discriminator")}
    randomise(model)  # at the start the discriminator is as good as any other
    before = {name: getattr(model, name).get_weights() for name in before}
    model.fit(examples(model), batch_size=16, verbose=0)
    for name, old in before.items():
        moved = [np.abs(a - b).max() > 0 for a, b in zip(old, getattr(model, name).get_weights(), strict=True)]
        assert moved == [name != frozen] * len(old)


def test_each_player_wins_where_the_other_stands_still():
    x = np.full((256, 2), 3.0, np.float32)
    model = points()
    model.compile(adam(), keras.optimizers.SGD(0.0))
    history = model.fit(x, epochs=30, batch_size=128, verbose=0).history["discriminator_loss"]
    assert history[-1] < 0.2 < np.log(2) < history[0]
    model.compile(keras.optimizers.SGD(0.0), adam())
    history = model.fit(x, epochs=30, batch_size=128, verbose=0).history
    assert history["generator_loss"][-1] < history["generator_loss"][0] - 1
    assert history["discriminator_loss"][-1] > history["discriminator_loss"][0] + 0.5


@each_kind
def test_the_second_step_does_not_trace(name):
    model = MODELS[name]()
    traces = []

    class Spy(type(model)):
        def train_step(self, data):
            traces.append(1)
            return super().train_step(data)

        def generate(self, z, training=False):
            traces.append(1)
            return super().generate(z, training)

    model.__class__ = Spy
    model.compile(adam())
    x = examples(model)
    model.fit(x[:16], batch_size=16, verbose=0)
    assert len(traces) == 3  # one step, with two draws
    model.fit(x, batch_size=16, epochs=3, verbose=0)
    assert len(traces) == 3


def test_sampling_traces_once_or_twice():
    calls = []

    class Spy(models.GAN):
        def generate(self, z, training=False):
            calls.append(1)
            return super().generate(z, training)

    model = Spy((2,), latent=3)
    for n in (1, 2, 3, 40):
        assert model.sample(n, seed=n).shape == (n, 2)
    assert len(calls) <= 2


@every_model
def test_save_and_load(name, tmp_path):
    model = MODELS[name]()
    x = examples(model)
    model.compile(adam(1e-2), keras.optimizers.RMSprop(3e-3), steps_per_execution=2)
    model.fit(x, batch_size=16, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded.scores(x)["logit"], model.scores(x)["logit"])
    np.testing.assert_array_equal(loaded.sample(5), model.sample(5))
    assert [type(each).__name__ for each in loaded.optimizers] == ["Adam", "RMSprop"]
    assert loaded.steps_per_execution == 2
    for ours, theirs in zip(model.optimizers, loaded.optimizers, strict=True):
        assert len(ours.variables) == len(theirs.variables) > 2
        for a, b in zip(ours.variables, theirs.variables, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    loaded.fit(x, batch_size=16, verbose=0)
    assert [int(each.iterations.numpy()) for each in loaded.optimizers] == [8, 8]


def test_the_default_optimizer_of_the_generator_is_another_one_on_the_same_schedule():
    schedule = training.WarmUpCosine(1e-3, warmup=1)
    model = points()
    model.compile(training.adam(schedule))
    first, second = model.optimizers
    assert first is not second
    assert first.get_config() == second.get_config()
    schedule.spent.assign(1.0)
    assert float(first.learning_rate) == float(second.learning_rate) == pytest.approx(2e-5)


@each_kind
def test_a_run_that_goes_on_is_the_run_that_was_never_cut(name, tmp_path):
    x = examples(MODELS[name]())

    def compiled():
        model, schedule = MODELS[name](), training.WarmUpCosine(1e-2, warmup=1)
        model.compile(training.adam(schedule))
        return model, schedule

    whole, schedule = compiled()
    training.fit(whole, training.batches(x, 16, 0), training.Budget(schedule=schedule, updates=6, progress=False))
    half, schedule = compiled()
    budget = training.Budget(schedule=schedule, updates=6, progress=False)
    stop = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: budget.step == 3 and budget.stop.set())
    half.fit(training.batches(x, 16, 0), steps_per_epoch=99, verbose=0, callbacks=[stop, budget])
    runs.save_state(tmp_path, half, budget)

    other, schedule = compiled()
    step, elapsed = runs.restore_state(tmp_path, other)
    budget = training.Budget(schedule=schedule, updates=6, progress=False, step=step, elapsed=elapsed)
    training.fit(other, training.batches(x, 16, 0, start=step), budget)
    for a, b in zip(whole.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@each_kind
def test_checkpoints_hold_every_weight(name, tmp_path):
    model = MODELS[name]()
    randomise(model)
    x = examples(model)
    saved = tf.train.Checkpoint(model=model).save(tmp_path / "checkpoint")
    other = MODELS[name](seed=1)
    assert np.abs(other.scores(x)["logit"] - model.scores(x)["logit"]).max() > 1e-3
    tf.train.Checkpoint(model=other).restore(saved).assert_existing_objects_matched()
    np.testing.assert_array_equal(other.scores(x)["logit"], model.scores(x)["logit"])
    np.testing.assert_array_equal(other.sample(3, seed=1), model.sample(3, seed=1))


@each_kind
def test_mixed_precision_keeps_logits_in_float32(name):
    model, full = MODELS[name](dtype="mixed_bfloat16"), MODELS[name]()
    randomise(full)
    model.set_weights(full.get_weights())
    assert {layer.compute_dtype for layer in model._flatten_layers()} == {"float32", "bfloat16"}
    x = examples(model)
    logit = model(x)
    assert logit.dtype == tf.float32
    assert 1e-6 < np.abs(logit - full(x)).max() < 1
    model.compile(adam())
    assert np.isfinite(model.fit(x, batch_size=16, verbose=0).history["loss"][0])


@pytest.mark.slow
@each_kind
def test_xla_gives_the_same(name):
    weights = []
    for compiled in (False, True):
        model = MODELS[name]()
        # XLA has random numbers of its own: a generator that makes the same of all noise shows the rest
        model.generator.layers[0].kernel.assign(0 * model.generator.layers[0].kernel)
        model.compile(keras.optimizers.SGD(1e-2), keras.optimizers.SGD(0.0), jit_compile=compiled)
        model.fit(examples(model), batch_size=16, shuffle=False, verbose=0)
        weights.append(model.discriminator.get_weights())
    assert np.abs(weights[0][0] - MODELS[name]().discriminator.get_weights()[0]).max() > 1e-4
    for a, b in zip(*weights, strict=True):
        same(a, b, 1e-4)


def test_fit_takes_labels_and_evaluate_gives_the_losses():
    model = points(gradient_penalty=1.0)
    randomise(model)
    x = examples(model)
    model.compile(adam())
    data = tf.data.Dataset.from_tensor_slices((x, np.zeros(len(x)))).batch(16)
    history = model.fit(data, validation_data=data, verbose=0).history
    assert history["val_loss"][0] > history["val_discriminator_loss"][0] > 0  # by the penalty
    same(model.predict(x, verbose=0), model.scores(x)["logit"], 1e-5)
    with pytest.raises(InputError, match="takes no sample weights"):
        model.fit(x, x[:, 0], sample_weight=np.ones(len(x)), verbose=0)


def test_the_penalty_is_half_gamma_times_the_squared_slope():
    model = points(discriminator_hidden=(), gradient_penalty=3.0)  # a linear logit w x + b: its slope is w
    w = np.array([[0.5], [-2.0]], np.float32)
    model.discriminator.set_weights([w, np.array([7.0])])
    assert float(model._penalty(tf.constant(examples(model)))) == pytest.approx(1.5 * (0.5**2 + 2**2))


def test_samples_are_data():
    model = images(seed=3)
    randomise(model, 1.0)
    sample = model.sample(30, seed=1)
    assert (sample.shape, sample.dtype) == ((30, 8, 8, 1), np.uint8)
    np.testing.assert_array_equal(sample, model.sample(30, seed=1, batch_size=7))
    assert (model.sample(30, seed=2) != sample).any()
    assert points().sample(4).dtype == np.float32
    # what the generator makes of -1 and 1 are the bytes 0 and 255, and the other way round
    y = model.scaled(tf.constant(sample))
    assert float(tf.reduce_min(y)) >= -1
    z = tf.random.stateless_normal((30, 5), (1, 0))
    assert np.abs(model.generate(z).numpy() - y).max() <= 1 / 255 + 1e-6


def test_discriminate_is_the_sigmoid_of_the_logit():
    model = points()
    randomise(model)
    x = examples(model)
    scores = model.scores(x, batch_size=10)
    assert list(scores) == ["logit"]
    assert scores["logit"].shape == (64,)
    same(model.discriminate(x), 1 / (1 + np.exp(-scores["logit"])), 1e-6)
    assert 0 < model.discriminate(x).min() < model.discriminate(x).max() < 1


# The theory.


def test_losses_have_the_values_and_the_slopes_of_the_paper():
    logit = tf.constant([-3.0, 0.5])
    d = 1 / (1 + np.exp(-logit.numpy()))
    same(adversarial.discriminator_loss(logit, logit), -np.log(d).mean() - np.log(1 - d).mean(), 1e-6)
    same(adversarial.discriminator_loss(0 * logit, 0 * logit), np.log(4), 1e-6)
    expected = {"minimax": (np.log(1 - d).mean(), -d / 2), "non_saturating": (-np.log(d).mean(), -(1 - d) / 2)}
    for loss, (value, slope) in expected.items():
        with tf.GradientTape() as tape:
            tape.watch(logit)
            ours = adversarial.generator_loss(logit, loss)
        same(ours, value, 1e-6)
        same(tape.gradient(ours, logit), slope, 1e-6)


def test_jensen_shannon_of_known_pairs():
    x, cell = np.linspace(-30, 30, 60_001), 1e-3
    p, q = scipy.stats.norm(0, 1), scipy.stats.norm(1.5, 2)
    assert adversarial.jensen_shannon(p.logpdf(x), p.logpdf(x), cell) == pytest.approx(0, abs=1e-12)
    halves = [np.where(side, -np.log(30), -np.inf) for side in (x > 0, x < 0)]
    assert adversarial.jensen_shannon(*halves, cell) == pytest.approx(np.log(2), rel=1e-3)

    def term(x):
        m = (p.pdf(x) + q.pdf(x)) / 2
        return p.pdf(x) / 2 * np.log(p.pdf(x) / m) + q.pdf(x) / 2 * np.log(q.pdf(x) / m)

    exact = scipy.integrate.quad(term, -20, 20)[0]
    assert adversarial.jensen_shannon(p.logpdf(x), q.logpdf(x), cell) == pytest.approx(exact, rel=1e-6)
    assert adversarial.jensen_shannon(q.logpdf(x), p.logpdf(x), cell) == pytest.approx(exact, rel=1e-6)
    with pytest.raises(InputError, match=r"q sums to 0\.5.* over the grid; expected 1"):
        adversarial.jensen_shannon(p.logpdf(x), q.logpdf(x) + np.log(0.5), cell)


def test_optimal_discriminator_is_p_over_p_plus_q():
    same(adversarial.optimal_discriminator(np.log([0.3, 0.1]), np.log([0.1, 0.1])), [0.75, 0.5], 1e-12)
    same(adversarial.optimal_discriminator([0.0, -np.inf, 2000.0], [-np.inf, 0.0, 0.0]), [1, 0, 1], 0)


@pytest.mark.parametrize("size", [1, 2])
def test_a_trained_discriminator_comes_to_the_optimal_one(size):
    """Against a linear generator that stands still, q = N(b, W W'): the logit is log p/q, and V is -log 4 + 2 JS."""
    model = models.GAN((size,), latent=size, hidden=(), discriminator_hidden=(32, 32))
    w, b = 0.8 * np.eye(size) + 0.3 * np.eye(size, k=1), np.full(size, 0.7)
    model.generator.set_weights([w.T, b])
    p = scipy.stats.multivariate_normal(np.zeros(size), 1.5 * np.eye(size))
    q = scipy.stats.multivariate_normal(b, w @ w.T)
    x = p.rvs(20_000, random_state=0).reshape(-1, size).astype(np.float32)
    schedule = training.WarmUpCosine(1e-2)
    model.compile(keras.optimizers.Adam(schedule), keras.optimizers.SGD(0.0))
    budget = training.Budget(schedule=schedule, updates=1000, progress=False)
    training.fit(model, training.batches(x, 1000, 0), budget)

    side = np.arange(-7, 7, 0.05)
    grid = np.stack(np.meshgrid(*[side] * size), -1).reshape(-1, size)
    log_p, log_q = p.logpdf(grid), q.logpdf(grid)
    value = -np.log(4) + 2 * gan.jensen_shannon(log_p, log_q, 0.05**size)
    logit = model.scores(grid.astype(np.float32), batch_size=5000)["logit"]
    m = (np.exp(log_p) + np.exp(log_q)) / 2 * 0.05**size
    error = np.sqrt(np.sum(m * (model.discriminate(grid) - gan.optimal_discriminator(log_p, log_q)) ** 2))
    reached = np.sum(-np.exp(log_p) * np.logaddexp(0, -logit) - np.exp(log_q) * np.logaddexp(0, logit)) * 0.05**size
    assert np.sqrt(np.sum(m * (1 / 2 - gan.optimal_discriminator(log_p, log_q)) ** 2)) > 0.15  # knowing nothing
    assert error < 0.03
    assert value - 0.01 < reached <= value
    both = np.minimum(log_p, log_q) > np.log(0.01)  # elsewhere one of the two has hardly an example to learn from
    assert np.abs(logit - (log_p - log_q))[both].mean() < 0.1 < np.abs(log_p - log_q)[both].mean() / 5


def test_count_modes_on_samples_made_by_hand():
    centres = synthetic.eight_centres()
    data = synthetic.load("eight_gaussians", "test")[0]
    truth = gan.count_modes(data, centres, synthetic.EIGHT_STD)
    assert truth.modes == 8
    assert truth.high_quality == pytest.approx(1 - np.exp(-4.5), abs=0.01)  # within 3 std in the plane
    assert truth.shares == pytest.approx(np.full(8, 1 / 8), abs=0.03)
    few = np.concatenate([np.repeat(centres[:3], 100, 0), np.zeros((99, 2)), centres[7:]])
    count = gan.count_modes(few, centres, 0.2)
    assert count.modes == 3  # the fourth has one sample of 400
    assert count.high_quality == pytest.approx(301 / 400)
    assert gan.count_modes(few, centres, 0.2, share=1 / 400).modes == 4
    with pytest.raises(InputError, match=r"Pass \(n, d\) and \(k, d\)"):
        gan.count_modes(few[:, 0], centres, 0.2)


def test_the_registry_gives_a_remedy_and_reads_options():
    profile = profiles.current("smoke")
    options = registry.options("gan", ["loss=minimax", "hidden=8,8", "latent=3", "gradient_penalty=0.5"])
    model = registry.build("gan", "points", (2,), profile, options, seed=1)
    assert (model.loss_of_generator, model.hidden, model.latent, model.bins) == ("minimax", (8, 8), 3, None)
    assert model.gradient_penalty == 0.5
    assert registry.build("gan", "points", (2,), profile, {}, seed=1).gradient_penalty > 0
    assert registry.build("gan", "images", (28, 28, 1), profile, {}, seed=1).bins == 256


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_images_of_the_usual_sizes(shape):
    model = models.GAN(shape, filters=4)
    assert model.sample(2).shape == (2, *shape)
    assert model.discriminator.layers[-2].output.shape[1] == {28: 7 * 7 * 8, 32: 4 * 4 * 16}[shape[0]]


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"event_shape": (2, 2)}, r"GAN got event_shape=\(2, 2\); expected \(D,\) or \(height, width, channels\)"),
        ({"event_shape": (27, 27, 1)}, r"\(27, 27, 1\) cannot be halved. Pad to even sides"),
        ({"latent": 0}, "GAN got latent=0; expected 1 or more"),
        ({"filters": 0}, "GAN got filters=0; expected 1 or more"),
        ({"hidden": (8, 0)}, r"GAN got hidden=\(8, 0\); expected widths of 1 or more"),
        ({"loss": "hinge"}, "loss is 'hinge'; expected 'minimax' or 'non_saturating'"),
        ({"gradient_penalty": -1.0}, "gradient_penalty is -1.0; expected 0 or more"),
        ({"conditioning_shape": (2,)}, "GAN has no conditional version"),
    ],
)
def test_construction_errors(kwargs, words):
    with pytest.raises(InputError, match=words):
        models.GAN(**kwargs)


def test_data_errors():
    with pytest.raises(InputError, match=r"models integers 0\.\.255, got float32\. Pass the bytes"):
        images().scores(np.zeros((2, 8, 8, 1), np.float32))
    with pytest.raises(InputError, match="got NaN or infinite values"):
        points().scores(np.full((2, 2), np.nan, np.float32))
    with pytest.raises(InputError, match="this GAN has no conditioning"):
        points().sample(2, conditioning=np.zeros(2))
