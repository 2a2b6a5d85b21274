"""`python -m course check` finds nothing in the course, and finds every defect planted in a copy of the tiny one."""

import json
from pathlib import Path

import pytest

from course.check import check
from course.project import Course, here
from tests.course_helpers import copy


def test_nothing_is_wrong_with_the_course():
    assert check(here()) == []


def test_nothing_is_wrong_with_the_tiny_course(tiny):
    assert check(tiny) == []


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def edit_notebook(path: Path, change) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    change(notebook)
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def cell_with(notebook: dict, text: str) -> dict:
    return next(cell for cell in notebook["cells"] if text in "".join(cell["source"]))


LECTURE, LAB, SOLUTION = "lectures/en/00_tiny.ipynb", "labs/en/00_tiny.ipynb", "solutions/en/00_tiny.ipynb"
SOURCE, EXERCISES = "course/units/00_tiny/lecture.py", "course/units/00_tiny/lab.py"


def in_text(name, old, new):
    return lambda root: edit(root / name, old, new)


def in_notebook(name, change):
    return lambda root: edit_notebook(root / name, change)


def add_metadata(notebook):
    cell_with(notebook, "def double")["metadata"]["hint"] = "return 2 * x"


def add_output(notebook):
    cell = cell_with(notebook, "def double")
    cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": ["return math.sqrt(x)"]}]


def add_error(notebook):
    error = {"ename": "E", "evalue": "e", "output_type": "error", "traceback": []}
    cell_with(notebook, "import math")["outputs"] = [error]


def add_address(notebook):
    output = {"name": "stdout", "output_type": "stream", "text": ["<object at 0x7f0011223344>"]}
    cell_with(notebook, "import math")["outputs"] = [output]


def lose_alt(notebook):
    for output in cell_with(notebook, "matplotlib")["outputs"]:
        output["metadata"] = {}


def unexecute(notebook):
    cell_with(notebook, "slope = 0.5")["execution_count"] = None


def shuffle(notebook):
    cell_with(notebook, "slope = 0.5")["execution_count"] = 7


def edit_exact(notebook):
    cell_with(notebook, "slope = 0.5")["outputs"][0]["text"] = ["-1.5\n"]


def grow(notebook):
    output = {"name": "stdout", "output_type": "stream", "text": ["x" * 1_100_000]}
    cell_with(notebook, "import math")["outputs"] = [output]


def left_over(root):
    (root / "labs/en/99_old.ipynb").write_text("{}")


DEFECTS = {
    "a cell edited in what is generated": (in_text(LECTURE, "A tiny lecture", "A small lecture"), "cell 1 differs"),
    "a source that was not built": (in_text(SOURCE, "A tiny lecture", "A small lecture"), "differs from what the source"),
    "metadata edited": (in_text(LAB, '"locked": true', '"locked": false'), "differs from what the source makes"),
    "the pair edited": (in_text("labs/en/00_tiny.py", "Two exercises", "Three exercises"), "not written as jupytext"),
    "a notebook missing": (lambda root: (root / LECTURE).unlink(), "is missing"),
    "a notebook of no unit": (left_over, "99_old.ipynb: no unit makes it"),
    "an exact output edited": (in_notebook(LECTURE, edit_exact), "an output marked nbval-check-output was edited"),
    "the languages printed different numbers": (in_notebook(LECTURE, edit_exact), "printed something else in lectures/en"),
    "a cell stored unexecuted": (in_notebook(LECTURE, unexecute), "stored unexecuted"),
    "cells run out of order": (in_notebook(LECTURE, shuffle), "not run from the first to the last"),
    "an error committed": (in_notebook(SOLUTION, add_error), "ended with an error"),
    "an address in memory": (in_notebook(SOLUTION, add_address), "this machine's"),
    "a figure without words": (in_notebook(LECTURE, lose_alt), "without alternative text"),
    "a notebook too large": (in_notebook(SOLUTION, grow), "stays under 1 MB"),
    "a cell without its twin": (in_text(SOURCE, '# %% [markdown] lang="ru"\n', "# "), "a cell has no twin"),
    "code that differs": (in_text(SOURCE, 'plot([0, 1], [0, 1], label="прямая")', "plot([0, 1], [1, 0])"), "code differs"),
    "options that differ": (in_text(EXERCISES, 'lang="ru" tests="double" points=4', 'lang="ru" tests="double" points=5'), "has other options in ru"),
    "formulas that differ": (in_text(SOURCE, "Плотность $z = 0.5 x - 2.5$", "Плотность $z = 0.5 x + 2.5$"), "formulas differ"),
    "links that differ": (in_text(SOURCE, "[лабораторная](../../labs/ru/00_tiny.ipynb)", "лабораторная"), "links differ"),
    "words in a shared cell": (in_text(SOURCE, '# %% [markdown] lang="en"\n# # A tiny', "# %% [markdown]\n# # A tiny"), "no"),
    "an answer in a lab's cell": (in_text(LAB, "# your code here", "# return 2 * x"), "holds a line of an answer"),
    "a hidden test in a lab": (in_text(LAB, "# Exercise 2 is graded here", 'assert root(9.0) == 3.0, \\"root(9) must be 3\\"'), "holds a line of an answer or a hidden"),
    "an answer in a lab's metadata": (in_notebook(LAB, add_metadata), "holds a line of an answer"),
    "an answer in a lab's output": (in_notebook(LAB, add_output), "has outputs"),
    "an answer in the text beside a lab": (in_text("labs/ru/00_tiny.py", "# ваш код здесь", "# return 2 * x"), ".py holds a line of an answer"),
    "a marker in a lab": (in_text(LAB, "# your code here", "# BEGIN SOLUTION"), "holds a marker"),
    "points that do not add up": (in_text(EXERCISES, 'lang="en" tests="root" points=6', 'lang="en" tests="root" points=5'), "the points add up to 9, not 10"),
    "an exercise without an answer": (in_text(EXERCISES, "# BEGIN SOLUTION", "# BEGIN"), "has no answer between"),
    "an exercise without hidden tests": (in_text(EXERCISES, "### BEGIN HIDDEN TESTS", "###"), "has no hidden tests"),
    "too few wrong answers": (in_text("course/units/00_tiny/wrong.py", 'exercise="root"', 'exercise="double"'), "has 0 wrong answers"),
    "a forbidden word": (in_text("course/glossary.yml", "плотность распределения вероятностей", "маленькая"), "the glossary has 'плотность'"),
    "a link to no file": (in_text(LECTURE, "labs/en/00_tiny.ipynb", "labs/en/01_tiny.ipynb"), "there is no such file"),
    "an image that is not there": (in_text(LECTURE, "Then the", "![a](gone.png) Then the"), "gone.png: there is no such file"),
    "a link to no heading": (in_text(LECTURE, "../../labs/en/00_tiny.ipynb", "#gone"), "there is no such heading"),
    "an address that cannot be": (in_text(LECTURE, "../../labs/en/00_tiny.ipynb", "http://example"), "well formed https"),
    "an arXiv number that cannot be": (in_text(LECTURE, "../../labs/en/00_tiny.ipynb", "https://arxiv.org/abs/18"), "arXiv"),
}  # fmt: skip


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_found(tiny, tmp_path, defect):
    plant, words = DEFECTS[defect]
    course = copy(tiny, tmp_path)
    plant(course.root)
    problems = check(Course(course.root))
    assert any(words in problem for problem in problems), problems
