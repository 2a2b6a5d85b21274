"""Release and grading, on a tiny course: nothing that a submission does reaches another one, or the instructor."""

import contextlib
import copy
import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from course.errors import CourseError
from course.grade import grade
from course.gradebook_files import COLUMNS, FileNames
from course.project import Course
from course.release import release
from course.submissions import Refused, find_labs, identify, restore
from tests.course_helpers import ROOT

UNIT = "00_tiny"


@pytest.fixture(scope="module")
def course(tiny) -> Course:
    return tiny


def notebook(course: Course, kind: str = "solutions", language: str = "en") -> NotebookNode:
    return nbformat.read(course.notebook(kind, language, UNIT), as_version=4)


def cell(notebook: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == name)


# Each takes a solved lab and spoils it. What is expected of each stands in EXPECTED.


def hangs(lab):
    cell(lab, "double").source = "def double(x):\n    while True:\n        pass"


def hangs_for_good(lab):
    source = "def double(x):\n    while True:\n        try:\n            while True:\n                pass\n"
    cell(lab, "double").source = source + "        except KeyboardInterrupt:\n            pass"


def kills_its_kernel(lab):
    cell(lab, "root").source = "import os\n\nos._exit(3)"


def without_a_solution_cell(lab):
    cell(lab, "double").source = "def twice(x):\n    return 2 * x"
    lab.cells.remove(cell(lab, "root"))


def without_the_tests(lab):
    for name in ("double-check", "double-tests", "root-tests"):
        lab.cells.remove(cell(lab, name))


def in_cells_of_its_own(lab):
    """The answers moved to new cells, the marked ones deleted."""
    for name in ("double", "root"):
        old = cell(lab, name)
        lab.cells[lab.cells.index(old)] = new_code_cell(old.source)


def copied_cell(lab):
    at = lab.cells.index(cell(lab, "double"))
    lab.cells.insert(at + 1, copy.deepcopy(lab.cells[at]))
    lab.cells.append(copy.deepcopy(cell(lab, "double-tests")))


def edits_the_tests(lab):
    """Among others a tag by which a runner leaves a cell out, and a mark that says it is no test."""
    cell(lab, "double").source = "def double(x):\n    return 7"
    cell(lab, "double-tests").source = "pass"
    cell(lab, "double-tests").metadata.nbgrader.points = 400
    cell(lab, "double-tests").metadata.tags = ["skip-execution"]
    cell(lab, "root").source = "def root(x):\n    return 7"
    cell(lab, "root-tests").metadata.nbgrader.grade = False
    cell(lab, "root-tests").metadata.nbgrader.locked = False


def strange_marks(lab):
    for each in lab.cells:
        if "nbgrader" in each.metadata:
            each.metadata.nbgrader = {"grade_id": each.metadata.nbgrader["grade_id"], "schema_version": 99}
    lab.cells.insert(0, new_code_cell("1", metadata={"nbgrader": {"grade": True, "solution": True}}))
    lab.cells.insert(0, new_markdown_cell("x", metadata={"nbgrader": "no dictionary"}))


def is_noisy(lab):
    """Warns, floods the page, and leaves a process behind."""
    source = "import sys, warnings\n\ndef double(x):\n    warnings.warn('careful')\n    print('!', file=sys.stderr)\n"
    cell(lab, "double").source = source + "    print('y' * 3_000_000)\n    return 2 * x"
    lab.cells.insert(2, new_code_cell("for i in range(300):\n    print('x' * 100_000)"))
    source = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1234)'],"
    lab.cells.insert(2, new_code_cell(source + " start_new_session=True)"))


def is_wrong(lab):
    cell(lab, "double").source = "def double(x):\n    return x / 2"
    cell(lab, "root").source = "def root(x):\n    raise AssertionError('=HYPERLINK(1)')"


