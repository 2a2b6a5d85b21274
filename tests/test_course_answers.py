"""Every wrong answer that a unit collects gets no points and is told what is wrong; the right ones pass.

In this process, so that it is cheap enough for ten units. `test_course_day.py` does the same through the grader.
"""

import re

import matplotlib.pyplot as plt
import pytest

from course.checks.labs import wrong_answers
from course.project import here
from course.source import render
from tests.course_helpers import language_of, wrong_together

pytestmark = pytest.mark.slow

# The languages in turn: the code is the same in every one, `check` sees to that. The right answers last, in another one
# than the first wrong answers.
CASES = [
    pytest.param(unit, language_of(place), wrong, id=f"{unit}-{'-'.join(w.metadata['name'] for w in wrong.values())}")
    for unit in here().units
    for place, wrong in enumerate([*wrong_together(here(), unit), {}])
]


@pytest.mark.parametrize(("unit", "language", "wrong"), CASES)
def test_answers(unit, language, wrong, capsys, monkeypatch):
    monkeypatch.setenv("DGM_TFP_PROFILE", "smoke")
    plt.switch_backend("agg")
    namespace: dict = {"__name__": "__main__"}
    failed = {}
    for cell in render(here(), "solutions", language, unit).cells:
        if cell.cell_type != "code":
            continue
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        source = wrong[name].source if name in wrong else cell.source
        capsys.readouterr()
        try:
            exec(compile(source, cell.id, "exec"), namespace)
        except AssertionError as error:
            failed[name] = str(error)
        if name.endswith("-tests"):
            seen = capsys.readouterr().out.startswith("✗")
            assert seen == (name.removesuffix("-tests") in wrong), f"the visible check of {name} must see it too"
    plt.close("all")
    assert failed.keys() == {f"{exercise}-tests" for exercise in wrong}
    for exercise, answer in wrong.items():
        assert re.search(answer.metadata[language], failed[f"{exercise}-tests"]), answer.metadata["name"]


@pytest.mark.parametrize("unit", here().units)
def test_wrong_answers_are_put_together_once_each_and_no_two_exercises_always(unit):
    together = wrong_together(here(), unit)
    names = sorted(answer.metadata["name"] for wrong in together for answer in wrong.values())
    assert names == sorted(answer.metadata["name"] for answer in wrong_answers(here(), unit))
    exercises = {exercise for wrong in together for exercise in wrong}
    for one in exercises:
        for other in exercises - {one}:
            assert any(one in wrong and other not in wrong for wrong in together), (one, other)
