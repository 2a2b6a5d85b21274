"""nbval is only worth its time if it can fail: on an edited output, and on a library that computes something else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from course.project import here
from tests.course_helpers import ROOT

pytestmark = pytest.mark.slow

LECTURE = here().notebook("lectures", "ru", "01_change_of_variables")


def nbval(notebook: Path, library: Path | None = None) -> subprocess.CompletedProcess:
    """What `make test-notebooks` does, with one notebook, and perhaps another copy of the library."""
    environment = {**os.environ, "DGM_TFP_PROFILE": "smoke", "TF_CPP_MIN_LOG_LEVEL": "3"}
    if library:
        environment["PYTHONPATH"] = str(library)
    pytest_ = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-q", "-p", "no:xdist"]
    command = [*pytest_, "--nbval-lax", str(notebook)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=notebook.parent)


def test_an_edited_output_fails(tmp_path):
    text = LECTURE.read_text(encoding="utf-8")
    assert text.count("integral 0.500") == 1
    notebook = tmp_path / LECTURE.name
    notebook.write_text(text.replace("integral 0.500", "integral 0.501"), encoding="utf-8")
    done = nbval(notebook)
    assert done.returncode == 1, done.stdout
    assert "1 failed" in done.stdout
    assert "egral 0.501" in done.stdout


def test_another_number_from_the_library_fails(tmp_path):
    shutil.copytree(ROOT / "dgm_tfp", tmp_path / "library/dgm_tfp")
    flow = tmp_path / "library/dgm_tfp/models/flow.py"
    text = flow.read_text(encoding="utf-8")
    right = "return self.distribution.log_prob(z) + log_det"
    assert text.count(right) == 1
    flow.write_text(text.replace(right, right.replace("+", "-")), encoding="utf-8")
    notebook = Path(shutil.copy(LECTURE, tmp_path))
    done = nbval(notebook, library=tmp_path / "library")
    assert done.returncode == 1, done.stdout
    assert "1 failed" in done.stdout
    assert "by hand: False" in done.stdout