def has_scripts(lab):
    lab.cells.insert(1, new_markdown_cell("<script>alert('markdown')</script> <img src=x onerror=alert(1)>"))
    lab.cells.insert(1, new_markdown_cell("[link](javascript:alert(2))\n\n<p onclick='alert(3)'>harmless</p>"))
    source = "from IPython.display import HTML, Image, Javascript, SVG, display\n\n"
    source += "display(HTML('<script>alert(4)</script>'))\ndisplay(Javascript('alert(5)'))\ndisplay(SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>'))\n"
    source += "display({'image/png': 'iVBORw0KGgo='}, raw=True, metadata={'image/png': {'width': '1 onload=alert(6)'}})"
    lab.cells.insert(3, new_code_cell(source))


def quotes_the_tests(lab):
    """Prints what the kernel remembers of the cells that ran."""
    cell(lab, "root").source += "\n\nprint(In)"
    lab.cells.append(new_code_cell("print(In)\nraise ValueError(str(In))"))
    lab.cells.append(new_code_cell("# BEGIN HIDDEN TESTS"))


EXPECTED: dict = {
    # what spoils it: the results of the two exercises, and the points
    hangs: ("timeout", "ok", "6"),
    hangs_for_good: ("timeout", "timeout", "0"),
    kills_its_kernel: ("ok", "kernel died", "4"),
    without_a_solution_cell: ("wrong", "missing", "0"),
    without_the_tests: ("ok", "ok", "10"),
    in_cells_of_its_own: ("ok", "ok", "10"),
    copied_cell: ("ok", "ok", "10"),
    edits_the_tests: ("wrong", "wrong", "0"),
    strange_marks: ("ok", "ok", "10"),
    is_noisy: ("ok", "ok", "10"),
    is_wrong: ("wrong", "wrong", "0"),
    has_scripts: ("ok", "ok", "10"),
    quotes_the_tests: ("ok", "ok", "10"),
}


def spoiled_labs(course: Course, folder: Path) -> None:
    for spoil in EXPECTED:
        lab = notebook(course)
        spoil(lab)
        write(lab, folder / spoil.__name__ / "my lab.ipynb")


def all_sorts_of_files(course: Course, folder: Path) -> None:
    write(notebook(course, "solutions", "ru"), folder / "Анна Ким-Ли" / "lab.ipynb")
    (folder / "Анна Ким-Ли" / ".ipynb_checkpoints").mkdir()
    shutil.copy(course.notebook("solutions", "en", UNIT), folder / "=1+1.ipynb")
    write(notebook(course, "labs", "ru"), folder / "empty handed" / "lab.ipynb")
    write(notebook(course, "lectures"), folder / "lecture" / "lecture.ipynb")
    nbformat.write(nbformat.convert(notebook(course), 3), folder / "version 3.ipynb", version=3)

    broken = folder / "broken"
    broken.mkdir()
    (broken / "text.ipynb").write_text("print('hello')")
    (broken / "empty.ipynb").touch()
    (broken / "list.json").write_text("[1, 2]")
    (broken / "deep.ipynb").write_text("[" * 100_000)
    (broken / "bytes.ipynb").write_bytes(b"\xff\xfe\x00\x81")
    (broken / "no cells.ipynb").write_text('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}')
    (broken / "future.ipynb").write_text('{"nbformat": 9, "nbformat_minor": 0, "metadata": {}, "cells": []}')
    (broken / "a folder").mkdir()
    os.mkfifo(broken / "pipe.ipynb")
    with (folder / "large.ipynb").open("wb") as file:
        file.truncate(60_000_000)
    (folder / "nothing").mkdir()
    (folder / "notes.txt").write_text("a note of the instructor")

    (folder / "linked").mkdir()
    (folder / "linked" / "out.ipynb").symlink_to(course.notebook("solutions", "en", UNIT))
    (folder / "linked" / "dangling.ipynb").symlink_to(folder.parent / "nowhere")
    (folder / "linked" / "folder").symlink_to(course.root / "solutions" / "en")

    for when, (name, kind) in enumerate({"a.ipynb": "solutions", "b (1).ipynb": "labs"}.items()):
        write(notebook(course, kind), folder / "twice" / name)
        os.utime(folder / "twice" / name, (when, when))


