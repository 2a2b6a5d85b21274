"""Every wrong answer that a unit collects gets no points and is told what is wrong; the right ones pass.

In this process, so that it is cheap enough for ten units. `test_course_day.py` does the same through the grader.
"""

import re

import matplotlib.pyplot as plt
import pytest

from course.checks.labs import wrong_answers
from course.project import here
from course.source import render

pytestmark = pytest.mark.slow

LANGUAGE = "ru"  # the code is the same in every language: `check` sees to that
CASES = [(unit, None) for unit in here().units] + [(u, w) for u in here().units for w in wrong_answers(here(), u)]
NAMES = [f"{unit}-{wrong.metadata['name'] if wrong else 'right'}" for unit, wrong in CASES]


@pytest.mark.parametrize(("unit", "wrong"), CASES, ids=NAMES)
def test_answer(unit, wrong, capsys, monkeypatch):
    monkeypatch.setenv("DGM_TFP_PROFILE", "smoke")
    plt.switch_backend("agg")
    exercise = wrong.metadata["exercise"] if wrong else None
    namespace: dict = {"__name__": "__main__"}
    failed = {}
    for cell in render(here(), "solutions", LANGUAGE, unit).cells:
        if cell.cell_type != "code":
            continue
        role = cell.metadata.get("nbgrader", {})
        source = wrong.source if exercise and role.get("grade_id") == exercise else cell.source
        capsys.readouterr()
        try:
            exec(compile(source, cell.id, "exec"), namespace)
        except AssertionError as error:
            failed[role["grade_id"]] = str(error)
        if role.get("grade_id") == f"{exercise}-tests":
            assert capsys.readouterr().out.startswith("✗"), "the visible check must see it too"
    plt.close("all")
    if not wrong:
        assert failed == {}
    else:
        assert list(failed) == [f"{exercise}-tests"]
        assert re.search(wrong.metadata[LANGUAGE], failed[f"{exercise}-tests"])
