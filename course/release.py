"""What an instructor hands out, and an nbgrader course directory to go on from."""

import shutil
from pathlib import Path

from course.errors import CourseError
from course.nbgrader_course import make, settings, settings_file
from course.project import Course


def release(course: Course, folder: Path, language: str) -> list[Path]:
    """Writes `labs/` to hand out and `nbgrader/` to grade in, and returns the labs.

    Args:
      folder: a new or empty folder.
      language: of the labs; nbgrader's stubs are in it too.
    """
    course.check_language(language)
    labs = {unit: course.committed("labs", language, unit) for unit in course.units}
    for unit in course.units:
        course.committed("solutions", language, unit)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise CourseError(f"{folder} is not empty; expected a new or empty folder: name another one.")

    (folder / "labs").mkdir(parents=True)
    for path in labs.values():
        shutil.copyfile(path, folder / "labs" / path.name)
    nbgrader = folder / "nbgrader"
    nbgrader.mkdir()
    (nbgrader / "nbgrader_config.py").write_text(settings_file(settings(course, language)), encoding="utf-8")
    make(course, language, course.units, nbgrader)
    return [folder / "labs" / path.name for path in labs.values()]