def write(lab: NotebookNode, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with warnings.catch_warnings(action="ignore"):  # about ids of cells that are there twice
        nbformat.write(lab, path)


def snapshot(folder: Path) -> dict:
    return {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in sorted(folder.rglob("*"))}


def running(words: str) -> list[str]:
    """The processes whose command holds `words`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            found.append(" ".join(process.cmdline()))
    return [command for command in found if words in command]


class Graded:
    """The table and the pages of one run over the submissions that `fill` makes."""

    def __init__(self, course: Course, fill: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        submissions, temporary, self.out = folder / "submissions", folder / "temporary", folder / "out"
        for each in (submissions, temporary, self.out):
            each.mkdir()
        (self.out / "mine.txt").write_text("kept")
        fill(course, submissions)
        before = snapshot(submissions)
        monkeypatch.setattr("tempfile.tempdir", str(temporary))
        table = grade(course, submissions, self.out, seconds=20, jobs=2, progress=False)
        assert table == self.out / "grades.csv"
        assert snapshot(submissions) == before
        assert not list(temporary.iterdir())
        assert not running(str(temporary))
        assert (self.out / "mine.txt").read_text() == "kept"
        with table.open(encoding="utf-8-sig", newline="") as file:
            self.rows = list(csv.DictReader(file))

    def of(self, student: str) -> dict[str, dict[str, str]]:
        return {row["exercise"]: row for row in self.rows if row["student"] == student}

    def results(self, student: str) -> tuple[str, ...]:
        rows = self.of(student)
        return rows["double"]["result"], rows["root"]["result"], rows["total"]["points"]

    def by_file(self, student: str) -> dict[str, str]:
        """The results of what was not graded; its message begins with the file's name."""
        return {row["message"].split(":")[0]: row["result"] for row in self.rows if row["student"] == student}

    def page(self, student: str, title: str = UNIT) -> str:
        return (self.out / student / f"{title}.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_spoiled_submission_costs_what_is_spoiled(course, tmp_path, monkeypatch):
    graded = Graded(course, spoiled_labs, tmp_path, monkeypatch)
    assert {spoil.__name__: graded.results(spoil.__name__) for spoil in EXPECTED} == {
        spoil.__name__: expected for spoil, expected in EXPECTED.items()
    }
    assert {(row["lab"], row["language"]) for row in graded.rows} == {(UNIT, "en")}
    assert {row["max_points"] for row in graded.rows if row["exercise"] == "total"} == {"10"}

    assert graded.of("is_wrong")["double"]["message"] == "double(-3) must be -6"
    assert "must be -6" in graded.page("is_wrong")
    assert graded.of("without_a_solution_cell")["double"]["message"] == "NameError: name 'double' is not defined"
    assert "“root”" in graded.of("kills_its_kernel")["root"]["message"]
    assert graded.of("is_wrong")["root"]["message"] == "'=HYPERLINK(1)"
    missing = "The cell for the answer is not there. NameError: name 'root' is not defined"
    assert graded.of("without_a_solution_cell")["root"]["message"] == missing
    assert not running("sleep(1234)")

    page = graded.page("has_scripts")
    assert "harmless" in page
    for words in ("<script>alert", "onerror=alert", "onclick", 'href="javascript', "width=1"):
        assert words not in page

    pages = list(graded.out.rglob("*.html"))
    assert len(pages) == len(EXPECTED)
    for path in pages:
        text = re.sub("<[^>]*>", "", path.read_text(encoding="utf-8"))  # without the colours of the code
        for words in ("END HIDDEN TESTS", "assert double", "assert root", "root(9.0) == 3.0"):
            assert words not in text, path


@pytest.mark.slow
def test_every_file_has_its_result_and_good_ones_get_everything(course, tmp_path, monkeypatch):
    graded = Graded(course, all_sorts_of_files, tmp_path, monkeypatch)
    assert (graded.out / "grades.csv").read_bytes().startswith(b"\xef\xbb\xbf" + ",".join(COLUMNS).encode())
    for student, language, total in (("Анна Ким-Ли", "ru", "Всего"), ("'=1+1", "en", "Total"), ("version 3", "en", "")):
        assert graded.results(student) == ("ok", "ok", "10")
        assert graded.of(student)["total"]["language"] == language
        assert total in graded.page(student.replace("'=", "_"))
    assert graded.results("empty handed") == ("not done", "not done", "0")
    assert graded.of("empty handed")["double"]["message"] == "ещё не сделано"

    files = ["a folder", "bytes.ipynb", "deep.ipynb", "empty.ipynb", "future.ipynb"]
    files += ["list.json", "no cells.ipynb", "pipe.ipynb", "text.ipynb"]
    assert graded.by_file("broken") == dict.fromkeys(files, "not a notebook")
    for words in ("cannot be read as a notebook", "не читается как блокнот"):
        assert words in graded.page("broken", "text.ipynb")
    assert graded.by_file("linked") == dict.fromkeys(["out.ipynb", "dangling.ipynb", "folder"], "outside")
    single = {"notes": "not a notebook", "nothing": "no submission", "lecture": "unknown lab", "large": "too large"}
    assert {student: graded.of(student)["total"]["result"] for student in single} == single

    assert [(row["exercise"], row["result"]) for row in graded.rows if row["student"] == "twice"] == [
        ("total", "duplicate"),
        *[(exercise, "not done") for exercise in ("double", "root", "total")],
    ]
    assert "b (1).ipynb" in graded.page("twice", "a.ipynb")


@pytest.mark.slow
def test_the_end_of_the_grading_process_has_a_result(course, tmp_path, monkeypatch):
    def fill(course, folder):
        for name, source in {
            "greedy": "import time\nmemory = b'x' * 2_000_000_000\ntime.sleep(60)",
            "deadly": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)",
            "good": "1",
        }.items():
            lab = notebook(course)
            lab.cells.insert(2, new_code_cell(source))
            write(lab, folder / f"{name}.ipynb")

    monkeypatch.setattr("course.grade._megabytes", lambda jobs: 1500)
    graded = Graded(course, fill, tmp_path, monkeypatch)
    assert graded.results("greedy") == ("out of memory", "out of memory", "0")
    assert "1500 MB" in graded.page("greedy")
    assert graded.results("deadly") == ("not graded", "not graded", "0")
    assert graded.results("good") == ("ok", "ok", "10")


def test_a_lab_without_any_mark_is_known_by_its_text(course):
    labs = find_labs(course)
    lab = notebook(course, "labs", "ru")
    for each in lab.cells:
        each.metadata.pop("nbgrader", None)
    found = identify(_claiming(lab, None, None), labs)
    assert (found.unit, found.language) == (UNIT, "ru")
    marked = [each.metadata.nbgrader.grade_id for each in restore(lab, found).cells if "nbgrader" in each.metadata]
    assert marked == ["double-check", "double-tests", "root-tests"]


def test_what_a_notebook_says_of_itself_is_checked(course):
    labs = find_labs(course)
    assert identify(_claiming(notebook(course, "labs", "ru"), UNIT, "en"), labs).language == "ru"
    other = nbformat.v4.new_notebook(cells=[new_code_cell("1")])
    with pytest.raises(Refused, match="unknown lab"):
        identify(_claiming(other, UNIT, "en"), labs)


def _claiming(lab: NotebookNode, unit: str | None, language: str | None) -> NotebookNode:
    lab.metadata.course = NotebookNode(unit=unit, language=language)
    return lab


def test_names_of_files_are_safe_and_differ():
    names = FileNames()
    assert [names.unique("", text) for text in ("a/b", "a:b", "A?B", "a/b", "..", "Анна")] == [
        "a_b", "a_b-2", "A_B-3", "a_b", "_", "Анна"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("submissions", "out", "keywords", "words"),
    [
        ("missing", "out", {}, "there is no folder .*missing; expected"),
        ("empty", "out", {}, "is empty; expected STUDENT/LAB.ipynb"),
        ("empty", "empty/out", {}, "expected results outside it: choose another --out"),
        ("empty", "file", {}, "is a file; expected a folder"),
        ("empty", "out", {"seconds": 1}, "expected at least 10 seconds"),
    ],
)
def test_mistakes_in_the_call(course, tmp_path, submissions, out, keywords, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(CourseError, match=words):
        grade(course, tmp_path / submissions, tmp_path / out, progress=False, **keywords)


def test_nothing_is_graded_or_released_before_it_is_built(tmp_path):
    shutil.copytree(ROOT / "tests" / "tiny_course", tmp_path / "course")
    (tmp_path / "submissions").mkdir()
    bare = Course(tmp_path / "course")
    with pytest.raises(CourseError, match="make it: `python -m course build"):
        grade(bare, tmp_path / "submissions", tmp_path / "out", progress=False)
    with pytest.raises(CourseError, match="make it: `python -m course build"):
        release(bare, tmp_path / "out", "en")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def released(course, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    assert release(course, folder, "ru") == [folder / "labs" / f"{UNIT}.ipynb"]
    return folder


def test_a_release_has_no_answer_and_is_the_lab(course, released):
    handed_out = nbformat.read(released / "labs" / f"{UNIT}.ipynb", as_version=4)
    assert handed_out == notebook(course, "labs", "ru")
    by_nbgrader = nbformat.read(released / "nbgrader" / "release" / UNIT / f"{UNIT}.ipynb", as_version=4)
    assert [cell.source for cell in by_nbgrader.cells] == [cell.source for cell in handed_out.cells]
    text = nbformat.writes(by_nbgrader)
    for words in ("SOLUTION", "HIDDEN", "2 * x", "math.sqrt"):
        assert words not in text
    source = nbformat.read(released / "nbgrader" / "source" / UNIT / f"{UNIT}.ipynb", as_version=4)
    assert source == notebook(course, "solutions", "ru")


@pytest.mark.slow
def test_nbgraders_own_commands_work_in_a_release(course, released):
    nbgrader = released / "nbgrader"
    (nbgrader / "submitted" / "Ann" / UNIT).mkdir(parents=True)
    shutil.copy(course.notebook("solutions", "ru", UNIT), nbgrader / "submitted" / "Ann" / UNIT)
    for command in (["autograde", UNIT], ["export"]):
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *command], cwd=nbgrader, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    with (nbgrader / "grades.csv").open(encoding="utf-8") as file:
        assert [(row["student_id"], row["score"]) for row in csv.DictReader(file)] == [("Ann", "10.0")]


def test_a_release_refuses_a_folder_with_something_in_it(course, released):
    with pytest.raises(CourseError, match="is not empty; expected a new or empty folder"):
        release(course, released, "en")
    with pytest.raises(CourseError, match="no language 'de'"):
        release(course, released, "de")


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupt_leaves_no_process_behind(course, tmp_path, how):
    lab = notebook(course)
    hangs_for_good(lab)
    lab.cells.insert(0, new_code_cell(f"open({str(tmp_path / 'started')!r}, 'w').close()"))
    (tmp_path / "submissions").mkdir()
    for name in ("a", "b"):
        nbformat.write(lab, tmp_path / "submissions" / f"{name}.ipynb")
    (tmp_path / "tmp").mkdir()
    code = "from pathlib import Path; from course.grade import grade; from course.project import Course; "
    code += f"grade(Course(Path({str(course.root)!r})), Path('submissions'), Path('out'), progress=False)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp")}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    _wait(lambda: (tmp_path / "started").exists())
    process.send_signal(how)
    process.wait(30)
    _wait(lambda: not running(str(tmp_path)))
    _wait(lambda: not list((tmp_path / "tmp").glob("*/tmp*")))  # the folders in which they ran


def _wait(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
