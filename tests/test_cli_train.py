"""`dgm-tfp train`, `sample`, `score`: what they write, how a run goes on, what they say of bad input."""

import argparse
import csv
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import dgm_tfp_cli
from dgm_tfp import bijectors, data, model_commands, models, runs, training
from dgm_tfp.models import registry
from tests.test_cli import images, refused, run  # noqa: F401 (a fixture)

NOTES = ": (your file|embedded:|computed)"  # where data come from

SMOKE = ("--source", "embedded", "--profile", "smoke", "--quiet")
TINY = ("--set", "levels=1", "--set", "steps=1", "--set", "filters=8", "--quiet", "--profile", "smoke")
FILES = {"config.json", "model.keras", "history.csv", "checkpoints", "logs"}


@keras.saving.register_keras_serializable(package="tests")
class Normal(models.Flow):
    """A Gaussian of any mean and any variances."""

    def __init__(self, event_shape, scale: float = 1.0, centred: bool = False, widths=(3, 4), kind="a", **kwargs):
        super().__init__(event_shape, **kwargs)
        self.options = {"scale": scale, "centred": centred, "widths": list(widths), "kind": kind}
        self.shift = self.add_weight(shape=self.event_shape, initializer="zeros", name="shift")
        self.log_scale = self.add_weight(shape=self.event_shape, initializer="zeros", name="log_scale")
        self.build()

    @property
    def flow_bijector(self):
        return bijectors.Affine(self.shift.value, self.log_scale.value, event_ndims=len(self.event_shape))

    def get_config(self):
        return {**super().get_config(), **self.options}


@pytest.fixture
def normal(monkeypatch):
    """A model of points, and one of flattened images, in the registry."""
    monkeypatch.setitem(registry.MODELS, "normal", registry.Entry(Normal, ("points",), lambda *_: {}))
    monkeypatch.setitem(registry.MODELS, "flat", registry.Entry(Normal, ("flat images",), lambda *_: {}))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """The run of a small Glow on clothes. Tests that spoil it take a copy."""
    out = tmp_path_factory.mktemp("run") / "clothes"
    assert run("train", "glow", "--data", "fashion_mnist", "--out", out, *SMOKE, "--minutes", "0.05") == 0
    return out


def weights(path: Path) -> list[np.ndarray]:
    return runs.load_model(path).get_weights()


