"""PixelCNN: who sees whom, what it sums to, sampling by cached features, and the story of every model."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from dgm_tfp import data, models, pixel_laws, training
from dgm_tfp.errors import InputError
from tests.helpers import randomise, same

LAWS, STACKS = ("categorical", "mixture"), ("gated", "masked")


def pixelcnn(event_shape=(4, 4, 1), kind=models.PixelCNN, **kwargs):
    small = {"filters": 6, "blocks": 3, "first_size": 3, "head": 8, "components": 2, "bins": 4}
    return kind(event_shape, **{**small, **kwargs})


def autoencoder(**kwargs):
    return pixelcnn(kind=models.PixelCNNAutoencoder, code=2, encoder_filters=4, **kwargs)


MODELS = {
    "gated, categorical": pixelcnn,
    "masked, categorical, colour": lambda **kwargs: pixelcnn((3, 4, 3), stack="masked", **kwargs),
    "gated, mixture, colour, given c": lambda **kwargs: pixelcnn(
        (3, 4, 3), law="mixture", conditioning_shape=(2,), **kwargs
    ),
    "gated, categorical, colour, given c": lambda **kwargs: pixelcnn((3, 4, 3), conditioning_shape=(2,), **kwargs),
    "masked, mixture, given c": lambda **kwargs: pixelcnn(
        law="mixture", stack="masked", conditioning_shape=(2,), **kwargs
    ),
    "autoencoder": autoencoder,
}
every_model = pytest.mark.parametrize("name", MODELS)
every_law_and_stack = pytest.mark.parametrize(("law", "stack"), list(itertools.product(LAWS, STACKS)))


def examples(model, n=6, seed=0):
    x = np.random.default_rng(seed).integers(model.bins, size=(n, *model.event_shape)).astype(np.uint8)
    return x if model.conditioning_shape is None else (x, condition(model, n).astype(np.float32))


def condition(model, n=3):
    if model.conditioning_shape is None:
        return None
    return np.random.default_rng(1).normal(size=(n, *model.conditioning_shape)).astype(model.variable_dtype)


def every_image(shape, bins) -> np.ndarray:
    size = int(np.prod(shape))
    return np.indices((bins,) * size).reshape(size, -1).T.reshape(-1, *shape).astype(np.uint8)


# Who sees whom.


def gradient(model, i, j, group):
    """What the numbers for pixel (i, j) and one group say about each number of the image: (h, w, c), 0 for nothing."""
    rng = np.random.default_rng(0)
    x = tf.constant(rng.uniform(0, model.bins - 1, (40, *model.event_shape)))  # many: a ReLU may shut one of them off
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = tf.split(model.parameters_of(x)[:, i, j], model.pixel_law.groups, axis=-1)[group]
        total = tf.reduce_sum(outputs * rng.normal(size=outputs.shape))
    return np.abs(tape.gradient(total, x)).sum(axis=0)


def reach(size: int, stack: str, blocks: int, first_size: int) -> set[tuple[int, int]]:
    """Offsets (rows down, columns right) of the pixels that a pixel sees in `blocks` blocks, itself left out."""
    first, step = first_size // 2, size // 2
    if stack == "gated":
        far = first + (blocks - 1) * step
        return {(-a, b) for a in range(far + 1) for b in range(-far, far + 1) if a > 0 or b < 0}
    window = lambda r: {(-a, b) for a in range(r + 1) for b in range(-r, r + 1) if a > 0 or b <= 0}  # noqa: E731
    seen = window(first) - {(0, 0)}
    for _ in range(blocks - 1):
        seen = {(a + c, b + d) for a, b in seen for c, d in window(step)}
    return seen


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_pixel_sees_the_pixels_before_it_within_reach_and_no_others(drawn):
    draw = drawn.draw
    height, width = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    channels, law, stack = draw(st.sampled_from([1, 3])), draw(st.sampled_from(LAWS)), draw(st.sampled_from(STACKS))
    sizes = {"blocks": draw(st.integers(1, 3)), "first_size": draw(st.sampled_from([3, 5, 7]))}
    size = draw(st.sampled_from([3, 5]))
    model = pixelcnn(
        (height, width, channels),
        law=law,
        stack=stack,
        size=size,
        bins=draw(st.integers(2, 9)),
        dtype="float64",
        **sizes,
    )
    randomise(model, 1.0)
    i, j = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    group = draw(st.integers(0, model.pixel_law.groups - 1))
    seen = gradient(model, i, j, group) > 0
    expected = np.zeros_like(seen)
    for a, b in reach(size, stack, **sizes):
        if i + a >= 0 and 0 <= j + b < width:
            expected[i + a, j + b] = True
    expected[i, j, :group] = True  # R, then G, then B; never itself
    np.testing.assert_array_equal(seen, expected)


def test_the_masked_stack_has_a_blind_spot_and_the_gated_has_none():
    seen = {}
    for stack in STACKS:
        model = pixelcnn((7, 9, 1), stack=stack, blocks=6, dtype="float64")
        randomise(model, 1.0)
        seen[stack] = gradient(model, 5, 4, 0)[..., 0] > 0
    before = np.arange(63).reshape(7, 9) < 5 * 9 + 4
    np.testing.assert_array_equal(seen["gated"], before)
    blind = before & ~seen["masked"]
    # Right of the diagonal that goes up from the pixel: what no row of 3 x 3 steps reaches without a step to the right.
    assert {(i, j) for i, j in zip(*np.nonzero(blind), strict=True)} == {
        (i, j) for i in range(5) for j in range(9) if j - 4 > 5 - i
    }


# The law.


@every_law_and_stack
@pytest.mark.parametrize(("shape", "bins"), [((2, 2, 1), 4), ((1, 2, 3), 3), ((2, 1, 3), 2)])
def test_probabilities_sum_to_one(law, stack, shape, bins):
    model = pixelcnn(shape, law=law, stack=stack, bins=bins, dtype="float64")
    randomise(model, 0.5)
    log_prob = model.log_prob(every_image(shape, bins))
    assert log_prob.std() > 0.1
    assert np.exp(log_prob).sum() == pytest.approx(1, abs=1e-12)


@every_law_and_stack
def test_samples_are_as_frequent_as_they_are_probable(law, stack):
    shape, bins, n = (1, 2, 3), 2, 20_000
    model = pixelcnn(shape, law=law, stack=stack, bins=bins, dtype="float64", conditioning_shape=(1,))
    randomise(model, 0.5)
    c = np.ones((1, 1))
    everything = every_image(shape, bins)
    expected = n * np.exp(model.log_prob((everything, np.repeat(c, len(everything), axis=0))))
    drawn = model.sample(n, seed=1, conditioning=c[0]).reshape(n, -1)
    counts = np.bincount(drawn @ (bins ** np.arange(6)[::-1]), minlength=64)
    likely = expected > 5
    chi2 = ((counts - expected)[likely] ** 2 / expected[likely]).sum()
    assert likely.sum() > 10
    assert chi2 < likely.sum() + 4 * np.sqrt(2 * likely.sum())


def test_the_logistic_is_that_of_tfp_and_sums_to_one_with_its_edges():
    bins = 256
    rng = np.random.default_rng(0)
    loc, log_scale = rng.uniform(-1.2, 1.2, (50, 1)), rng.uniform(-4, 1, (50, 1))
    values = tf.range(bins, dtype=tf.float64)
    ours = pixel_laws.log_mass(pixel_laws.centred(values, bins), loc, log_scale, bins)
    same(tf.reduce_logsumexp(ours, axis=-1), np.zeros(50), 1e-10)
    shifted = tfd.TransformedDistribution(
        tfd.Logistic((loc + 1) * 127.5, np.exp(log_scale) * 127.5), tfb.Shift(np.float64(-0.5))
    )
    theirs = tfd.QuantizedDistribution(shifted, low=0.0, high=255.0).log_prob(values)
    same(ours, theirs, 1e-6)


def test_the_logistic_is_exact_far_from_its_middle():
    """In float32 the difference of the two sigmoids would be 0, and its logarithm minus infinity."""
    v = tf.constant([-0.5, 0.5])
    log_mass = pixel_laws.log_mass(v, tf.constant(0.0), tf.constant(-5.0), 256)
    exact = pixel_laws.log_mass(
        tf.cast(v, tf.float64), tf.constant(0.0, tf.float64), tf.constant(-5.0, tf.float64), 256
    )
    assert log_mass.numpy().max() < -60
    same(log_mass, exact, 1e-4)


def test_later_channels_lean_on_earlier_ones():
    """Of the mixture: the marginal of R is the mixture of R's logistics, and G's depends on R."""
    bins, k = 5, 2
    law = pixel_laws.LogisticMixture(k, 3, bins)
    params = tf.constant(np.random.default_rng(0).normal(size=(1, law.outputs)))
    everything = every_image((3,), bins)
    joint = np.exp(law.log_prob(tf.repeat(params, bins**3, 0), tf.cast(everything, tf.float64))).reshape(
        bins, bins, bins
    )
    logits, loc, log_scale, _ = law.parameters(params)
    values = pixel_laws.centred(tf.range(bins, dtype=tf.float64), bins)[:, None]
    alone = tf.exp(pixel_laws.log_mass(values, loc[:, :, 0], log_scale[:, :, 0], bins))
    same(joint.sum((1, 2)), tf.linalg.matvec(alone, tf.nn.softmax(logits[0])), 1e-10)
    green = joint.sum(2) / joint.sum((1, 2))[:, None]
    assert np.abs(green[0] - green[-1]).max() > 0.05
    k1 = pixel_laws.LogisticMixture(1, 3, bins)  # one component: without leaning, channels would be independent
    joint = np.exp(k1.log_prob(tf.repeat(params[:, : k1.outputs], bins**3, 0), tf.cast(everything, tf.float64)))
    joint = joint.reshape(bins, bins, bins)
    for pair in ((0, 1), (0, 2), (1, 2)):
        two = joint.sum(({0, 1, 2} - set(pair)).pop())
        assert np.abs(two - np.outer(two.sum(1), two.sum(0))).max() > 1e-3


def test_what_is_no_image_has_no_probability():
    distribution = pixelcnn().distribution
    x = np.zeros((4, 4, 4, 1), np.float32)
    x[1, 0, 0], x[2, 3, 3], x[3, 1, 1] = 4, -1, 0.5
    assert np.isfinite(distribution.log_prob(x)).tolist() == [True, False, False, False]


# Sampling.


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((6, 5, 1), {"size": 5, "first_size": 7}),
        ((3, 5, 3), {"first_size": 5, "bins": 8}),
        ((5, 6, 1), {"stack": "masked", "size": 5, "law": "mixture"}),
        ((4, 3, 3), {"stack": "masked", "conditioning_shape": (2,)}),
        ((3, 4, 3), {"law": "mixture", "bins": 256, "conditioning_shape": (2,)}),
    ],
)
def test_cached_sampling_draws_what_whole_passes_draw(shape, options):
    model = pixelcnn(shape, dtype="float64", **options)
    randomise(model, 1.0)
    c = condition(model, 2)
    cached, by_passes = (model.sample(8, seed=3, conditioning=c, cached=cached) for cached in (True, False))
    np.testing.assert_array_equal(cached, by_passes)
    assert len(np.unique(cached)) > 2
    assert (model.sample(8, seed=4, conditioning=c) != cached).any()


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_it_learns_digits_and_draws_the_same_in_float32(law):
    train, test = (data.load("mnist", split, source="embedded", verbose=False).images for split in ("train", "test"))
    model = models.PixelCNN((28, 28, 1), filters=16, blocks=3, law=law)
    before = model.bits_per_dim(test[:100]).mean()
    model.compile(optimizer=training.adam(training.WarmUpCosine(5e-3)))
    model.fit(train[:1600], batch_size=16, verbose=0)
    after = model.bits_per_dim(test[:100]).mean()
    assert after < 1.8 < 4 < before
    cached, by_passes = (model.sample(4, seed=1, cached=cached) for cached in (True, False))
    # The two round in another order: a pixel on a boundary may fall to the other side, and changes those after it.
    assert (cached == by_passes).all(axis=(1, 2, 3)).mean() >= 0.75
    assert 0.02 < (cached > 127).mean() < 0.4


def test_one_trace_for_any_number_of_samples_and_none_for_the_second_step():
    model = pixelcnn()
    calls = []

    class Spy(type(model)):
        def distribution_given(self, conditioning):
            calls.append(1)
            return super().distribution_given(conditioning)

    model.__class__ = Spy
    for n in (1, 2, 3):
        assert model.sample(n, seed=n).shape == (n, 4, 4, 1)
    assert len(calls) == 1
    calls.clear()
    schedule = training.WarmUpCosine()
    model.compile(optimizer=training.adam(schedule))
    x = examples(model, 64)
    model.fit(x[:16], batch_size=16, verbose=0, callbacks=[training.Budget(60, schedule, progress=False)])
    assert len(calls) == 1
    model.fit(x, batch_size=16, epochs=2, verbose=0)
    assert len(calls) <= 2


def test_distribution_is_a_tfd_distribution_with_any_batch_axes():
    model = pixelcnn((3, 4, 3), conditioning_shape=(2,))
    randomise(model)
    c = np.random.default_rng(0).normal(size=(5, 1, 2)).astype(np.float32)
    distribution = model.distribution_given(c)
    assert isinstance(distribution, tfd.Distribution)
    assert (distribution.batch_shape, distribution.event_shape) == ((5, 1), (3, 4, 3))
    sample = distribution.sample(2, seed=1)
    assert sample.shape == (2, 5, 1, 3, 4, 3)
    log_prob = distribution.log_prob(sample)
    assert log_prob.shape == (2, 5, 1)
    same(model.distribution_given(c[3, 0]).log_prob(sample[1, 3, 0]), log_prob[1, 3, 0], 1e-4)
    assert np.abs(model.distribution_given(c[0, 0]).log_prob(sample[1, 3, 0]) - log_prob[1, 3, 0]) > 1e-3
    drawn = model.sample(2, seed=1, conditioning=c)
    assert (drawn.shape, drawn.dtype) == ((2, 5, 1, 3, 4, 3), np.uint8)


def test_it_learns_what_the_conditioning_says():
    """Images of one level, which the conditioning tells: nothing is left to chance."""
    levels = np.random.default_rng(0).integers(4, size=400)
    x = np.broadcast_to(levels[:, None, None, None], (400, 2, 2, 1)).astype(np.uint8)
    c = np.eye(4, dtype=np.float32)
    model = pixelcnn((2, 2, 1), conditioning_shape=(4,))
    model.compile(optimizer=keras.optimizers.Adam(2e-2))
    model.fit((x, c[levels]), batch_size=50, epochs=20, verbose=0)
    assert model.bits_per_dim((x, c[levels])).mean() < 0.05
    same(model.sample(3, conditioning=c), np.broadcast_to(np.arange(4)[:, None, None, None], (3, 4, 2, 2, 1)), 0)


def test_the_autoencoder_puts_into_its_code_what_pixels_do_not_tell_each_other():
    """Without a code the first pixel of an image of one level costs 2 bits, 1/2 bit per dimension."""
    levels = np.random.default_rng(0).integers(4, size=400)
    x = np.broadcast_to(levels[:, None, None, None], (400, 2, 2, 1)).astype(np.uint8)
    model = pixelcnn((2, 2, 1), kind=models.PixelCNNAutoencoder, code=2, encoder_filters=8)
    model.compile(optimizer=keras.optimizers.Adam(2e-2))
    model.fit(x, batch_size=50, epochs=20, verbose=0)
    assert model.bits_per_dim(x).mean() < 0.05
    codes = model.encode(x[:30])
    assert codes.shape == (30, 2)
    np.testing.assert_array_equal(model.reconstruct(x[:30], seed=1), x[:30])
    np.testing.assert_array_equal(model.sample(2, seed=1, conditioning=codes)[1], x[:30])
    same(model.distribution_given(codes).log_prob(x[:30].astype(np.float32)), model.log_prob(x[:30]), 1e-4)


# The story of every model.


@every_model
def test_every_weight_gets_a_gradient_and_moves_in_fit(name, tmp_path):
    model = MODELS[name]()
    randomise(model)
    x = examples(model, 64)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(keras.tree.map_structure(lambda x: x[:8], x)))
    for weight, gradient in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True):
        assert gradient is not None, weight.path
        assert np.abs(gradient).max() > 0, weight.path
    before = [weight.numpy() for weight in model.trainable_variables]
    old = model.log_prob(x)
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    history = model.fit(x, epochs=3, batch_size=16, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert {"loss", "bits_per_dim"} <= set(history)
    for start, weight in zip(before, model.trainable_variables, strict=True):
        assert np.abs(start - weight.numpy()).max() > 0, weight.path
    new = model.log_prob(x)
    assert np.abs(new - old).max() > 1e-2  # the same array is scored anew

    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded.log_prob(x), new)
    loaded.fit(x, verbose=0)  # the compilation was saved too

    saved = tf.train.Checkpoint(model=model).save(tmp_path / "checkpoint")
    other = MODELS[name](seed=1)
    tf.train.Checkpoint(model=other).restore(saved).assert_existing_objects_matched()
    np.testing.assert_array_equal(other.log_prob(x), new)


def test_samples_after_loading_are_those_from_before(tmp_path):
    model = pixelcnn((3, 4, 3), conditioning_shape=(2,))
    randomise(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    c = condition(model)
    np.testing.assert_array_equal(loaded.sample(3, conditioning=c), model.sample(3, conditioning=c))


@pytest.mark.parametrize("name", ["gated, categorical", "masked, mixture, given c"])
def test_mixed_precision_and_xla(name):
    full, model = MODELS[name](), MODELS[name](dtype="mixed_bfloat16")
    randomise(full)
    model.set_weights(full.get_weights())
    x = examples(model, 32)
    log_prob = model(x)
    assert log_prob.dtype == tf.float32
    assert 1e-6 < np.abs(log_prob - full(x)).max() < 1
    c = condition(model, 2)
    assert model.sample(2, conditioning=c).max() < 4
    compiled = tf.function(lambda x: full(x), jit_compile=True)
    same(compiled(keras.tree.map_structure(tf.constant, x)), full(x), 1e-4)
    model.compile(optimizer="adam", jit_compile=True)
    assert np.isfinite(model.fit(x, verbose=0).history["loss"][0])


def test_bits_per_dim_are_exact_and_no_noise_is_added():
    model = pixelcnn()
    randomise(model)
    x = examples(model)
    np.testing.assert_array_equal(model.log_prob(x, seed=1), model.log_prob(x))
    same(model.bits_per_dim(x), -model.log_prob(x) / (16 * np.log(2)), 1e-6)
    assert pixelcnn(seed=1).bits_per_dim(x).mean() == pytest.approx(2, abs=1e-5)  # the last layer starts at zero


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"event_shape": (4,)}, r"PixelCNN models images of \(height, width, channels\), got event_shape=\(4,\)"),
        ({"bins": None}, "PixelCNN models integers, got bins=None; expected 2 or more"),
        ({"bins": 1}, "got bins=1; expected 2 or more"),
        ({"blocks": 0}, "PixelCNN got blocks=0; expected 1 or more"),
        ({"law": "mixture", "components": 0}, "PixelCNN got components=0; expected 1 or more"),
        ({"event_shape": (4, 4, 3), "filters": 2}, "got filters=2 for 3 channels; expected a feature for each or more"),
        ({"first_size": 4}, "first_size is 4; expected an odd number, 3 or more"),
        ({"size": 1}, "size is 1; expected an odd number, 3 or more"),
        ({"stack": "diagonal"}, "stack is 'diagonal'; expected 'gated' or 'masked'"),
        ({"law": "normal"}, "law is 'normal'; expected 'categorical' or 'mixture'"),
    ],
)
def test_construction_errors(kwargs, words):
    with pytest.raises(InputError, match=words):
        pixelcnn(**kwargs)


def test_what_an_autoencoder_cannot_do_is_said():
    with pytest.raises(InputError, match="got code=0; expected 1 or more"):
        pixelcnn(kind=models.PixelCNNAutoencoder, code=0)
    with pytest.raises(InputError, match=r"no law of codes, hence none of images. Use distribution_given\(codes\)"):
        autoencoder().distribution  # noqa: B018
    with pytest.raises(InputError, match=r"no law of codes to draw from. Use reconstruct\(x\)"):
        autoencoder().sample(2)


def test_data_errors():
    with pytest.raises(InputError, match=r"models integers 0..3, got float32. Pass the bytes, not scaled floats"):
        pixelcnn().log_prob(np.zeros((2, 4, 4, 1), np.float32))
    with pytest.raises(InputError, match=r"models integers 0..3, got values from 9 to 9"):
        pixelcnn().log_prob(np.full((2, 4, 4, 1), 9, np.uint8))
    with pytest.raises(InputError, match=r"this PixelCNN models x given c of shape \(2,\)"):
        pixelcnn(conditioning_shape=(2,)).sample(2)
