"""The command line: what it writes, what it says of bad input, what it keeps when it is interrupted."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import dgm_tfp_cli
from dgm_tfp import data
from dgm_tfp.data import embedded, prepared

FILES = ("report.json", "report.html", "histogram.png", "volume.png", "samples.png", "model.keras")
SHORT = ("--profile", "smoke", "--minutes", "0.05", "--quiet")


def run(*argv) -> int:
    try:
        return dgm_tfp_cli.main([str(argument) for argument in argv])
    except SystemExit as stop:  # argparse leaves by this door
        return stop.code


@pytest.fixture
def images(tmp_path):
    """A .npz of small images in the layout of Keras."""
    rng = np.random.default_rng(0)

    def make(name, shape=(4, 4, 1), n=2000, dtype=np.uint8):
        x = rng.integers(256, size=(n, *shape)).astype(dtype)
        np.savez(tmp_path / name, x_train=x[: n // 2], x_test=x[n // 2 :])
        return tmp_path / name

    return make


def test_ood_writes_the_report(tmp_path, images, capsys):
    out = tmp_path / "new" / "report"
    code = run("ood", "--train", images("a.npz"), "--test", images("b.npz"), "--out", out, *SHORT, "--seed", 3)
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    report = json.loads((out / "report.json").read_text())
    assert report["train"].endswith("a.npz")
    assert report["test"].endswith("b.npz")
    assert report["model"]["name"] == "Glow"
    assert (report["profile"], report["seed"], report["partial"]) == ("smoke", 3, False)
    assert 0 < report["seconds"]["training"] < report["seconds"]["total"]
    assert set(report["bits_per_dim"]) == {"train", "test", "ood"}
    for role, value in report["bits_per_dim"].items():
        assert value["mean"] < 100
        assert value["mean"] > 7.9 or role == "train"  # unseen uniform noise has 8 bits: no model has less
        assert value["se"] > 0
    auroc = report["auroc"]
    assert 0 <= auroc["low"] <= auroc["value"] <= auroc["high"] <= 1
    assert {"tensorflow", "keras", "tensorflow-probability", "device"} <= set(report["versions"])
    assert set(report["sources"]) == {"train", "test"}
    for number in (report["bits_per_dim"]["ood"]["mean"], auroc["value"]):
        assert f"{number:.3f}" in printed.out
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert f"{auroc['value']:.3f}" in page


@pytest.mark.slow
def test_ood_on_the_embedded_images_shows_the_paradox(tmp_path):
    """The main job in `smoke`: a small Glow, nine seconds of training."""
    result = subprocess.run(
        [sys.executable, "-m", "dgm_tfp_cli", "ood", "--profile", "smoke", "--source", "embedded", "--out", tmp_path],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    bpd = report["bits_per_dim"]
    assert bpd["ood"]["mean"] < bpd["test"]["mean"] < 7.5
    assert report["auroc"]["high"] < 0.5
    assert "the paradox" in result.stdout
    for noise in ("oneDNN", "absl::InitializeLog", "cuInit", "Warning"):
        assert noise not in result.stderr


@pytest.mark.slow
@pytest.mark.tfds
def test_ood_on_colour_images(tmp_path):
    arguments = ("--train", "cifar10", "--test", "svhn_cropped", "--out", tmp_path, "--profile", "smoke")
    assert run("ood", *arguments, "--minutes", "0.4") == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["auroc"]["value"] < 0.2
    assert report["model"]["levels"] == 3


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_keeps_what_it_has(tmp_path, images, number, code):
    source, out_folder = str(images("a.npz")), tmp_path / "report"
    command = [sys.executable, "-m", "dgm_tfp_cli", "ood", "--train", source, "--test", source]
    command += ["--profile", "smoke", "--minutes", "10", "--out", str(out_folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        seen = ""
        while "step" not in seen and (read := os.read(process.stderr.fileno(), 4096)):  # the bar: training has begun
            seen += read.decode()
        assert "step" in seen, seen
        process.send_signal(number)
        out = process.communicate(timeout=120)[0]
    assert process.returncode == code
    report = json.loads((out_folder / "report.json").read_text())
    assert report["partial"] is True
    assert report["training_steps"] > 0
    assert "PARTIAL" in out
    assert "Partial" in (out_folder / "report.html").read_text()
    assert {path.name for path in out_folder.iterdir()} == set(FILES)


@pytest.mark.slow
def test_interrupted_before_training_it_writes_nothing(tmp_path):
    out = tmp_path / "report"
    with subprocess.Popen(
        [sys.executable, "-m", "dgm_tfp_cli", "ood", "--out", str(out)], stderr=subprocess.PIPE, text=True
    ) as process:
        time.sleep(1)  # TensorFlow is being imported
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not (out / "report.json").exists()


BAD = {
    "unknown data": (["--train", "fashion_mnits"], r"no data set 'fashion_mnits'. Did you mean fashion_mnist\?"),
    "unknown profile": (["--profile", "huge"], "invalid choice: 'huge'"),
    "minutes of nothing": (["--minutes", "0"], "'0' is not a number of minutes above 0"),
    "minutes in words": (["--minutes", "ten"], "'ten' is not a number of minutes"),
    "no steps": (["--steps", "0"], "'0' is not a whole number from 1 on"),
    "negative seed": (["--seed=-1"], "'-1' is not a whole number from 0"),
    "unknown option": (["--frobnicate"], "unrecognized arguments: --frobnicate"),
    "odd size for the levels": (
        ["--levels", "3"],
        r"\(28, 28, 1\) is not divisible by 8. Use levels=2, or pad to 32x32",
    ),
    "2-D data": (
        ["--train", "moons"],
        r"moons \(train\) is an array of float32 and shape \(10000, 2\); expected bytes",
    ),
    "a file that is not there": (["--train", "nowhere.npz"], "there is no file nowhere.npz"),
    "a source that has it not": (["--train", "cifar10", "--source", "embedded"], "cifar10 comes from 'tfds' only"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_exit_code_2(name, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    arguments, words = BAD[name]
    refused(["ood", *arguments], words, tmp_path / "out", capsys)


def refused(arguments, words, out, capsys, notes="^(train|test): "):
    """The command says what is wrong in one line, apart from `notes` on where data come from, and writes nothing."""
    assert run(*arguments, "--out", out) == 2
    printed = capsys.readouterr()
    lines = [line for line in printed.err.splitlines() if not re.search(notes, line)]
    assert len(lines) == 1, printed.err
    assert "dgm-tfp" in lines[0]
    assert "error: " in lines[0]
    assert re.search(words, lines[0]), lines[0]
    assert printed.out == ""
    assert not out.exists()


BAD_FILES = {
    "floats": (np.full((20, 4, 4, 1), 0.5, np.float32), "float32 pixels from 0.5 to 0.5; expected bytes 0..255"),
    "NaN": (np.full((20, 4, 4, 1), np.nan, np.float32), "NaN pixels in 18 images"),
    "empty": (np.zeros((0, 4, 4, 1), np.uint8), "is empty"),
    "one image only": (np.zeros((1, 4, 4, 1), np.uint8), "is empty"),
    "one image to measure": (np.zeros((10, 4, 4, 1), np.uint8), "has one image to measure"),
    "a vector": (np.zeros(20, np.uint8), "shape .* expected bytes"),
    "text": (np.array([[["a"]]] * 20), "expected bytes"),
    "too bright": (np.full((20, 4, 4, 1), 300), "values from 300 to 300; expected bytes 0..255"),
    "odd size": (np.zeros((20, 5, 5, 1), np.uint8), r"\(5, 5, 1\) is not divisible by 2. Pad to 6x6"),
    "another size than the test": (np.zeros((20, 8, 8, 1), np.uint8), r"images of \(8, 8, 1\), mnist of \(28, 28, 1\)"),
    "a single number": (np.uint8(7), "single number"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files(name, tmp_path, capsys):
    array, words = BAD_FILES[name]
    path = tmp_path / "images.npy"
    np.save(path, array)
    test = "mnist" if name.startswith("another") else str(path)
    refused(["ood", "--train", path, "--test", test], words, tmp_path / "out", capsys)


def test_a_broken_file_and_an_npz_without_the_arrays(tmp_path, capsys):
    (tmp_path / "broken.npz").write_bytes(b"PK not a zip")
    refused(["ood", "--train", tmp_path / "broken.npz"], "cannot be read as NumPy data", tmp_path / "out", capsys)
    np.savez(tmp_path / "other.npz", images=np.zeros(3))
    refused(
        ["ood", "--train", tmp_path / "other.npz"], r"holds \['images'\]; expected x_train", tmp_path / "out", capsys
    )


@pytest.mark.parametrize("place", ["a file", "inside a file", "the system's"])
def test_a_folder_that_cannot_be_written(place, tmp_path, images, capsys):
    blocker = tmp_path / "file"
    blocker.write_text("")
    out = {"a file": blocker, "inside a file": blocker / "x" / "y", "the system's": Path("/proc/nowhere/report")}[place]
    source = images("a.npz")
    assert run("ood", "--train", source, "--test", source, "--out", out, *SHORT) == 2
    lines = capsys.readouterr().err.splitlines()
    assert re.search("folder .* cannot be written: .*Choose another --out", lines[-1])
    assert blocker.read_text() == ""


def test_a_corrupted_embedded_file(tmp_path, capsys, monkeypatch):
    copy = tmp_path / "embedded"
    shutil.copytree(embedded.FOLDER, copy)
    damaged = bytearray((copy / "mnist.npz").read_bytes())
    damaged[1000] ^= 1
    (copy / "mnist.npz").write_bytes(damaged)
    monkeypatch.setattr(embedded, "FOLDER", copy)
    arguments = ["ood", "--source", "embedded"]
    refused(arguments, "embedded file mnist.npz is corrupted: its SHA-256 is wrong", tmp_path / "out", capsys)
    (copy / "mnist.npz").unlink()
    refused(arguments, "embedded file mnist.npz is missing", tmp_path / "out", capsys)


@pytest.mark.parametrize("how", ["refused", "silent"])
def test_no_network_and_no_prepared_data(how, tmp_path, capsys, monkeypatch):
    import socket

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if how == "refused":
            server.close()
        monkeypatch.setitem(prepared.HOSTS, "cifar10", f"http://127.0.0.1:{port}")
        monkeypatch.setattr(prepared, "PATIENCE_SECONDS", 2)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        start = time.monotonic()
        words = "cifar10 is not on this machine and cannot be downloaded: .* does not answer. Set TFDS_DATA_DIR"
        refused(["ood", "--train", "cifar10"], words, tmp_path / "out", capsys)
        assert time.monotonic() - start < 30
    assert not (tmp_path / "none").exists()


def test_data_and_version(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert run("data") == 0
    printed = capsys.readouterr().out
    for name in data.NAMES:
        assert re.search(f"^{name} ", printed, re.MULTILINE)
    assert "embedded: 10,000 train and 2,000 test images" in printed
    assert run("--version") == 0
    printed = capsys.readouterr().out
    for name in ("dgm-tfp", "tensorflow", "keras", "tensorflow-probability", "device"):
        assert re.search(rf"^{name} \S", printed, re.MULTILINE)


def test_help_does_not_import_tensorflow():
    program = (
        "import sys, dgm_tfp_cli\n"
        "try: dgm_tfp_cli.main(['ood', '--help'])\n"
        "finally: assert 'tensorflow' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "--minutes" in result.stdout


def test_the_profile_comes_from_the_environment(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DGM_TFP_PROFILE", "gigantic")
    refused(["ood"], "no profile 'gigantic'; expected one of smoke, laptop, gpu", tmp_path / "out", capsys)
