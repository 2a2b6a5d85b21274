"""A newcomer's day: labs are released, students fill them in, the instructor grades them, in both languages.

Nobody is mocked: the labs are those that `release` writes, and nbgrader gives the points. In each language one student
answers everything and one nothing. Each wrong answer beside the unit is given by somebody, in one language;
`test_course_answers.py` gives the same answer in another one.
"""

import copy
import csv
import re
from collections import defaultdict
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from course.grade import grade
from course.project import here
from course.release import release
from tests.course_helpers import language_of, wrong_together

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

UNIT = "01_change_of_variables"
# Language -> student -> the exercises that are wrong.
WRONG: dict[str, dict[str, dict[str, NotebookNode]]] = {code: {} for code in here().languages}
for place, wrong in enumerate(wrong_together(here(), UNIT)):
    WRONG[language_of(place + 1)]["-".join(answer.metadata["name"] for answer in wrong.values())] = wrong


def fill(lab: NotebookNode, answers: dict[str, str]) -> NotebookNode:
    """The lab with these cells typed in: exercise to source."""
    filled = copy.deepcopy(lab)
    for cell in filled.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in answers:
            cell.source = answers[name]
    return filled


# A language on one worker of pytest-xdist: its submissions are graded once.
LANGUAGES = [pytest.param(code, marks=pytest.mark.xdist_group(f"day-{code}")) for code in here().languages]


@pytest.fixture(scope="module", params=LANGUAGES)
def day(request, tmp_path_factory) -> tuple[str, dict[str, dict[str, dict[str, str]]]]:
    """(language, student -> exercise -> row of grades.csv)."""
    language, folder = request.param, tmp_path_factory.mktemp(f"day_{request.param}")
    release(here(), folder / "released", language)
    lab = nbformat.read(folder / f"released/labs/{UNIT}.ipynb", as_version=4)
    solution = nbformat.read(here().notebook("solutions", language, UNIT), as_version=4)
    answers = {
        cell.metadata.nbgrader.grade_id: re.sub(r"\n +# (BEGIN|END) SOLUTION", "", cell.source)
        for cell in solution.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }
    students = {"complete": fill(lab, answers), "empty": lab}
    for name, wrong in WRONG[language].items():
        students[name] = fill(lab, answers | {exercise: answer.source for exercise, answer in wrong.items()})
    for student, notebook in students.items():
        path = folder / "submissions" / student / f"{UNIT}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    table = grade(here(), folder / "submissions", folder / "grades", jobs=1, progress=False)
    return language, read(table)


def read(table: Path) -> dict[str, dict[str, dict[str, str]]]:
    rows: dict = defaultdict(dict)
    with table.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            rows[row["student"]][row["exercise"]] = row
    return rows


def exercises(rows: dict) -> dict:
    return {name: row for name, row in rows.items() if name != "total"}


def test_the_solutions_get_full_points(day):
    _, rows = day
    assert float(rows["complete"]["total"]["points"]) == here().config["lab"]["points"]
    assert {row["result"] for row in rows["complete"].values()} == {"ok"}


def test_an_empty_lab_gets_none(day):
    language, rows = day
    assert float(rows["empty"]["total"]["points"]) == 0
    for row in exercises(rows["empty"]).values():
        assert row["result"] == "not done"
        assert here().config["languages"][language]["not_done"] in row["message"]


def test_wrong_answers_cost_their_exercises_and_no_other(day):
    language, rows = day
    assert len(WRONG[language]) > 2
    for student, wrong in WRONG[language].items():
        assert wrong.keys() < exercises(rows[student]).keys()
        for name, row in exercises(rows[student]).items():
            if name in wrong:
                assert float(row["points"]) == 0
                assert row["result"] == "wrong"
                assert re.search(wrong[name].metadata[language], row["message"]), row["message"]
            else:
                assert row["result"] == "ok", row["message"]
                assert float(row["points"]) == float(row["max_points"]) > 0
