"""What lies in a folder of submissions, and which lab each of them is."""

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell
from nbgrader.utils import is_grade, is_locked

from course.project import Course

MAX_BYTES = 50_000_000  # a notebook with many large figures has a tenth of it
NEW_CELL = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}


class Refused(Exception):
    """A submission that is not graded: the result and why. `words` completes the sentence in feedback.yml."""

    def __init__(self, result: str, **words: str) -> None:
        super().__init__(result)
        self.result = result
        self.words = words


@dataclass(frozen=True)
class Submission:
    """One file of one student."""

    student: str
    path: Path


@dataclass(frozen=True)
class Lab:
    """A lab of one language as it was handed out."""

    unit: str
    language: str
    notebook: NotebookNode

    @property
    def marked(self) -> dict[str, NotebookNode]:
        """The cells that nbgrader knows, by their id, in order."""
        return {cell.metadata.nbgrader.grade_id: cell for cell in self.notebook.cells if "nbgrader" in cell.metadata}

    @property
    def exercises(self) -> dict[str, float]:
        """The exercises and the points that they are worth."""
        cells = self.marked.items()
        return {exercise_of(name): float(cell.metadata.nbgrader.points) for name, cell in cells if is_grade(cell)}

    @property
    def texts(self) -> set[str]:
        """The sources that no student is meant to change: of locked and of markdown cells."""
        return {cell.source for cell in self.notebook.cells if is_locked(cell) or cell.cell_type == "markdown"}


def exercise_of(grade_id: str) -> str:
    """`slope-tests` and `slope-check` belong to the exercise `slope`: see source.py."""
    return grade_id.removesuffix("-tests").removesuffix("-check")


def find_labs(course: Course) -> list[Lab]:
    """Every lab in every language."""
    jobs = [(unit, language) for _, language, unit in course.notebooks(("labs",))]
    paths = [course.committed("labs", language, unit) for unit, language in jobs]
    return [Lab(*job, nbformat.read(path, as_version=4)) for job, path in zip(jobs, paths, strict=True)]


def collect(folder: Path) -> Iterator[Submission]:
    """`STUDENT/FILE` and `STUDENT.ipynb` in order; names that begin with a dot are an editor's or the system's.

    An empty folder, a folder inside a student's folder and a link are submissions too: each shall have its row.
    """
    for path in _visible(folder):
        if path.is_dir() and not path.is_symlink():
            files = _visible(path)
            yield from (Submission(path.name, file) for file in files or [path])
        else:
            yield Submission(path.stem, path)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def read(submission: Submission, folder: Path) -> NotebookNode:
    """The submitted notebook, of which only the cells' sources and nbgrader's and the course's marks are kept."""
    try:
        path = submission.path.resolve()
        if not path.is_relative_to(folder.resolve()):
            raise Refused("outside")
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise Refused("no submission" if path.parent == folder.resolve() else "not a notebook", reason="a folder")
        if not stat.S_ISREG(status.st_mode):
            raise Refused("not a notebook", reason="not a file")
        if status.st_size > MAX_BYTES:
            raise Refused("too large", limit=str(MAX_BYTES // 1_000_000))
        return _plain(nbformat.reads(path.read_text(encoding="utf-8-sig"), as_version=4))
    except Refused:
        raise
    except Exception as error:  # whatever a broken file makes a parser do, up to RecursionError
        raise Refused("not a notebook", reason=type(error).__name__) from error


def _plain(notebook: NotebookNode) -> NotebookNode:
    """Drops outputs, tags (one of them makes a runner skip the cell) and whatever else is not graded."""
    cells = []
    for cell in notebook.cells:
        plain = NEW_CELL[cell.cell_type](writable(cell.source))
        mark = cell.metadata.get("nbgrader")
        if isinstance(mark, dict) and isinstance(mark.get("grade_id"), str):
            plain.metadata.nbgrader = NotebookNode(grade_id=mark["grade_id"])
        cells.append(plain)
    claim = notebook.metadata.get("course")
    claim = claim if isinstance(claim, dict) else {}
    return new_notebook(cells=cells, metadata={"course": {key: claim.get(key) for key in ("unit", "language")}})


def writable(text: object) -> str:
    """The text without half characters, which JSON can hold and a file in UTF-8 cannot."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def identify(notebook: NotebookNode, labs: Iterable[Lab]) -> Lab:
    """The lab that most of the cells are of. What the notebook says of itself decides only between equals."""
    ids = {cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata}
    texts = {cell.source for cell in notebook.cells}
    claim = (notebook.metadata.course.unit, notebook.metadata.course.language)

    def found(lab: Lab) -> tuple[int, bool]:
        return len(ids & set(lab.marked)) + len(texts & lab.texts), claim == (lab.unit, lab.language)

    best = max(labs, key=found)
    score, claimed = found(best)
    # Without a claim a cell or two in common, such as an exercise's name, prove nothing.
    enough = 1 if claimed else (len(best.marked) + len(best.texts)) / 4
    if score < enough:
        raise Refused("unknown lab")
    return best


def restore(notebook: NotebookNode, lab: Lab) -> NotebookNode:
    """The submission with the marks that the lab was handed out with, and with its deleted tests back in their places.

    nbgrader itself does less: it takes over the marks that a student changed, and where a cell before a deleted
    one is missing or only locked, its OverwriteCells.add_missing_cells fails.
    """
    marked = lab.marked
    by_text = {cell.source: name for name, cell in marked.items() if is_locked(cell)}
    cells: list[NotebookNode] = []
    seen = set()
    for cell in reversed(notebook.cells):  # of a cell and its copy the last one counts, as for nbgrader
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        name = name if name in marked else by_text.get(cell.source)
        if name and name not in seen:
            seen.add(name)
            metadata = {"nbgrader": marked[name].metadata.nbgrader}
            cells.insert(0, NEW_CELL[marked[name].cell_type](cell.source, metadata=metadata))
        else:
            cells.insert(0, NEW_CELL[cell.cell_type](cell.source))

    # From the end: what is missing goes before the next cell that is there, after anything written in its place.
    present = {
        cell.metadata.nbgrader.grade_id: index for index, cell in enumerate(cells) if "nbgrader" in cell.metadata
    }
    place = len(cells)
    for name, cell in reversed(marked.items()):
        if name in present:
            place = min(place, present[name])
        elif is_grade(cell):
            cells.insert(place, NEW_CELL[cell.cell_type](cell.source, metadata={"nbgrader": cell.metadata.nbgrader}))
    for index, cell in enumerate(cells):
        cell.id = f"cell-{index:04d}"
    return new_notebook(cells=cells, metadata=lab.notebook.metadata)
