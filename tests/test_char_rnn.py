"""CharRNN: its probabilities add up, its state is carried, it sees only what was before, it learns."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from benchmarks import n_grams
from dgm_tfp import bits, data, training
from dgm_tfp.errors import InputError
from dgm_tfp.models import CharRNN
from tests.helpers import randomise, same


def gru(length=6, vocabulary="abcd", **kwargs):
    return CharRNN((length,), vocabulary, **{"hidden": 8, "embedding": 3, **kwargs})


def lstm(*args, **kwargs):
    return gru(*args, **{"layers": 2, "cell": "lstm", **kwargs})


MODELS = {"gru": gru, "lstm": lstm}
every_model = pytest.mark.parametrize("name", MODELS)


def examples(model, n=6, seed=0):
    return np.random.default_rng(seed).integers(model.bins, size=(n, *model.event_shape)).astype(np.int32)


@every_model
def test_the_probabilities_of_all_sequences_add_up_to_1(name):
    model = MODELS[name](length=3, dtype="float64")
    randomise(model, scale=2.0)
    everything = np.array(list(itertools.product(range(4), repeat=3)), np.int32)
    log_prob = model.log_prob(everything)
    assert np.exp(log_prob).sum() == pytest.approx(1, abs=1e-12)
    assert np.ptp(log_prob) > 1  # not the uniform law
    distribution = model.distribution
    assert isinstance(distribution, tfd.Distribution)
    same(distribution.log_prob(everything.reshape(4, 16, 3)), log_prob.reshape(4, 16), 1e-12)
    same(model.bits_per_dim(everything), bits.bits_per_dim(log_prob, 3), 1e-12)

    drawn = distribution.sample((100, 50), seed=(1, 2)).numpy()
    assert drawn.shape == (100, 50, 3)
    counts = np.bincount((drawn.reshape(-1, 3) @ [16, 4, 1]).astype(int), minlength=64)
    expected = np.exp(log_prob)
    assert np.abs(counts / 5000 - expected).max() < 5 * np.sqrt(expected.max() / 5000)
    chi = ((counts - 5000 * expected) ** 2 / (5000 * expected))[expected > 1e-3].sum()
    assert chi < 63 + 5 * np.sqrt(2 * 63)


@every_model
def test_a_character_sees_only_those_before_it(name):
    model = MODELS[name]()
    randomise(model)
    ids = tf.constant(examples(model, 1))
    with tf.GradientTape(persistent=True) as tape:
        embedded = model.embed(tf.concat([[[model.first]], ids[:, :-1]], axis=1))  # (1, 6, 3): what stands before each
        tape.watch(embedded)
        y, embed = embedded, model.embed
        model.embed = lambda _: y
        log_probs = tf.unstack(model.log_probs(ids)[0])
        model.embed = embed
    for t, log_prob in enumerate(log_probs):
        seen = np.abs(tape.gradient(log_prob, embedded).numpy()[0]).sum(axis=1)
        assert (seen[: t + 1] > 0).all(), t
        assert (seen[t + 1 :] == 0).all(), t
        changed = ids.numpy()
        changed[0, t] = (changed[0, t] + 1) % 4
        moved = np.abs(model.log_probs(tf.constant(changed))[0] - log_probs) > 1e-6
        assert (moved == (np.arange(6) >= t)).all(), t


@every_model
def test_a_step_is_what_the_whole_network_does(name):
    model = MODELS[name](dtype="float64")
    randomise(model)
    ids = tf.constant(examples(model))
    expected, after = model.read(ids, model.start_states(6))
    states = model.start_states(6)
    for t in range(6):
        logits, states = model.step(ids[:, t], states)
        same(logits, expected[:, t], 1e-12)
    same(np.array(tf.nest.flatten(states)), np.array(tf.nest.flatten(after)), 1e-12)


@every_model
def test_generate_is_the_naive_loop(name):
    """The same text as one that reads everything again for each new character."""
    model = MODELS[name]()
    randomise(model)
    text, temperature = "abca", 0.7
    for t in range(12):
        ids = tf.constant([[model.first, *model.encode(text)]])
        logits, _ = model.read(ids, model.start_states(1))
        seed = tf.random.fold_in(tf.constant([5, 0]), t)
        text += model.decode(tf.random.stateless_categorical(logits[:, -1] / temperature, 1, seed)[0])
    assert model.generate("abca", 12, temperature, seed=5) == text[4:]
    assert model.generate("abca", 12, temperature, seed=6) != text[4:]


def test_generate_takes_one_step_for_each_character():
    """The loop's body reads one character: tracing it costs the same for any length, and reads no longer text."""
    model, shapes = gru(), []
    step = model.step
    model.step = lambda ids, states: (shapes.append(ids.shape), step(ids, states))[1]
    for length in (5, 500):
        assert len(model.generate("ab", length)) == length
    assert [tuple(shape) for shape in shapes] == [(None,)] or [tuple(shape) for shape in shapes] == [(1,)]


