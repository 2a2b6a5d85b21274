"""Grades a folder of submissions: each in a process of its own, by nbgrader; writes grades.csv and feedback pages."""

import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil
from tqdm import tqdm

from course.desk import Desk, Entry
from course.errors import CourseError
from course.feedback import plain_page, sentence
from course.gradebook_files import FileNames, write_csv
from course.project import Course
from course.submissions import Lab, Refused, Submission, collect, find_labs, identify, read, restore


def grade(
    course: Course, submissions: Path, out: Path, seconds: int = 300, jobs: int = 2, progress: bool = True
) -> Path:
    """Grades `SUBMISSIONS/STUDENT/*.ipynb` and `SUBMISSIONS/STUDENT.ipynb`, and returns the path of `grades.csv`.

    Args:
      out: gets `grades.csv` and `STUDENT/LAB.html`; what else lies there stays.
      seconds: how long one submission may take, from the start of its process to its end.
      jobs: how many are graded at a time.
      progress: whether to show a progress bar.
    """
    _check(submissions, out, seconds, jobs)
    labs = find_labs(course)
    entries = [_enter(submission, submissions, labs, course) for submission in collect(submissions)]
    if not entries:
        raise CourseError(f"{submissions} is empty; expected STUDENT/LAB.ipynb or STUDENT.ipynb in it.")
    _drop_duplicates(entries)
    out.mkdir(parents=True, exist_ok=True)
    names = FileNames()
    waiting = [entry for entry in entries if not entry.rows]
    with tempfile.TemporaryDirectory(prefix="dgm-grade-", ignore_cleanup_errors=True) as folder:
        desk = Desk(course, Path(folder), seconds, _megabytes(jobs))
        desk.prepare(entry.lab for entry in waiting if entry.lab)
        with tqdm(total=len(entries), unit="submission", disable=not progress) as bar:
            bar.update(len(entries) - len(waiting))
            desk.grade_all(waiting, jobs, bar.update)
    for entry in sorted(entries, key=lambda entry: entry.key):
        student = entry.submission.student
        path = out / names.unique("", student) / f"{names.unique(student, entry.title)}.html"
        path.parent.mkdir(exist_ok=True)
        path.write_text(entry.page, encoding="utf-8")
    rows = [row for entry in sorted(entries, key=lambda entry: entry.key) for row in entry.rows]
    return write_csv(out / "grades.csv", rows)


def _check(submissions: Path, out: Path, seconds: int, jobs: int) -> None:
    if not submissions.is_dir():
        raise CourseError(f"there is no folder {submissions}; expected one with STUDENT/LAB.ipynb or STUDENT.ipynb.")
    if out.resolve().is_relative_to(submissions.resolve()):
        raise CourseError(f"{out} lies in {submissions}; expected results outside it: choose another --out.")
    if out.exists() and not out.is_dir():
        raise CourseError(f"{out} is a file; expected a folder for the results: choose another --out.")
    if seconds < 10 or jobs < 1:
        raise CourseError(f"{seconds} seconds and {jobs} jobs; expected at least 10 seconds and one job.")


def _megabytes(jobs: int) -> int:
    """The memory that one submission may take: its share of three quarters of the machine's, at most 8 GB."""
    return int(min(8e9, psutil.virtual_memory().total * 0.75 / jobs) / 1e6)


def _enter(submission: Submission, folder: Path, labs: list[Lab], course: Course) -> Entry:
    entry = Entry(submission)
    try:
        notebook = read(submission, folder)
        entry.lab = identify(notebook, labs)
        entry.notebook = restore(notebook, entry.lab)
    except Refused as refused:
        _refuse(entry, refused.result, course.languages, **refused.words)
    return entry


def _refuse(entry: Entry, result: str, languages: Sequence[str], **words: str) -> None:
    """One row, which belongs to no lab, and a page that says why nothing was graded, in every language."""
    messages = [sentence(language, result, **words) for language in languages]
    entry.rows = [
        {
            "student": entry.submission.student,
            "lab": "",
            "language": "",
            "exercise": "total",
            "points": 0,
            "max_points": None,
            "result": result,
            "message": f"{entry.submission.path.name}: {messages[0]}",
        }
    ]
    entry.page = plain_page(entry.submission.path.name, languages[0], result, " / ".join(messages))


def _drop_duplicates(entries: list[Entry]) -> None:
    """Of several files of one lab by one student the one changed last is graded."""
    known = sorted((entry for entry in entries if entry.lab), key=lambda entry: entry.key[:2])
    for _, group in itertools.groupby(known, key=lambda entry: entry.key[:2]):
        *others, last = sorted(group, key=lambda e: (e.submission.path.stat().st_mtime, e.submission.path.name))
        for entry in others:
            assert entry.lab
            _refuse(entry, "duplicate", [entry.lab.language], graded=last.submission.path.name)
