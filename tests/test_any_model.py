"""One door to any model's likelihood: ours, a distribution, an object with `log_prob`, a Keras model, a file."""

import json
import types

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from dgm_tfp import models, ood
from dgm_tfp.errors import InputError
from tests.helpers import same
from tests.test_cli import SHORT, refused, run

X = np.random.default_rng(0).integers(256, size=(7, 2, 2, 1)).astype(np.uint8)
TRUTH = scipy.stats.norm.logpdf(X.astype(float), 128, 64).sum(axis=(1, 2, 3))  # under independent N(128, 64^2)
GAUSSIAN = tfd.Independent(tfd.Normal(tf.fill((2, 2, 1), 128.0), 64.0), 3)


@keras.saving.register_keras_serializable(package="tests")
class GaussianModel(keras.Model):
    """Its call is log p(x)."""

    def build(self, input_shape):
        self.mean = self.add_weight(shape=(), initializer=keras.initializers.Constant(128.0), name="mean")

    def call(self, x, training=False):
        if training:
            raise AssertionError("scored in training mode")
        return tfd.Independent(tfd.Normal(tf.fill((2, 2, 1), 1.0) * self.mean, 64.0), 3).log_prob(tf.cast(x, "float32"))


def functional():
    x = keras.Input((2, 2, 1))
    z = (keras.layers.Flatten()(x) - 128.0) / 64.0
    return keras.Model(x, -0.5 * keras.ops.sum(z**2, axis=1) - 4 * np.log(64 * np.sqrt(2 * np.pi)))


def with_method(function):
    return types.SimpleNamespace(log_prob=function)


MODELS = {
    "distribution": lambda: GAUSSIAN,
    "numpy object": lambda: with_method(lambda x: scipy.stats.norm.logpdf(x, 128.0, 64.0).sum(axis=(1, 2, 3))),
    "tensors out": lambda: with_method(lambda x: GAUSSIAN.log_prob(tf.cast(x, "float32"))),
    "keras model": GaussianModel,
    "functional model": functional,
}


@pytest.mark.parametrize("name", MODELS)
def test_all_doors_lead_to_the_same_likelihood(name):
    for batch_size in (3, 250):
        found = ood.log_prob(MODELS[name](), X, batch_size=batch_size)
        assert found.shape == (7,)
        same(found, TRUTH, 1e-5)


def test_our_models_and_the_scores_go_through_it():
    flow = models.Glow((2, 2, 1), levels=1, steps=1, filters=4)
    same(ood.log_prob(flow, X, batch_size=3), flow.log_prob(X, batch_size=3), 1e-6)
    same(ood.likelihood(functional(), X), TRUTH, 1e-5)
    sizes = []
    ood.log_prob(with_method(lambda x: sizes.append(len(x)) or np.zeros(len(x))), X, batch_size=3)
    assert sizes == [3, 3, 1]


def joint():
    return tfd.JointDistributionSequential([tfd.Normal(0.0, 1.0), tfd.Normal(0.0, 1.0)])


