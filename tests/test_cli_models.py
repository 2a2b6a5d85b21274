"""Every model of the registry from the command line, on each kind of data it takes: train, go on, sample, score."""

import csv
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

import dgm_tfp_cli
from dgm_tfp import data, model_commands, runs
from dgm_tfp.models import registry
from tests.test_cli import images, run  # noqa: F401 (a fixture)
from tests.test_cli_train import StopAt, equal, weights

TINY = {
    "glow": ("levels=1", "steps=1", "filters=4"),
    "real_nvp": ("steps=1", "filters=4", "hidden=8"),
    "maf": ("steps=1", "hidden=8"),
    "iaf": ("steps=1", "hidden=8"),
    "autoencoder": ("code=2", "hidden=8"),
    "denoising_autoencoder": ("code=2", "hidden=8"),
    "vae": ("latent=2", "filters=4", "levels=1"),
    "pixelcnn": ("filters=4", "blocks=2", "head=4"),
    "char_rnn": ("hidden=8", "embedding=4"),
    "gan": ("latent=2", "filters=4", "hidden=8", "discriminator_hidden=8"),
}
CASES = [(name, kind) for name, entry in registry.MODELS.items() for kind in entry.takes]
each_case = pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{name}, {kind}" for name, kind in CASES])


@pytest.fixture
def source(kind, tmp_path, images) -> str:  # noqa: F811
    """Data of a kind, as `--data` takes them."""
    if kind == "points":
        return "moons"
    if kind == "text":
        (tmp_path / "rhyme.txt").write_text("How much wood would a woodchuck chuck?\n" * 200, encoding="utf-8")
        return str(tmp_path / "rhyme.txt")
    return str(images("bytes.npz", (8, 8, 1)))


def args(name: str, source: str, out, *more: str):
    options = [word for option in TINY[name] for word in ("--set", option)]
    argv = ["train", name, "--data", source, "--out", str(out), "--profile", "smoke", "--updates", "4", "--quiet"]
    return dgm_tfp_cli.parser().parse_args([*argv, *options, *more])


@each_case
def test_a_run_goes_on_draws_and_scores(name, kind, source, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert model_commands.train(args(name, source, whole), threading.Event()) is False
    assert model_commands.train(args(name, source, parts), StopAt(2)) is True
    keras.utils.set_random_seed(7)  # another process
    assert model_commands.train(args(name, source, parts, "--resume"), threading.Event()) is False
    assert equal(weights(whole), weights(parts))

    drawn = []
    for file, seed in (("a", 0), ("b", 0), ("c", 1)):
        out = tmp_path / f"{file}.{'txt' if kind == 'text' else 'png'}"
        assert run("sample", whole, "--out", out, "--n", 4, "--seed", seed) == 0
        drawn.append(out.read_text() if kind == "text" else tf.io.decode_png(out.read_bytes()).numpy())
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])

    assert run("score", whole, "--out", tmp_path / "scores.csv", "--seed", 3) == 0
    with (tmp_path / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    model = runs.load_model(whole)
    x = model_commands.read_examples(data.resolve(source), "test", model).x.reshape(-1, *model.event_shape)
    expected = model.scores(x, seed=3)
    assert tuple(rows[0]) == ("index", "label", *expected)
    for column, values in expected.items():
        assert np.array_equal(np.float64([row[column] for row in rows]).astype(values.dtype), values), column
    assert np.isfinite(values).all()