def equal(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return len(a) == len(b) > 0 and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def checkpoint(path: Path) -> Path:
    return sorted((path / "checkpoints").iterdir())[-1]


# What they write.


def test_train_writes_the_run(trained):
    assert {path.name for path in trained.iterdir()} == FILES
    config = json.loads((trained / "config.json").read_text())
    assert config["settings"] == {
        "model": "glow",
        "data": "fashion_mnist",
        "source": "embedded",
        "profile": "smoke",
        "minutes": 0.05,
        "updates": None,
        "seed": 0,
        "resize": None,
        "options": {},
    }
    assert config["options"]["levels"] == 2
    assert config["examples"]["shape"] == [28, 28, 1]
    assert config["examples"]["count"] == 10_000
    assert "embedded" in config["examples"]["source"]
    assert {"dgm-tfp", "tensorflow", "keras", "device"} <= set(config["versions"])
    with (trained / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == ("step", "seconds", "loss", "bits_per_dim", "learning_rate")
    with np.load(checkpoint(trained)) as arrays:
        assert int(arrays["step"]) == int(rows[-1]["step"])
        assert float(arrays["elapsed"]) >= 3
    loaded = keras.saving.load_model(trained / "model.keras")  # by Keras alone, with its optimizer
    assert int(loaded.optimizer.iterations) == int(rows[-1]["step"])


def test_tensorboard_finds_the_same_numbers(trained):
    (logs,) = (trained / "logs").iterdir()
    found = {}
    for record in tf.data.TFRecordDataset(str(logs)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            found[event.step, value.tag] = float(tf.make_ndarray(value.tensor))
    with (trained / "history.csv").open() as file:
        for row in csv.DictReader(file):
            for tag in ("loss", "bits_per_dim", "learning_rate"):
                assert found[int(row["step"]), tag] == pytest.approx(float(row[tag]))


def test_train_prints_the_summary_of_the_test_images(tmp_path, images, capsys):  # noqa: F811
    out = tmp_path / "new" / "run"
    assert run("train", "glow", "--data", images("a.npz"), "--out", out, "--updates", 2, *TINY) == 0
    printed = capsys.readouterr()
    expected = runs.load_model(out).log_prob(np.load(tmp_path / "a.npz")["x_test"][:500]).mean()
    assert "a.npz (test), 500 examples" in printed.out
    assert f"{expected:.3f}" in printed.out
    assert "2 steps" in printed.out
    assert "training" not in printed.err


def test_an_option_reaches_the_model_and_comes_back_with_it(tmp_path, images):  # noqa: F811
    out = tmp_path / "run"
    options = ("--set", "memory=recompute", "--updates", 2, *TINY)
    assert run("train", "glow", "--data", images("a.npz"), "--out", out, *options) == 0
    assert json.loads((out / "config.json").read_text())["options"]["memory"] == "recompute"
    assert isinstance(runs.load_model(out).flow_bijector.steps, bijectors.Recompute)


def test_score_is_log_prob(trained, tmp_path, capsys):
    out = tmp_path / "deep" / "scores.csv"
    arguments = ("--data", "mnist", "--source", "embedded", "--out", out, "--seed", 3)
    assert run("score", trained, *arguments) == 0
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == ("index", "label", "log_prob", "bits_per_dim")
    digits, labels = data.load("mnist", "test", source="embedded", verbose=False)
    model = keras.saving.load_model(trained / "model.keras")
    log_probs = model.log_prob(digits, seed=3)
    assert np.array_equal(np.float32([row["log_prob"] for row in rows]), log_probs)
    assert np.array_equal([int(row["label"]) for row in rows], labels)
    assert np.array_equal([int(row["index"]) for row in rows], np.arange(len(digits)))
    assert np.allclose([float(row["bits_per_dim"]) for row in rows], -log_probs / (784 * math.log(2)), rtol=1e-6)
    printed = capsys.readouterr().out
    se = log_probs.std(ddof=1) / math.sqrt(len(log_probs))
    for number in (log_probs.mean(), se, *np.quantile(log_probs, [0.05, 0.5, 0.95])):
        assert f"{number:.3f}" in printed
    assert not list(tmp_path.rglob("*.part*"))


def test_score_takes_the_data_of_the_run_by_default(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("score", trained, "--source", "embedded", "--split", "test") == 0
    assert "fashion_mnist (test), 2000 examples" in capsys.readouterr().out
    assert len(Path("scores.csv").read_text().splitlines()) == 2001


def test_sample_draws_a_sheet(trained, tmp_path):
    sheets = [tmp_path / name / "sheet.png" for name in ("a", "b", "c")]
    for sheet, seed in zip(sheets, (0, 0, 1), strict=True):
        assert run("sample", trained, "--out", sheet, "--n", 10, "--seed", seed) == 0
    first, again, other = (tf.io.decode_png(sheet.read_bytes()).numpy() for sheet in sheets)
    assert sheets[0].read_bytes().startswith(b"\x89PNG")
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_a_model_of_points(normal, tmp_path, capsys):
    out, picture, scores = tmp_path / "run", tmp_path / "points.png", tmp_path / "scores.csv"
    assert run("train", "normal", "--data", "eight_gaussians", "--out", out, "--updates", 300, "--quiet") == 0
    assert run("sample", out, "--out", picture, "--n", 100) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert run("score", out, "--out", scores) == 0
    with scores.open() as file:
        found = np.float32([row["log_prob"] for row in csv.DictReader(file)])
    points = data.load("eight_gaussians", "test", verbose=False).images
    assert np.array_equal(found, runs.load_model(out).log_prob(points))
    # A Gaussian of the variance 2 + 0.04 in each coordinate has this entropy; 300 steps come near.
    assert -found.mean() == pytest.approx(math.log(2 * math.pi * math.e * 2.04), abs=0.3)


def test_a_model_of_flat_images(normal, tmp_path, images):  # noqa: F811
    source, out, sheet = images("a.npz", (4, 4, 3)), tmp_path / "run", tmp_path / "sheet.png"
    assert run("train", "flat", "--data", source, "--out", out, "--updates", 3, "--quiet") == 0
    assert runs.load_model(out).event_shape == (48,)
    assert run("sample", out, "--out", sheet) == 0
    assert run("score", out, "--out", tmp_path / "scores.csv", "--split", "train") == 0
    with (tmp_path / "scores.csv").open() as file:
        found = np.float32([row["log_prob"] for row in csv.DictReader(file)])
    flat = np.load(source)["x_train"].reshape(-1, 48)
    assert np.array_equal(found, runs.load_model(out).log_prob(flat))


def test_sample_and_score_take_the_report_of_ood(tmp_path, images, capsys):  # noqa: F811
    source, report = images("a.npz"), tmp_path / "report"
    assert run("ood", "--train", source, "--test", source, "--out", report, *SMOKE[2:], "--minutes", "0.01") == 0
    assert run("sample", report, "--out", tmp_path / "sheet.png") == 0
    assert run("score", report, "--out", tmp_path / "scores.csv") == 0
    assert "a.npz (test)" in capsys.readouterr().out
    (report / "report.json").unlink()
    refused(
        ["score", report], "does not say what data it was trained on. Give --data", tmp_path / "none.csv", capsys, NOTES
    )


# Going on.


def args(out, **changed) -> argparse.Namespace:
    argv = ["train", "glow", "--data", "fashion_mnist", "--out", str(out), *SMOKE, *TINY, "--updates", "8"]
    return argparse.Namespace(**{**vars(dgm_tfp_cli.parser().parse_args(argv)), **changed})


class StopAt(threading.Event):
    """An event that sets itself when it has been looked at so many times: once before the training, once a step."""

    def __init__(self, looks: int):
        super().__init__()
        self.looks = looks

    def is_set(self):
        self.looks -= 1
        return self.looks < 0


def test_a_resumed_run_equals_one_that_was_not_interrupted(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "RECENT_STEPS", 2)
    assert model_commands.train(args(tmp_path / "whole"), threading.Event()) is False
    assert model_commands.train(args(tmp_path / "parts"), StopAt(3)) is True
    assert checkpoint(tmp_path / "parts").name == "step-00000003.npz"
    assert "interrupted at step 3; saved" in capsys.readouterr().err
    keras.utils.set_random_seed(7)  # another process
    assert model_commands.train(args(tmp_path / "parts", resume=True), StopAt(2)) is True
    rest = dict.fromkeys(("data", "source", "profile", "updates"))
    assert model_commands.train(args(tmp_path / "parts", resume=True, **rest), threading.Event()) is False
    assert "going on at step 5" in capsys.readouterr().err
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    with np.load(checkpoint(tmp_path / "whole")) as whole, np.load(checkpoint(tmp_path / "parts")) as parts:
        assert set(whole) == set(parts)
        for name in set(whole) - {"elapsed"}:  # Adam's moments, the state of the noise, the step
            assert np.array_equal(whole[name], parts[name]), name
    columns = []
    for name in ("whole", "parts"):
        with (tmp_path / name / "history.csv").open() as file:
            columns.append([(int(row["step"]), float(row["learning_rate"])) for row in csv.DictReader(file)])
    assert [step for step, _ in columns[0]] == [2, 4, 6, 8]
    assert [step for step, _ in columns[1]] == [2, 3, 4, 5, 6, 8]  # a row where it was interrupted, too
    assert dict(columns[0]).items() <= dict(columns[1]).items()  # the same schedule


def test_other_seeds_give_other_weights(tmp_path):
    for seed in (0, 1):
        assert model_commands.train(args(tmp_path / str(seed), seed=seed, updates=1), threading.Event()) is False
    assert not equal(weights(tmp_path / "0"), weights(tmp_path / "1"))


def test_a_finished_run_says_so(trained, capsys):
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    assert run("train", "glow", "--out", trained, "--resume") == 0
    assert re.search(r"is finished: \d+ steps in \d+ s. There is nothing to resume", capsys.readouterr().out)
    assert before == {path: path.stat().st_mtime_ns for path in trained.rglob("*")}


OTHER_SETTINGS = {
    "minutes": (["--minutes", "0.06"], "has minutes 0.05, got 0.06"),
    "updates": (["--updates", "5"], "has updates not set, got 5"),
    "seed": (["--seed", "1"], "has seed 0, got 1"),
    "data": (["--data", "mnist"], "has data fashion_mnist, got mnist"),
    "profile": (["--profile", "laptop"], "has profile smoke, got laptop"),
    "source": (["--source", "auto"], "has source embedded, got auto"),
    "option": (["--set", "steps=3"], "has steps 2, got 3"),
}


@pytest.mark.parametrize("name", OTHER_SETTINGS)
def test_resume_with_other_settings_is_refused(name, trained, capsys):
    arguments, words = OTHER_SETTINGS[name]
    kept = (trained / "config.json").read_text()
    assert run("train", "glow", "--out", trained, "--resume", *arguments) == 2
    one_line(capsys, words)
    assert (trained / "config.json").read_text() == kept


def test_the_same_settings_given_again_are_no_other_settings(trained, capsys):
    again = ("--minutes", "0.05", "--seed", "0", "--data", "fashion_mnist", "--set", "steps=2", "--set", "levels=2")
    assert run("train", "glow", "--out", trained, "--resume", *again, *SMOKE) == 0
    assert "is finished" in capsys.readouterr().out


def test_resume_with_another_model_or_other_data_in_the_file_is_refused(normal, tmp_path, images, capsys):  # noqa: F811
    source, out = images("a.npz"), tmp_path / "run"
    assert run("train", "glow", "--data", source, "--out", out, "--updates", 1, *TINY) == 0
    assert run("train", "normal", "--out", out, "--resume") == 2
    one_line(capsys, "has model glow, got normal", after=(f"{source}: ",))
    np.savez(source, x_train=np.zeros((9, 4, 4, 1), np.uint8), x_test=np.zeros((9, 4, 4, 1), np.uint8))
    assert run("train", "glow", "--out", out, "--resume") == 2
    one_line(capsys, "is not the data that the run in .* began with")


def test_damaged_checkpoints(tmp_path, images, capsys, monkeypatch):  # noqa: F811
    """The one before is taken; where none is whole it is one line; with none at all the run starts anew."""
    monkeypatch.setattr(runs, "CHECKPOINT_SECONDS", 0.0)
    out = tmp_path / "run"
    arguments = ("train", "glow", "--data", images("a.npz"), "--out", out, "--updates", 4, *TINY)
    assert run(*arguments) == 0
    whole = weights(out)
    kept = sorted((out / "checkpoints").iterdir())
    assert [path.name for path in kept] == ["step-00000003.npz", "step-00000004.npz"]
    kept[1].write_bytes(kept[1].read_bytes()[:-100])
    (out / "history.csv").write_text((out / "history.csv").read_text() + "5,not who")
    capsys.readouterr()
    assert run(*arguments, "--resume") == 0
    assert "going on at step 3" in capsys.readouterr().err
    assert equal(whole, weights(out))
    for path in (out / "checkpoints").iterdir():
        path.write_bytes(b"PK nothing")
    assert run(*arguments, "--resume") == 2
    one_line(capsys, "no checkpoint in .* can be read. Train anew")
    shutil.rmtree(out / "checkpoints")
    assert run(*arguments, "--resume") == 0
    assert equal(whole, weights(out))
    assert [row.split(",")[0] for row in (out / "history.csv").read_text().splitlines()] == ["step", "4"]


def test_what_diverged_is_not_saved(normal, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(registry.MODELS, "normal", registry.Entry(Normal, ("points",), lambda *_: {}, peak=1e30))
    out = tmp_path / "run"
    assert run("train", "normal", "--data", "moons", "--out", out, "--updates", 20, "--quiet") == 2
    one_line(capsys, "training diverged after .* steps: the loss is")
    assert not (out / "model.keras").exists()
    assert run("sample", out, "--out", tmp_path / "sheet.png") == 2
    one_line(capsys, "has no model.keras yet: its training was cut off")


def test_batches_go_on_anywhere_and_hold_each_example_once_an_epoch():
    examples = np.arange(10)
    stream = [batch.numpy() for batch in training.batches(examples, 4, seed=1).take(10)]
    epochs = np.concatenate(stream).reshape(4, 10)
    assert (np.sort(epochs) == examples).all()
    assert len({tuple(epoch) for epoch in epochs}) == 4
    later = [batch.numpy() for batch in training.batches(examples, 4, seed=1, start=7).take(3)]
    assert np.array_equal(stream[7:], later)
    other = next(iter(training.batches(examples, 10, seed=2))).numpy()
    assert not np.array_equal(other, epochs[0])


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_stopped_or_killed_then_resumed(tmp_path, images, number, code):  # noqa: F811
    out = tmp_path / "run"
    tiny = [option for option in TINY if option != "--quiet"]
    command = [sys.executable, "-m", "dgm_tfp_cli"]
    if number == signal.SIGKILL:  # the same command, which saves more often
        program = "import sys; from dgm_tfp import runs; runs.CHECKPOINT_SECONDS = 2.0; import dgm_tfp_cli; "
        command = [sys.executable, "-c", program + "sys.exit(dgm_tfp_cli.main(sys.argv[1:]))"]
    command += ["train", "glow", "--data", str(images("a.npz")), *tiny, "--out", str(out), "--updates", "1000000"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        seen = ""
        waits_for = "step" if number != signal.SIGKILL else "never printed"
        while waits_for not in seen and not list(out.glob("checkpoints/*.npz")):
            seen += os.read(process.stderr.fileno(), 4096).decode()
            assert process.poll() is None, seen
        process.send_signal(number)
        errors = process.communicate(timeout=120)[1]
    assert process.returncode == code
    assert "Traceback" not in errors
    step = int(checkpoint(out).stem.split("-")[1])
    assert step > 0
    if number != signal.SIGKILL:
        assert f"interrupted at step {step}" in errors
        assert runs.load_model(out).adapted.numpy()
    with subprocess.Popen([*command, "--resume"], stderr=subprocess.PIPE, text=True) as process:
        seen = ""
        while f"going on at step {step}," not in seen:
            read = os.read(process.stderr.fileno(), 4096).decode()
            assert read, seen
            seen += read
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert process.returncode == 143
    assert int(checkpoint(out).stem.split("-")[1]) >= step


@pytest.mark.slow
def test_score_is_interrupted_at_once_and_writes_nothing(trained, tmp_path):
    out = tmp_path / "scores.csv"
    command = [sys.executable, "-m", "dgm_tfp_cli", "score", str(trained), "--split", "train", "--source", "embedded"]
    with subprocess.Popen([*command, "--out", str(out)], stderr=subprocess.PIPE, text=True) as process:
        assert "fashion_mnist" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "interrupted" in errors
    assert list(tmp_path.iterdir()) == []


# Bad input.


def one_line(capsys, words, after=()):
    lines = [line for line in capsys.readouterr().err.splitlines() if not re.match(r"\S+: (your|embedded|comp)", line)]
    lines = [line for line in lines if line.startswith(("dgm-tfp", "Traceback"))]
    assert len(lines) == 1, lines
    assert "error: " in lines[0]
    assert re.search(words, lines[0]), lines[0]


BAD = {
    "unknown model": (["glwo", "--data", "mnist"], "no model 'glwo'. Did you mean glow[?] Known: glow"),
    "no data": (["glow"], "nothing to train on. Give --data NAME"),
    "unknown data": (["glow", "--data", "mnits"], r"no data set 'mnits'. Did you mean mnist\?"),
    "points for a model of images": (["glow", "--data", "moons"], r"glow models images, got points of shape \(2,\)"),
    "images for a model of points": (
        ["normal", "--data", "mnist"],
        r"normal models points, got images of shape \(28, 28, 1\). Use .*glow or .*flat, or other data",
    ),
    "unknown profile": (["glow", "--data", "mnist", "--profile", "huge"], "invalid choice: 'huge'"),
    "no minutes": (["glow", "--data", "mnist", "--minutes", "0"], "'0' is not a number of minutes above 0"),
    "no updates": (["glow", "--data", "mnist", "--updates", "0"], "'0' is not a whole number from 1 on"),
    "minutes and updates": (["glow", "--data", "mnist", "--minutes", "1", "--updates", "1"], "not allowed with"),
    "unknown option of the model": (["glow", "--data", "mnist", "--set", "depth=3"], "no option 'depth'. Known: level"),
    "the seed as an option": (["glow", "--data", "mnist", "--set", "seed=3"], "no option 'seed'"),
    "an option without a value": (["glow", "--data", "mnist", "--set", "steps"], "'steps'; expected something like st"),
    "a word for a number": (["glow", "--data", "mnist", "--set", "steps=x"], "'steps=x'; expected .* steps=4"),
    "not a yes or no": (["normal", "--data", "moons", "--set", "centred=1"], "expected something like centred=false"),
    "not a list": (["normal", "--data", "moons", "--set", "widths=3;4"], "expected something like widths=3,4"),
    "an option out of range": (["glow", "--data", "mnist", "--set", "steps=0"], "steps=0; expected 1 or more"),
    "an option that the model refuses": (["glow", "--data", "mnist", "--set", "coupling=x"], "coupling is 'x'; expect"),
    "odd size for the levels": (["glow", "--data", "mnist", "--set", "levels=3"], "is not divisible by 8. Use level"),
    "a file that is not there": (["glow", "--data", "nowhere.npz"], "there is no file nowhere.npz"),
    "a source that has it not": (["glow", "--data", "cifar10", "--source", "embedded"], "comes from 'tfds' only"),
    "nothing to resume": (["glow", "--resume"], "holds no run of dgm-tfp train: there is no config.json"),
    "unknown argument": (["glow", "--data", "mnist", "--frobnicate"], "unrecognized arguments: --frobnicate"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_of_train(name, normal, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    arguments, words = BAD[name]
    refused(["train", *arguments], words, tmp_path / "out", capsys, NOTES)


def test_bad_files_of_train(tmp_path, capsys):
    path = tmp_path / "images.npy"
    for array, words in (
        (np.full((20, 4, 4, 1), 0.5, np.float32), "float32 pixels from 0.5 to 0.5; expected bytes 0..255"),
        (np.zeros((20, 5, 5, 1), np.uint8), r"\(5, 5, 1\) is not divisible by 2. Pad to 6x6"),
        (np.zeros((20, 2), np.float32), "expected bytes"),
    ):
        np.save(path, array)
        refused(["train", "glow", "--data", path], words, tmp_path / "out", capsys, NOTES)


def test_a_folder_that_is_not_empty_is_refused(tmp_path, capsys):
    (tmp_path / "letter.txt").write_text("Dear")
    assert run("train", "glow", "--data", "mnist", "--out", tmp_path) == 2
    one_line(capsys, "is not empty. Choose another --out, or go on with the run in it: --resume")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("command", ["train", "sample", "score"])
def test_a_place_that_cannot_be_written(command, trained, tmp_path, capsys):
    blocker = tmp_path / "file"
    blocker.write_text("")
    arguments = {
        "train": ("train", "glow", "--data", "mnist", "--out", blocker / "run"),
        "sample": ("sample", trained, "--out", blocker / "sheet.png"),
        "score": ("score", trained, "--out", blocker / "scores.csv"),
    }[command]
    assert run(*arguments) == 2
    one_line(capsys, "folder .* cannot be written: .*Choose another --out")
    assert blocker.read_text() == ""


def test_bad_input_of_sample_and_score(trained, tmp_path, capsys, images, monkeypatch):  # noqa: F811
    out = tmp_path / "out.png"
    refused(["sample", tmp_path / "none"], "holds no trained model: there is no model.keras in it", out, capsys, NOTES)
    refused(["sample", trained, "--n", "0"], "'0' is not a whole number", out, capsys, NOTES)
    refused(["sample", trained, "--seed", "x"], "'x' is not a whole number", out, capsys, NOTES)
    refused(["sample", trained], "expected a file that ends in .png", tmp_path / "out.jpg", capsys, NOTES)
    refused(["score", tmp_path], "holds no trained model", out, capsys, NOTES)
    small = images("small.npz", (8, 8, 1))
    words = r"models images of shape \(28, 28, 1\), .*small.npz holds images of shape \(8, 8, 1\)"
    refused(["score", trained, "--data", small], words, out, capsys, NOTES)
    words = r"models images of shape \(28, 28, 1\), moons holds points of shape \(2,\). Choose data of the same shape"
    refused(["score", trained, "--data", "moons"], words, out, capsys, NOTES)
    refused(["score", trained, "--split", "dev"], "invalid choice: 'dev'", out, capsys, NOTES)
    refused(["score", trained, "--data", "mnits"], "Did you mean mnist", out, capsys, NOTES)
    assert run("score", trained, "--out", tmp_path) == 2
    one_line(capsys, "--out is the folder .*; expected a file")


def test_a_run_that_is_damaged(trained, tmp_path, capsys):
    out, copy = tmp_path / "out.png", tmp_path / "copy"
    shutil.copytree(trained, copy)
    whole = (copy / "model.keras").read_bytes()
    (copy / "model.keras").write_bytes(whole[: len(whole) // 2])
    refused(["sample", copy], "model.keras cannot be read", out, capsys, NOTES)
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(copy / "model.keras")
    refused(["sample", copy], "is a Sequential; expected a model of dgm_tfp", out, capsys, NOTES)
    (copy / "model.keras").unlink()
    refused(["sample", copy], "has no model.keras yet: its training was cut off. Go on with", out, capsys, NOTES)
    config = json.loads((copy / "config.json").read_text())
    config["architecture"]["registered_name"] = config["architecture"]["class_name"] = "Nothing"
    (copy / "config.json").write_text(json.dumps(config))
    assert run("train", "glow", "--out", copy, "--resume") == 2
    one_line(capsys, "config.json cannot be made")
    for text, words in (("{", "cannot be read"), ("{}", "was not written by dgm-tfp train: it needs architecture")):
        (copy / "config.json").write_text(text)
        assert run("train", "glow", "--out", copy, "--resume") == 2
        one_line(capsys, words)


@pytest.mark.parametrize("command", ["train", "sample", "score"])
def test_help_does_not_import_tensorflow_and_names_every_model(command):
    program = (
        f"import sys, dgm_tfp_cli\ntry: dgm_tfp_cli.main(['{command}', '--help'])\n"
        "finally: assert 'tensorflow' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    if command == "train":
        for name in registry.MODELS:
            assert re.search(rf"MODEL (.|\n +)*\b{name}\b", result.stdout), name
        assert f"at most {runs.CHECKPOINT_SECONDS:.0f} seconds" in " ".join(result.stdout.split())
