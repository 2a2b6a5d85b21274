"""An nbgrader course directory for some labs of one language, made without nbgrader's own web server."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

from course.errors import CourseError
from course.project import Course
from course.student import stubs

# What a kernel needs so that neither a warning nor a progress bar is written to stderr in a graded cell: nbgrader gives
# no points where anything stands there.
QUIET = {
    "DGM_TFP_PROFILE": "smoke",
    "PYTHONWARNINGS": "ignore",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TQDM_DISABLE": "1",
}
KERNEL_ARGUMENTS = ["--log-level=ERROR"]


def settings(course: Course, language: str) -> Config:
    """nbgrader's configuration: the course's name, stubs in the language, time limits, what is put back."""
    config = stubs(course, language)
    config.CourseDirectory.course_id = course.config["repository"].rstrip("/").split("/")[-1]
    config.Execute.timeout = 60  # seconds for a cell
    config.Execute.interrupt_on_timeout = True
    config.Execute.extra_arguments = KERNEL_ARGUMENTS
    config.OverwriteCells.add_missing_cells = True
    return config


def settings_file(config: Config) -> str:
    """The text of `nbgrader_config.py`, for nbgrader's own commands."""
    lines = ["import os", "", f"os.environ.update({QUIET!r})", "", "c = get_config()"]
    lines += [
        f"c.{section}.{name} = {value!r}" for section in sorted(config) for name, value in config[section].items()
    ]
    return "\n".join(lines) + "\n"


def make(course: Course, language: str, units: Iterable[str], folder: Path) -> None:
    """Writes `source/`, and by nbgrader's generate_assignment `release/` and `gradebook.db`, for `units`."""
    config = settings(course, language)
    config.CourseDirectory.root = str(folder.resolve())
    for unit in units:
        source = folder / "source" / unit
        source.mkdir(parents=True)
        shutil.copyfile(course.committed("solutions", language, unit), source / f"{unit}.ipynb")
        with _nbgrader_finds_alembic():
            done = api(config).generate_assignment(unit)
        if not done["success"]:
            reason = done["error"].strip().splitlines()[-1]
            raise CourseError(f"nbgrader does not take solutions/{language}/{unit}.ipynb: {reason}; run it by hand.")


def api(config: Config) -> NbGraderAPI:
    """nbgrader without its command line. It says what went wrong in what it returns, not on the terminal."""
    quiet = Config({"NbGraderAPI": {"log_level": "CRITICAL"}})
    quiet.merge(config)
    return NbGraderAPI(config=quiet)


@contextlib.contextmanager
def _nbgrader_finds_alembic() -> Iterator[None]:
    """For a new gradebook nbgrader calls `alembic` by its bare name, which a venv that is not activated hides."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before
