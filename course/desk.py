"""Where submissions are graded, some at a time: one gradebook for each lab and language, copied for each of them."""

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from course import sandbox
from course.feedback import plain_page, sentence, total
from course.grade_one import STUDENT
from course.gradebook_files import read_safely
from course.nbgrader_course import make
from course.project import Course
from course.submissions import Lab, Submission

# From the most serious: the result of the whole is the first of these that an exercise has.
SERIOUS = ("out of memory", "kernel died", "timeout", "not graded", "wrong", "partial", "missing", "not done", "ok")


@dataclass
class Entry:
    """A submission on its way through the grading."""

    submission: Submission
    lab: Lab | None = None
    notebook: NotebookNode | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    page: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Its place in the table."""
        return self.submission.student, self.lab.unit if self.lab else "", self.submission.path.name

    @property
    def title(self) -> str:
        """What its page is called: the lab, or the file where that is no lab or not the one that counts."""
        graded = self.lab and self.rows[-1]["result"] != "duplicate"
        return self.lab.unit if self.lab and graded else self.submission.path.name


class Desk:
    """Where submissions are graded: one gradebook for each lab and language, copied for each submission."""

    def __init__(self, course: Course, folder: Path, seconds: int, megabytes: int) -> None:
        self.course = course
        self.folder = folder
        self.seconds = seconds
        self.megabytes = megabytes
        self.stop = threading.Event()

    def prepare(self, labs: Iterable[Lab]) -> None:
        """Makes the gradebooks that will be needed."""
        for unit, language in sorted({(lab.unit, lab.language) for lab in labs}):
            make(self.course, language, [unit], self._prepared(unit, language))

    def _prepared(self, unit: str, language: str) -> Path:
        return self.folder / "prepared" / language / unit

    def grade_all(self, entries: list[Entry], jobs: int, done: Any) -> None:
        """Grades the entries, some at a time, and calls `done` after each. An interrupt ends all of them."""
        with ThreadPoolExecutor(jobs) as pool:
            try:
                for future in as_completed([pool.submit(self.grade, entry) for entry in entries]):
                    future.result()
                    done()
            except BaseException:
                self.stop.set()
                pool.shutdown(cancel_futures=True)
                raise

    def grade(self, entry: Entry) -> None:
        """Grades one entry in a folder of its own."""
        lab = entry.lab
        assert lab
        with tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            self._lay_out(folder, entry, lab)
            try:
                code = sandbox.run(folder, self.seconds, self.megabytes, self.stop)
                self._take(folder, entry, lab, code)
            except sandbox.Stopped as stopped:
                self._fail(entry, lab, str(stopped), limit=str(self.megabytes))

    def _lay_out(self, folder: Path, entry: Entry, lab: Lab) -> None:
        submitted = folder / "course" / "submitted" / STUDENT / lab.unit
        submitted.mkdir(parents=True)
        nbformat.write(entry.notebook, submitted / f"{lab.unit}.ipynb")
        shutil.copyfile(self._prepared(lab.unit, lab.language) / "gradebook.db", folder / "course" / "gradebook.db")
        # A share of the time for each exercise, so that one that hangs costs only itself; one share for the rest.
        reserve = min(15, self.seconds / 4)
        job = {
            "unit": lab.unit,
            "language": lab.language,
            "not_done": self.course.config["languages"][lab.language]["not_done"],
            "deadline": time.time() + self.seconds - reserve,
            "share": max(1, int((self.seconds - reserve) / (len(lab.exercises) + 1))),
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")

    def _take(self, folder: Path, entry: Entry, lab: Lab, code: int) -> None:
        """Reads what the process wrote. It ran a stranger's code: only plain files of a decent size are read."""
        try:
            result = json.loads(read_safely(folder / "result.json"))
            rows = result["rows"]
            entry.page = read_safely(folder / "feedback.html")
        except (OSError, ValueError, KeyError):
            self._fail(entry, lab, "not graded", reason=_reason(folder, code))
            return
        self._set_rows(entry, lab, rows)

    def _fail(self, entry: Entry, lab: Lab, result: str, **values: str) -> None:
        """No points for anything."""
        if result == "interrupted":
            return
        message = sentence(lab.language, result, **values)
        rows = [
            {"exercise": name, "points": 0.0, "max_points": points, "result": result, "message": message}
            for name, points in lab.exercises.items()
        ]
        self._set_rows(entry, lab, rows)
        entry.page = plain_page(lab.unit, lab.language, result, message)

    @staticmethod
    def _set_rows(entry: Entry, lab: Lab, rows: list[dict[str, Any]]) -> None:
        results = {row["result"] for row in rows}
        worst = next((result for result in SERIOUS if result in results), "ok")
        rows = [*rows, {"exercise": "total", **total(rows), "result": worst, "message": ""}]
        who = {"student": entry.submission.student, "lab": lab.unit, "language": lab.language}
        entry.rows = [{**who, **row} for row in rows]


def _reason(folder: Path, code: int) -> str:
    try:
        return json.loads(read_safely(folder / "result.json"))["failed"][:200]
    except (OSError, ValueError, KeyError, TypeError):
        return f"exit code {code}"
