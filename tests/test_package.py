"""The package as a user gets it: the wheel in an empty environment, and a deep Glow in little memory."""

import importlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import pytest

import dgm_tfp

ROOT = Path(__file__).resolve().parents[1]


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ImportError, match=r"needs Keras on TensorFlow, got the backend 'jax'. Set KERAS_BACKEND"):
        importlib.reload(dgm_tfp)


@pytest.mark.slow
def test_the_wheel_runs_in_an_empty_environment(tmp_path):
    def python(executable, *arguments):
        subprocess.run([executable, *arguments], check=True, cwd=tmp_path, capture_output=True, text=True)

    python(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "tools"))]
    for needed in ("data/embedded/mnist.npz", "data/embedded/SHA256SUMS", "data/embedded/README.md", "py.typed"):
        assert f"dgm_tfp/{needed}" in names
    assert wheel.stat().st_size < 9e6

    python(sys.executable, "-m", "venv", tmp_path / "venv")
    binaries = tmp_path / "venv" / "bin"
    python(binaries / "python", "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", wheel)
    python(binaries / "python", "-m", "pip", "check")
    command = [binaries / "dgm-tfp", "ood", "--profile", "smoke", "--minutes", "0.05", "--source", "embedded"]
    subprocess.run(command, check=True, cwd=tmp_path)
    report = json.loads((tmp_path / "ood-report" / "report.json").read_text())
    assert report["train"] == "fashion_mnist"
    assert report["bits_per_dim"]["test"]["mean"] < 8


@pytest.mark.slow
def test_a_deep_glow_trains_in_3_gb(tmp_path):
    """3 levels of 32 steps on 32x32x3: a composition of TFP's own bijectors runs out of memory while it is built."""
    program = """
import numpy as np, dgm_tfp
x = np.random.default_rng(0).integers(256, size=(96, 32, 32, 3)).astype(np.uint8)
model = dgm_tfp.models.Glow((32, 32, 3), levels=3, steps=32, filters=64)
model.adapt(x, examples=32)
model.compile(optimizer=dgm_tfp.training.adam())
loss = model.fit(x, batch_size=32, verbose=0).history["loss"][0]
assert np.isfinite(loss), loss
# The program's own peak: getrusage also counts what the process that started it held, tests beside this one included.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert 2**20 < int(done.stdout.split()[-1]) < 3 * 2**20  # KiB
