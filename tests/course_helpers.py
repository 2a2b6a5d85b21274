"""The tiny course for the tests of the course's machinery: built in seconds, because it does not need TensorFlow."""

import shutil
from pathlib import Path

from course.build import build
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
