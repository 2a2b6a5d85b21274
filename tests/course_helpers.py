"""The tiny course for the tests of the course's machinery: built in seconds, because it does not need TensorFlow."""

import shutil
from pathlib import Path

from nbformat import NotebookNode

from course.build import build
from course.checks.labs import wrong_answers
from course.project import Course, here

ROOT = Path(__file__).resolve().parent.parent


def built_tiny_course(folder: Path) -> Course:
    """A copy of the tiny course in `folder`, with everything built."""
    course = Course(Path(shutil.copytree(ROOT / "tests/tiny_course", folder / "tiny")))
    build(course, progress=False)
    return course


def copy(course: Course, folder: Path) -> Course:
    """A copy to be spoilt."""
    return Course(Path(shutil.copytree(course.root, folder / "copy")))


def language_of(place: int) -> str:
    """The languages in turn: to try one thing in each costs as much as many things, each in one."""
    return here().languages[place % len(here().languages)]


def wrong_together(course: Course, unit: str) -> list[dict[str, NotebookNode]]:
    """The wrong answers of a unit, each in one of the submissions returned: exercise to answer. The rest is right.

    Submission k has the k-th wrong answer of every exercise but those whose place is k modulo `fewest`; what is left
    out is put together in further ones, of `fewest` exercises each. So of any two exercises some submission has one
    wrong and the other right: a mistake that costs a neighbour its points is seen.
    """
    by_exercise: dict[str, list[NotebookNode]] = {}
    for answer in wrong_answers(course, unit):
        by_exercise.setdefault(answer.metadata["exercise"], []).append(answer)
    fewest = min(map(len, by_exercise.values()), default=1)
    submissions: dict[tuple[str, int], dict[str, NotebookNode]] = {}
    for place, (exercise, answers) in enumerate(by_exercise.items()):
        for number, answer in enumerate(answers):
            key = ("left out", place // fewest) if number == place % fewest else ("all", number)
            submissions.setdefault(key, {})[exercise] = answer
    return list(submissions.values())
