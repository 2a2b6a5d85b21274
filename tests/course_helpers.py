"""The tiny course for the tests of the course's machinery: built in seconds, because it does not need TensorFlow."""

import shutil
from pathlib import Path

from nbformat import NotebookNode

from course.build import build
from course.checks.labs import wrong_answers
from course.project import Course

ROOT = Path(__file__).resolve().parent.parent


def built_tiny_course(folder: Path) -> Course:
    """A copy of the tiny course in `folder`, with everything built."""
    course = Course(Path(shutil.copytree(ROOT / "tests/tiny_course", folder / "tiny")))
    build(course, progress=False)
    return course


def copy(course: Course, folder: Path) -> Course:
    """A copy to be spoilt."""
    return Course(Path(shutil.copytree(course.root, folder / "copy")))


def wrong_together(course: Course, unit: str) -> list[dict[str, NotebookNode]]:
    """The wrong answers of a unit, each in one of the submissions returned: exercise to answer. The rest is right.

    The exercises that are wrong together change: of any two, some submission has one wrong and the other right, so
    that a mistake that costs a neighbour its points is seen.
    """
    by_exercise: dict[str, list[NotebookNode]] = {}
    for answer in wrong_answers(course, unit):
        by_exercise.setdefault(answer.metadata["exercise"], []).append(answer)
    bits = max(1, (len(by_exercise) - 1).bit_length())
    submissions: dict[tuple[int, int], dict[str, NotebookNode]] = {}
    for place, (exercise, answers) in enumerate(by_exercise.items()):
        for number, answer in enumerate(answers):
            submissions.setdefault((number, place >> number % bits & 1), {})[exercise] = answer
    return list(submissions.values())
