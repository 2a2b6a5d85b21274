"""From a bilingual unit to the notebook of one language.

A unit is a jupytext py:percent file. A cell without `lang` stands in both languages. The options that a cell may have:

    lang="en"                   this language only; its twin in the other language stands next to it
    tags=["nbval-check-output"] the output is exact: the same on every machine
    alt_en="..." alt_ru="..."   alternative text of the figure that the cell draws
    exercise="slope"            the cell that a student fills in; the answer between BEGIN SOLUTION and END SOLUTION
    check="slope"               the visible check of it: explains, never raises
    tests="slope" points=2      what it is graded by, between BEGIN HIDDEN TESTS and END HIDDEN TESTS
"""

from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from course.errors import CourseError
from course.project import Course

EXACT = "nbval-check-output"
OPTIONS = {"lang", "tags", "exercise", "check", "tests", "points"}

JUPYTEXT = {
    "formats": "ipynb,py:percent",
    "notebook_metadata_filter": "kernelspec,jupytext,-jupytext.text_representation.jupytext_version",
}

SETUP = """\
# {comment}
import sys

if "google.colab" in sys.modules:
    import subprocess
    from importlib.metadata import version

    library = "dgm-tfp @ git+{repository}@{branch}"
    keep = [f"{{name}}=={{version(name)}}" for name in ("tensorflow", "keras", "tf-keras")]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", library, *keep], check=True)"""


def read(path: Path) -> list[NotebookNode]:
    """The cells of a unit's file, both languages, with their options as metadata."""
    cells = jupytext.read(path, fmt="py:percent").cells
    for cell in cells:
        cell.metadata.pop("lines_to_next_cell", None)  # how the text is spaced
    return cells


def select(cells: list[NotebookNode], language: str) -> list[NotebookNode]:
    """The cells that a reader of `language` sees."""
    return [cell for cell in cells if cell.metadata.get("lang", language) == language]


def render(course: Course, kind: str, language: str, unit: str) -> NotebookNode:
    """The notebook of one unit in one language, not executed; for a lab and its solution, with the answers."""
    path = course.source(unit, kind)
    notebook = new_notebook(
        cells=[_setup_cell(course, language)],
        metadata={
            "course": {"kind": kind, "language": language, "unit": unit},
            "jupytext": JUPYTEXT,
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
    )
    for cell in select(read(path), language):
        cell.metadata = NotebookNode(_metadata(cell.metadata, language, f"{path.parent.name}/{path.name}"))
        notebook.cells.append(cell)
    for index, cell in enumerate(notebook.cells):
        cell.id = f"{kind.rstrip('s')}-{index:03d}"  # the same at each build and in each language
    nbformat.validate(notebook)
    return notebook


def _setup_cell(course: Course, language: str) -> NotebookNode:
    text = SETUP.format(
        comment=course.config["languages"][language]["setup"],
        repository=course.config["repository"],
        branch=course.config["branch"],
    )
    return new_code_cell(text, metadata={"jupyter": {"source_hidden": True}, "tags": ["remove-cell"]})


def _metadata(options: dict[str, Any], language: str, where: str) -> dict[str, Any]:
    """What a notebook stores for a cell: nbgrader's own metadata, spelled out."""
    alts = {f"alt_{code}" for code in ("en", "ru")}
    if unknown := set(options) - OPTIONS - alts:
        raise CourseError(f"{where}: a cell has the option {sorted(unknown)[0]!r}; expected one of those in source.py.")
    metadata: dict[str, Any] = {}
    if options.get("tags"):
        metadata["tags"] = list(options["tags"])
    if alt := options.get(f"alt_{language}"):
        metadata["alt"] = alt  # until there is a figure: see execute.clean
    if nbgrader := _nbgrader(options, where):
        metadata["nbgrader"] = nbgrader
    return metadata


def _nbgrader(options: dict[str, Any], where: str) -> dict[str, Any] | None:
    roles = [role for role in ("exercise", "check", "tests") if role in options]
    if not roles:
        return None
    if len(roles) > 1:
        raise CourseError(f"{where}: a cell is {' and '.join(roles)} at once; expected one of them.")
    role = roles[0]
    name = options[role]
    if name.endswith(("-tests", "-check")):
        raise CourseError(f"{where}: an exercise is named {name!r}; its cells get -tests and -check of their own.")
    metadata: dict[str, Any] = {
        "grade": role == "tests",
        "grade_id": name if role == "exercise" else f"{name}-{role}",
        "locked": role != "exercise",
        "schema_version": 3,
        "solution": role == "exercise",
        "task": False,
    }
    if role == "tests":
        if "points" not in options:
            raise CourseError(f"{where}: the tests of {name!r} have no points; write points=2 in the cell's line.")
        metadata["points"] = options["points"]
    return metadata
