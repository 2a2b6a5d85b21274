"""The course's builder: one bilingual source, and everything that is made from it."""

import shutil
import subprocess
import sys
import types
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course.build import build
from course.errors import CourseError
from course.execute import execute
from course.project import KINDS, Course, here
from course.source import render
from tests.course_helpers import ROOT, copy

PAIRS = [f"{kind}/{language}/00_tiny" for kind in KINDS for language in ("en", "ru")]


def contents(course: Course) -> dict[str, bytes]:
    """Every generated file."""
    return {
        str(p.relative_to(course.root)): p.read_bytes() for kind in KINDS for p in (course.root / kind).rglob("*.*")
    }


def test_every_notebook_has_its_pair(tiny):
    assert sorted(contents(tiny)) == sorted(pair + suffix for pair in PAIRS for suffix in (".ipynb", ".py"))


def test_building_twice_gives_the_same_bytes(tiny, tmp_path):
    again = Course(tmp_path / "again")
    shutil.copytree(tiny.folder, again.folder)
    build(again, progress=False)
    assert contents(again) == contents(tiny)


def test_only_what_changed_is_built(tiny, tmp_path):
    course = copy(tiny, tmp_path)
    assert build(course, progress=False) == []
    source = course.source("00_tiny", "lectures")
    source.write_text(source.read_text().replace("The slope", "Slope").replace("What is the slope", "Which slope"))
    written = build(course, progress=False)
    assert [str(path.relative_to(course.root)) for path in written] == ["lectures/en/00_tiny.ipynb"]


def test_jupytext_leaves_the_pairs_unchanged(tiny, tmp_path):
    course = copy(tiny, tmp_path)
    before = contents(course)
    notebooks = [str(course.root / f"{pair}.ipynb") for pair in PAIRS]
    texts = [str(course.root / f"{pair}.py") for pair in PAIRS]
    jupytext = [sys.executable, "-m", "jupytext"]
    subprocess.run([*jupytext, "--test", "--to", "py:percent", *notebooks], check=True, capture_output=True)
    for newest in (notebooks, texts):  # --sync takes the newer of the two
        for path in newest:
            Path(path).touch()
        subprocess.run([*jupytext, "--sync", *newest], check=True, capture_output=True)
        assert contents(course) == before


def test_a_reader_gets_one_language(tiny):
    russian = tiny.notebook("lectures", "ru", "00_tiny").read_text(encoding="utf-8")
    assert "Маленькая лекция" in russian
    assert "A tiny lecture" not in russian


def test_figures_have_alternative_text(tiny):
    notebook = nbformat.read(tiny.notebook("lectures", "ru", "00_tiny"), as_version=4)
    alts = [o.metadata["image/png"]["alt"] for c in notebook.cells for o in c.get("outputs", []) if "data" in o]
    assert alts == ["Прямая, которая поднимается слева направо."]


def test_a_lab_has_stubs_in_its_language(tiny):
    lab = tiny.notebook("labs", "ru", "00_tiny").read_text(encoding="utf-8")
    assert "ваш код здесь" in lab
    assert "ещё не сделано" in lab


def test_a_lab_runs_up_to_each_stub_and_to_the_end():
    """What `Run All` does in JupyterLab with a fresh lab of every unit: no cell stops it, and nothing is done yet.

    One after another in one kernel, emptied in between: to import TensorFlow takes longer than to run a lab.
    """
    course = here()
    labs = [
        (language, nbformat.read(course.notebook("labs", language, u), as_version=4))
        for u in course.units
        for language in course.languages
    ]
    everything = new_notebook()
    for _, lab in labs:
        everything.cells += [new_code_cell("%reset -f"), *lab.cells]
    execute(everything, "a lab", profile="smoke")
    for language, lab in labs:
        verdicts = [o.text for c in lab.cells if "nbgrader" in c.metadata for o in c.get("outputs", [])]
        words = course.config["languages"][language]["not_done"]
        exercises = [c for c in lab.cells if c.metadata.get("nbgrader", {}).get("solution")]
        assert len(verdicts) == len(exercises) > 0
        assert all(verdict.startswith("…") and words in verdict for verdict in verdicts)


def setup_cell(language: str) -> str:
    return render(here(), "lectures", language, here().units[0]).cells[0].source


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_first_cell_installs_in_colab_and_keeps_its_tensorflow(language, monkeypatch):
    calls = []
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.setattr(subprocess, "run", lambda command, check: calls.append(command))
    exec(setup_cell(language), {})
    import tensorflow as tf

    (command,) = calls
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert f"tensorflow=={tf.__version__}" in command
    assert any(here().config["repository"] in part for part in command)


def test_the_first_cell_does_nothing_elsewhere(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("something was installed"))
    exec(setup_cell("en"), {})


def test_the_repository_is_named_in_one_place():
    """In the source: everything generated is made from it."""
    address = here().config["repository"]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    generated_or_test = (*KINDS, "tests")
    sources = [n for n in tracked if n.endswith((".py", ".yml", ".toml")) and not n.startswith(generated_or_test)]
    holders = [name for name in sources if address in (ROOT / name).read_text(encoding="utf-8")]
    assert holders == ["course/course.yml"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('# %% colour="red"\nx = 1\n', "has the option 'colour'"),
        ('# %% tests="a"\nassert True\n', "the tests of 'a' have no points"),
        ('# %% exercise="a" check="a"\nx = 1\n', "exercise and check at once"),
        ('# %% exercise="a-tests"\nx = 1\n', "is named 'a-tests'"),
        ("# %%\n1 / 0\n", "does not run"),
        ("# %%\nimport warnings\nwarnings.warn('look')\n", "warns"),
    ],
)
def test_a_mistake_in_a_unit_is_told(tiny, tmp_path, text, words):
    course = copy(tiny, tmp_path)
    course.source("00_tiny", "lectures").write_text(text)
    with pytest.raises(CourseError, match=words):
        build(course, progress=False)


def test_an_unknown_unit_is_told(tiny):
    with pytest.raises(CourseError, match="there is no unit '77'; expected one of 00_tiny"):
        build(tiny, "77", progress=False)


def test_the_command_tells_a_mistake_in_one_line():
    done = subprocess.run([sys.executable, "-m", "course", "build", "77"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("course: there is no unit '77'")
    assert done.stderr.count("\n") == 1
