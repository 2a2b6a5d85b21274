"""Grades one submission, in a process of its own, which sandbox.py starts.

Its folder holds `job.json`, and in `course/` nbgrader's gradebook and the submission. What comes of it is
`result.json` and `feedback.html`.
"""

import contextlib
import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

import nbformat
import psutil
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.api import Gradebook
from nbgrader.preprocessors import Execute
from nbgrader.utils import is_grade
from traitlets import Any as AnyTrait
from traitlets import Float, default
from traitlets.config import Config

from course import feedback
from course.nbgrader_course import KERNEL_ARGUMENTS, api

STUDENT = "student"  # the real name is not told to the notebook
MAX_OUTPUT = 1_000_000  # characters kept of what one cell prints or shows


class KeepWhatWasGraded(Execute):
    """nbgrader's Execute, but a dead kernel or the end of the time leaves the points of the exercises before it."""

    deadline = Float(help="when everything must be over, as time.time()").tag(config=True)
    timeout_func = AnyTrait()

    @default("timeout_func")
    def _seconds_for(self) -> Any:
        return lambda cell: max(1, min(self.timeout, int(self.deadline - time.time())))

    def preprocess(self, nb: NotebookNode, resources: Any, km: Any = None) -> Any:
        self.late: set[str] = set()  # exercises in which a cell ran out of time
        self.over: tuple[str, str] | None = None  # why no further cell can run, and in which exercise it happened
        self.where = exercises_by_cell(nb)
        self.size = 0
        return super().preprocess(nb, resources, km)

    def preprocess_cell(self, cell: NotebookNode, resources: Any, index: int) -> Any:
        if cell.cell_type != "code":
            return cell, resources
        exercise = self.where[index]
        own = "nbgrader" in cell.metadata  # a cell of the lab, not one that the student added
        if self.over is None and time.time() >= self.deadline:
            self.over = ("CellTimeoutError", exercise)
        self.size = 0
        if self.over:
            cell.outputs = [_stopped(*self.over)]
        elif own and exercise in self.late:  # its test would hang as its check did
            cell.outputs = [_stopped("CellTimeoutError", exercise)]
        else:
            try:
                cell, resources = super().preprocess_cell(cell, resources, index)
            except DeadKernelError:
                self.over = ("DeadKernelError", exercise)
            except CellTimeoutError:  # the kernel does not answer to an interrupt either
                self.over = ("CellTimeoutError", exercise)
            if self.over:
                cell.outputs = [*cell.outputs, _stopped(*self.over)]
            elif own and "CellTimeoutError" in _names(cell):
                self.late.add(exercise)
        if is_grade(cell):  # a warning is not a wrong answer, and nbgrader takes the points for one
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        return cell, resources

    def output(self, outs: list, msg: dict, display_id: str, cell_index: int) -> Any:
        """Keeps the first part of a flood of outputs, and every error."""
        if msg["msg_type"] != "error":
            self.size += len(str(msg["content"]))
            if self.size > MAX_OUTPUT:
                return None
        return super().output(outs, msg, display_id, cell_index)


def exercises_by_cell(notebook: NotebookNode) -> list[str]:
    """For each cell the exercise whose test comes next; after the last test, that one."""
    names, name = [], ""
    for cell in reversed(notebook.cells):
        if is_grade(cell):
            name = feedback.exercise_of(cell)
        names.append(name)
    names.reverse()
    last = next((name for name in reversed(names) if name), "")
    return [name or last for name in names]


def _stopped(name: str, exercise: str) -> NotebookNode:
    return new_output("error", ename=name, evalue=exercise, traceback=[name])


def _names(cell: NotebookNode) -> list[str]:
    return [output.ename for output in cell.outputs if output.output_type == "error"]


def grade_one(folder: Path) -> None:
    """Runs nbgrader's autograde, and writes the result and the feedback."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    unit = job["unit"]
    config = Config()
    config.CourseDirectory.root = str(folder / "course")
    config.Autograde.autograde_preprocessors = [
        KeepWhatWasGraded,
        *[each for each in autograde_preprocessors() if each is not Execute],
    ]
    config.KeepWhatWasGraded.timeout = job["share"]
    config.KeepWhatWasGraded.deadline = job["deadline"]
    config.KeepWhatWasGraded.extra_arguments = KERNEL_ARGUMENTS
    config.KeepWhatWasGraded.shutdown_kernel = "immediate"
    config.OverwriteCells.add_missing_cells = True
    done = api(config).autograde(unit, STUDENT)
    if not done["success"]:
        reason = done["error"].strip().splitlines()[-1]
        (folder / "result.json").write_text(json.dumps({"failed": reason}), encoding="utf-8")
        return

    notebook = nbformat.read(folder / "course" / "autograded" / STUDENT / unit / f"{unit}.ipynb", as_version=4)
    with Gradebook(f"sqlite:///{folder / 'course' / 'gradebook.db'}") as gradebook:
        grades = gradebook.find_submission_notebook(unit, unit, STUDENT).grades
        points = {grade.name: (grade.auto_score or 0.0, grade.max_score) for grade in grades}
    rows = feedback.rows(notebook, points, job)
    page = feedback.page(feedback.without_hidden_tests(notebook), unit, job["language"], rows)
    (folder / "feedback.html").write_text(page, encoding="utf-8")
    (folder / "result.json").write_text(json.dumps({"rows": rows}), encoding="utf-8")


def autograde_preprocessors() -> list:
    """nbgrader's own list of what runs over a submission."""
    from nbgrader.converters import Autograde

    return Autograde.autograde_preprocessors.default()


def limit_resources() -> None:
    """No core dumps, and no file over 2 GB. There is no limit of address space that TensorFlow survives."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000_000, 2_000_000_000))


def end_with_parent(folder: Path) -> None:
    """Ends this process and its kernel, and removes its folder, once the pipe from the parent is closed.

    The parent ends them itself, unless it was killed.
    """

    def wait() -> None:
        sys.stdin.buffer.read()
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main(folder: str) -> None:
    """What the process does."""
    os.environ.pop("PYTHONPATH", None)  # it is how this module was found; a notebook has no need of the grader
    limit_resources()
    end_with_parent(Path(folder))
    grade_one(Path(folder))