def test_low_temperature_takes_the_likeliest():
    model = gru()
    randomise(model)
    text = "a"
    for _ in range(8):
        text += max("abcd", key=lambda character, before=text: model.log_prob(before + character)[0])
    assert model.generate("a", 8, temperature=1e-4) == text[1:]


def test_log_prob_of_strings():
    model = gru(length=4, dtype="float64")
    randomise(model)
    same(model.log_prob(["abca", "dddd"]), model.log_prob(np.array([[0, 1, 2, 0], [3, 3, 3, 3]])), 1e-12)
    # A shorter string is the beginning of windows: its probability is the sum over their ends.
    ends = ["ab" + "".join(end) for end in itertools.product("abcd", repeat=2)]
    same(np.exp(model.log_prob("ab")[0]), np.exp(model.log_prob(ends)).sum(), 1e-12)
    same(model.surprise("abca").sum(), -model.log_prob("abca")[0] / np.log(2), 1e-12)
    assert model.decode(model.encode("dabc")) == "dabc"


@every_model
def test_every_weight_gets_a_gradient_and_moves(name):
    model = MODELS[name]()
    randomise(model)
    x = examples(model, 64)
    assert len(model.trainable_variables) == 1 + 3 * model.layer_count + 2
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(model(x))
    for weight, gradient in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True):
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, weight.path
    before, log_prob = [weight.numpy() for weight in model.trainable_variables], model.log_prob(x)
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    history = model.fit(x, epochs=3, batch_size=16, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["bits_per_dim"][-1] == pytest.approx(history["loss"][-1] / 6 / np.log(2), rel=1e-5)
    for old, weight in zip(before, model.trainable_variables, strict=True):
        assert np.abs(old - weight.numpy()).max() > 0, weight.path
    assert np.abs(model.log_prob(x) - log_prob).max() > 1e-2


@every_model
def test_save_and_load_bit_for_bit(name, tmp_path):
    model = MODELS[name]()
    x = examples(model, 32)
    model.compile(optimizer="adam")
    model.fit(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded.log_prob(x), model.log_prob(x))
    np.testing.assert_array_equal(loaded.sample(9, seed=1), model.sample(9, seed=1))
    assert loaded.generate("ab", 20, seed=3) == model.generate("ab", 20, seed=3)
    loaded.fit(x, verbose=0)
    other = MODELS[name](seed=1)
    assert np.abs(other.log_prob(x) - model.log_prob(x)).max() > 0
    saved = tf.train.Checkpoint(model=model).save(tmp_path / "checkpoint")
    tf.train.Checkpoint(model=other).restore(saved).assert_existing_objects_matched()
    np.testing.assert_array_equal(other.log_prob(x), model.log_prob(x))


@every_model
def test_mixed_precision(name):
    full, mixed = MODELS[name](), MODELS[name](dtype="mixed_bfloat16")
    randomise(full)
    mixed.set_weights(full.get_weights())
    x = examples(full, 16)
    log_prob = mixed(x)
    assert log_prob.dtype == tf.float32
    assert 1e-6 < np.abs(log_prob - full(x)).max() < 0.5
    assert mixed.sample(2).shape == (2, 6)
    mixed.compile(optimizer="adam")
    assert np.isfinite(mixed.fit(x, verbose=0).history["loss"][0])


@every_model
def test_xla_gives_the_same(name):
    model = MODELS[name]()
    randomise(model)
    x = tf.constant(examples(model))
    same(tf.function(model.log_probs, jit_compile=True)(x), model.log_probs(x), 1e-4)


@pytest.mark.slow
def test_fit_with_xla():
    model = gru()
    model.compile(optimizer="adam", jit_compile=True)
    assert np.isfinite(model.fit(examples(model), verbose=0).history["loss"][0])


def test_the_second_step_does_not_trace():
    model, calls = gru(), []
    x = examples(model, 64)
    read = model.read
    model.read = lambda *args: (calls.append(1), read(*args))[1]
    model.compile(optimizer="adam")
    model.fit(x, batch_size=16, epochs=3, verbose=0)
    assert len(calls) == 1
    for text in ("a", "abc", "ab" * 20):
        model.surprise(text)
    assert len(calls) == 2
    for n in (5, 6, 7):
        model.generate("ab" * n, n, 1.0 / n, seed=n)
    assert len(calls) == 3


def test_samples_are_windows():
    model = gru()
    x = model.sample(50, seed=1)
    assert (x.shape, x.dtype) == ((50, 6), np.uint8)
    assert set(np.unique(x)) == {0, 1, 2, 3}
    np.testing.assert_array_equal(x, model.sample(50, seed=1))
    assert (x != model.sample(50, seed=2)).any()


def test_n_grams_are_what_they_should_be():
    x = np.tile([0, 1, 2], 400).reshape(-1, 12)
    assert n_grams.bits_per_character(x, x, 0, 4) == pytest.approx(np.log2(3), abs=0.01)
    assert n_grams.bits_per_character(x, x, 1, 4) < 0.2


@pytest.mark.slow
def test_learns_the_python_docs():
    """Held-out text in a few seconds, below counts of characters and of pairs. A minute: benchmarks/text.md."""
    text = data.load_text()
    train, test = text.windows("train", 64), text.windows("test", 128)[:60]
    order_0, order_1 = (n_grams.bits_per_character(train, test, order, len(text.vocabulary)) for order in (0, 1))
    schedule = training.WarmUpCosine(1e-2)
    model = CharRNN((64,), text.vocabulary, hidden=96)
    model.compile(optimizer=training.adam(schedule))
    budget = training.Budget(schedule=schedule, progress=False, updates=400)
    training.fit(model, training.batches(train, 32, 0), budget)
    longer = CharRNN((128,), text.vocabulary, hidden=96)
    longer.set_weights(model.get_weights())
    assert longer.bits_per_dim(test).mean() < order_1 - 0.1 < order_0 - 0.5


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gru(vocabulary="aab"), "the vocabulary is 'aab'; expected two characters or more, each once"),
        (lambda: gru(bins=7), "bins is 7, the vocabulary has 4 characters. Leave bins out."),
        (lambda: gru(cell="rnn"), "cell is 'rnn'; expected 'gru' or 'lstm'"),
        (lambda: gru(hidden=0), "got layers=1, hidden=0, embedding=3; expected 1 or more of each"),
        (lambda: CharRNN((4, 4), "ab"), r"CharRNN models sequences, got event_shape=\(4, 4\). Pass \(length,\)."),
        (lambda: gru(conditioning_shape=(2,)), "CharRNN takes no conditioning"),
        (lambda: gru().generate("abx"), "the text has 'x', which the vocabulary of 4 characters has not"),
        (lambda: gru().generate("", 10, temperature=0), "length=10, temperature=0; expected 1 or more, and above 0"),
        (lambda: gru().log_prob([""]), "the text is empty"),
        (lambda: gru().log_prob(np.zeros((2, 5), np.int32)), r"examples of shape \(6,\), got a batch of \(2, 5\)"),
        (lambda: gru().log_prob(np.full((2, 6), 4)), "models integers 0..3, got values from 4 to 4"),
    ],
)
def test_errors(make, words):
    with pytest.raises(InputError, match=words):
        make()