BAD = {
    "no log_prob": (object(), ood.NotApplicable, "object has no method log_prob. Give it one"),
    "a GAN": (models.GAN((2,), bins=None), ood.NotApplicable, "GAN has no likelihood"),
    "many distributions": (tfd.Normal(tf.zeros((2, 2, 1)), 1.0), InputError, r"batch shape \(2, 2, 1\).*Independent"),
    "another shape": (tfd.Independent(tfd.Normal(tf.zeros(4), 1.0), 1), InputError, r"shape \(4,\), got \(2, 2, 1\)"),
    "a joint": (joint(), InputError, "joint distribution of several parts"),
    "a number a pixel": (
        with_method(lambda x: 1.0 * x),
        InputError,
        r"float64 \(7, 2, 2, 1\) for 7 .* expected \(7,\)",
    ),
    "the mean of a batch": (with_method(lambda x: np.mean(x)), InputError, r"returned float64 \(\) for 7"),
    "NaN": (with_method(lambda x: np.where(x[:, 0, 0, 0] > 99, np.nan, 0)), InputError, r"nan for \d of 7"),
    "zero density": (with_method(lambda x: np.full(len(x), -np.inf)), InputError, "is -inf for 7 of 7 examples"),
    "words": (with_method(lambda x: np.array(["likely"] * len(x))), InputError, "returned str"),
    "it fails": (with_method(lambda x: x @ x[0, 0]), InputError, r"failed on uint8 \(7, 2, 2, 1\): ValueError: matmul"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_scored(name):
    model, error, words = BAD[name]
    with pytest.raises(error, match=words):
        ood.log_prob(model, X)
    with pytest.raises(InputError, match=r"no examples to score: x has the shape \(0, 2, 2, 1\)"):
        ood.log_prob(GAUSSIAN, X[:0])


class Module(tf.Module):
    """What a program without Keras saves."""

    def __init__(self):
        super().__init__()
        self.mean = tf.Variable(128.0)

    @tf.function(input_signature=[tf.TensorSpec((None, 2, 2, 1), tf.float32)])
    def log_prob(self, x):
        return tf.reduce_sum(tfd.Normal(self.mean, 64.0).log_prob(x), axis=(1, 2, 3))


def save(how, folder):
    """A saved model of each kind; returns its path."""
    model = GaussianModel()
    model(X)
    if how == "keras":
        model.save(folder / "model_file.keras")
        return folder / "model_file.keras"
    if how == "export":
        functional().export(folder / how, verbose=False)
    else:
        tf.saved_model.save(Module(), folder / how)
    return folder / how


@pytest.mark.parametrize("how", ["keras", "export", "function"])
def test_saved_models(how, tmp_path):
    model = ood.load_model(save(how, tmp_path))
    same(ood.log_prob(model, X, batch_size=3), TRUTH, 1e-5)


def test_a_signature_and_what_has_none(tmp_path):
    module = tf.Module()
    module.mean = tf.Variable(128.0)

    @tf.function(input_signature=[tf.TensorSpec((None, 2, 2, 1), tf.float64, name="images")])
    def score(images):
        return {"nats": tf.reduce_sum(tfd.Normal(tf.cast(module.mean, "float64"), 64.0).log_prob(images), (1, 2, 3))}

    tf.saved_model.save(module, tmp_path / "good", signatures={"log_prob": score})
    same(ood.log_prob(ood.load_model(tmp_path / "good"), X), TRUTH, 1e-12)
    tf.saved_model.save(module, tmp_path / "bad", signatures={"classify": score})
    with pytest.raises(InputError, match=r"no log_prob; its signatures are \['classify'\]. Save it with"):
        ood.load_model(tmp_path / "bad")


@pytest.fixture
def images(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.tile(X, (9, 1, 1, 1)), x_test=X)
    np.save(tmp_path / "b.npy", np.full((20, 2, 2, 1), 128, np.uint8))
    return tmp_path


def test_the_command_measures_a_model_that_is_no_flow(images, capsys, monkeypatch):
    monkeypatch.chdir(images)
    save("function", images)
    assert run("ood", "--model", "function", "--train", "a.npz", "--test", "b.npy", "--out", "report") == 0
    out = images / "report"
    assert sorted(path.name for path in out.iterdir()) == ["histogram.png", "report.html", "report.json"]
    report = json.loads((out / "report.json").read_text())
    assert report["model"] == {"name": "SavedModel", "weights": None, "path": "function"}
    assert report["log_prob"]["test"]["mean"] == pytest.approx(TRUTH.mean(), rel=1e-5)
    assert report["auroc"]["value"] == 0  # all pixels at the mean: likelier than anything
    assert report["images"] == {"train": 63, "test": 7, "ood": 20}
    assert "bits_per_dim" not in report
    printed = capsys.readouterr().out
    assert "log p, nats" in printed
    assert f"{TRUTH.mean():.1f}" in printed
    assert "with a model trained before" in printed


def test_the_command_measures_a_run_and_forgets_the_figures_of_another_report(images, monkeypatch, capsys):
    monkeypatch.chdir(images)
    assert run("ood", "--train", "a.npz", "--test", "b.npy", "--out", "glow", *SHORT, "--minutes", 0.01) == 0
    first = json.loads((images / "glow" / "report.json").read_text())
    assert run("ood", "--model", "glow", "--test", "b.npy", "--out", "again") == 0
    again = json.loads((images / "again" / "report.json").read_text())
    assert again["auroc"] == first["auroc"]
    assert again["bits_per_dim"] == first["bits_per_dim"]
    assert (images / "again" / "volume.png").is_file()
    save("function", images)
    assert run("ood", "--model", "function", "--train", "a.npz", "--test", "b.npy", "--out", "again") == 0
    assert not (images / "again" / "volume.png").exists()


OWN_CLASS = """
import keras
@keras.saving.register_keras_serializable()
class Own(keras.Model):
    def call(self, x):
        return -keras.ops.sum(keras.ops.cast(x, "float32"), axis=(1, 2, 3))
"""


def test_a_class_of_ones_own_is_imported(images, monkeypatch, capsys):
    (images / "own_class.py").write_text(OWN_CLASS)
    monkeypatch.chdir(images)
    program = f"{OWN_CLASS}\nimport numpy as np\nmodel = Own()\nmodel(np.zeros((1, 2, 2, 1)))\nmodel.save('own.keras')"
    exec(program, {"__name__": "own_class"})
    del keras.saving.get_custom_objects()["Custom>Own"]  # it alone: the library's own classes are in there too
    command = ["ood", "--model", "own.keras", "--train", "a.npz", "--test", "b.npy"]
    refused(command, "cannot be read as a Keras model: .*Own.* give --import MODULE", images / "out", capsys)
    assert run(*command, "--import", "own_class", "--out", "out") == 0
    assert json.loads((images / "out" / "report.json").read_text())["model"]["name"] == "Own"
    capsys.readouterr()
    refused([*command, "--import", "gone"], "--import gone: ModuleNotFoundError", images / "new", capsys)


def test_what_the_command_refuses(images, monkeypatch, capsys):
    monkeypatch.chdir(images)
    save("function", images)
    (images / "empty").mkdir()
    (images / "text.keras").write_text("not a zip")
    data = ["--train", "a.npz", "--test", "b.npy"]
    given = ["ood", "--model", "function"]
    for command, words in {
        (*given, *data, "--minutes", "1"): "--minutes is for training, and the model in function is trained",
        (*given, *data, "--coupling", "additive"): "--coupling is for training",
        (*given,): "function does not say what data it was trained on. Give --train NAME",
        (*given, "--train", "mnist"): r"takes the shape \(None, 2, 2, 1\), got \(250, 28, 28, 1\)",
        ("ood", "--model", "empty", *data): "there is no model in empty; expected a .keras file",
        ("ood", "--model", "text.keras", *data): "text.keras cannot be read as a Keras model",
    }.items():
        refused(command, words, images / "out", capsys)
    assert run(*given, *data, "--out", "function") == 2
    assert "the folder of the model, whose report would be lost" in capsys.readouterr().err
