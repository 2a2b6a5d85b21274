"""Writes `lectures/`, `solutions/` (both executed) and `labs/` from the units."""

import hashlib
import json
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

from course.execute import execute, figure_alt
from course.project import EXECUTED, Course
from course.source import EXACT, render
from course.student import student_version


def build(course: Course, unit: str | None = None, force: bool = False, progress: bool = True) -> list[Path]:
    """Writes what changed, all of it with `force`, and returns the notebooks written.

    A notebook is executed again where a cell of it changed. Where the library changed, nbval tells, and `force` helps.
    """
    units = course.find_units(unit)
    jobs = [job for job in course.notebooks() if job[2] in units]
    written = []
    with tqdm(jobs, unit="notebook", disable=not progress) as bar:
        for kind, language, name in bar:
            path = course.notebook(kind, language, name)
            bar.set_postfix_str(f"{kind}/{language}/{name}")
            notebook = generate(course, kind, language, name)
            if not force and is_current(notebook, path, executed=kind in EXECUTED):
                continue
            if kind in EXECUTED:
                execute(notebook, str(path.relative_to(course.root)))
                notebook.metadata.course["exact_outputs"] = exact_outputs(notebook)
            write(notebook, path)
            written.append(path)
    return written


def generate(course: Course, kind: str, language: str, unit: str) -> NotebookNode:
    """The notebook as it will be, but for its outputs."""
    notebook = render(course, kind, language, unit)
    return student_version(course, notebook, language) if kind == "labs" else notebook


def write(notebook: NotebookNode, path: Path) -> None:
    """Writes the pair: `.ipynb` and the same in py:percent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for target, text in pair(notebook, path):
        target.write_text(text, encoding="utf-8")


def pair(notebook: NotebookNode, path: Path) -> list[tuple[Path, str]]:
    """The two files of a notebook and their texts."""
    text = nbformat.writes(notebook) + "\n"
    stored = nbformat.reads(text, as_version=4)  # its metadata sorted, as jupytext will find it
    return [(path, text), (path.with_suffix(".py"), jupytext.writes(stored, fmt="py:percent"))]


def is_current(notebook: NotebookNode, path: Path, executed: bool) -> bool:
    """Whether the pair at `path` holds these cells, executed where they should be."""
    if not path.exists() or not path.with_suffix(".py").exists():
        return False
    committed = nbformat.read(path, as_version=4)
    return without_outputs(committed) == without_outputs(notebook) and not (executed and unexecuted(committed))


def without_outputs(notebook: NotebookNode) -> dict:
    """Everything of a notebook that does not come from running it."""
    bare = json.loads(nbformat.writes(notebook))
    bare["metadata"]["course"].pop("exact_outputs", None)
    for cell in bare["cells"]:
        if cell["cell_type"] == "code":
            if alt := figure_alt(cell):
                cell["metadata"]["alt"] = alt
            cell["outputs"], cell["execution_count"] = [], None
    return bare


def unexecuted(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells without an execution count: nbval would never compare them."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and not cell.execution_count]


def exact_outputs(notebook: NotebookNode) -> str:
    """A digest of the outputs marked as exact, so that one edited by hand is noticed without running the notebook."""
    outputs = [cell.outputs for cell in notebook.cells if EXACT in cell.metadata.get("tags", [])]
    return hashlib.sha256(json.dumps(outputs, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]
