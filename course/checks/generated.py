"""Is everything generated what the source makes, and was it run?"""

import json
import re
from collections.abc import Iterator

import nbformat
from nbformat import NotebookNode

from course.build import exact_outputs, generate, pair, unexecuted, without_outputs
from course.execute import figure_alt, figures
from course.project import EXECUTED, KINDS, Course
from course.source import EXACT

LARGEST = 1_000_000  # bytes of a notebook
# An address in memory or a path of somebody's machine: different on every other one.
MACHINE = re.compile(r"\bat 0x[0-9a-f]{6,}|/(?:home|root|Users|tmp)/\w|site-packages")


def committed(course: Course, kinds: tuple[str, ...] = KINDS) -> Iterator[tuple[str, str, str, str, NotebookNode]]:
    """(kind, language, unit, path as text, notebook) of everything that is there."""
    for kind, language, unit in course.notebooks(kinds):
        path = course.notebook(kind, language, unit)
        if path.exists():
            yield kind, language, unit, str(path.relative_to(course.root)), nbformat.read(path, as_version=4)


def up_to_date(course: Course) -> list[str]:
    """Cells and metadata equal the source's; the text beside is its pair; nothing is missing or left over."""
    problems = []
    expected = set()
    for kind, language, unit in course.notebooks():
        path = course.notebook(kind, language, unit)
        name = str(path.relative_to(course.root))
        expected |= {path, path.with_suffix(".py")}
        if not path.exists() or not path.with_suffix(".py").exists():
            problems.append(f"{name}: is missing, or its .py is; run python -m course build")
            continue
        notebook = nbformat.read(path, as_version=4)
        want, have = without_outputs(generate(course, kind, language, unit)), without_outputs(notebook)
        if want["metadata"] != have["metadata"]:
            problems.append(f"{name}: its metadata differ from what the source makes; run python -m course build")
        if different := _first_difference(want["cells"], have["cells"]):
            problems.append(f"{name}: {different} differs from what the source makes; run python -m course build")
        for target, text in pair(notebook, path):
            if target.read_text(encoding="utf-8") != text:
                problems.append(f"{target.relative_to(course.root)}: is not written as jupytext and nbformat write it")
    for kind in KINDS:
        for path in sorted((course.root / kind).glob("*/*")):
            if path.is_file() and path not in expected:
                problems.append(f"{path.relative_to(course.root)}: no unit makes it; remove it")
    return problems


def _first_difference(want: list[dict], have: list[dict]) -> str | None:
    for index, (one, other) in enumerate(zip(want, have, strict=False)):
        if one != other:
            return f"cell {index}"
    return None if len(want) == len(have) else f"the number of cells ({len(have)}, not {len(want)})"


def executed(course: Course) -> list[str]:
    """Every code cell was run, in order and without an error; its exact outputs are those that the run gave."""
    problems = []
    for _, _, _, name, notebook in committed(course, EXECUTED):
        if missing := unexecuted(notebook):
            problems.append(f"{name}: cell {missing[0].id} is stored unexecuted, and nbval would never compare it")
        counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
        if not missing and counts != list(range(1, len(counts) + 1)):
            problems.append(f"{name}: its cells were not run from the first to the last")
        if notebook.metadata.course.get("exact_outputs") != exact_outputs(notebook):
            problems.append(f"{name}: an output marked {EXACT} was edited; run python -m course build --force")
        for cell in notebook.cells:
            if any(output.output_type == "error" for output in cell.get("outputs", [])):
                problems.append(f"{name}: cell {cell.id} ended with an error")
    return problems


def exact_in_both_languages(course: Course) -> list[str]:
    """A cell shared by the languages and marked as exact printed the same in each."""
    problems = []
    outputs: dict[tuple[str, str, str], tuple[str, str]] = {}
    for kind, _, unit, name, notebook in committed(course, EXECUTED):
        for cell in notebook.cells:
            if cell.cell_type != "code" or EXACT not in cell.metadata.get("tags", []):
                continue
            text = "".join(output.get("text", "") for output in cell.outputs)
            # keyed by the source: cells with words of their own language have other sources
            first, other = outputs.setdefault((kind, unit, cell.source), (text, name))
            if first != text:
                problems.append(f"{name}: cell {cell.id} is marked {EXACT} and printed something else in {other}")
    return problems


def fit_to_commit(course: Course) -> list[str]:
    """Small enough, every figure with alternative text, and nothing of the machine that ran it."""
    problems = []
    for kind, language, unit, name, notebook in committed(course):
        size = course.notebook(kind, language, unit).stat().st_size
        if size >= LARGEST:
            problems.append(f"{name}: {size / 1e6:.1f} MB; a notebook stays under {LARGEST / 1e6:.0f} MB")
        for cell in notebook.cells:
            if figures(cell) and not figure_alt(cell):
                problems.append(f"{name}: cell {cell.id} draws a figure without alternative text; add alt_{language}")
            outputs = [_without_pictures(output) for output in cell.get("outputs", [])]
            if found := MACHINE.search(json.dumps(outputs, ensure_ascii=False)):
                problems.append(f"{name}: cell {cell.id} shows {found.group()!r}, which is this machine's")
    return problems


def _without_pictures(output: NotebookNode) -> dict:
    data = {mime: value for mime, value in output.get("data", {}).items() if not mime.startswith("image/")}
    return {**output, "data": data}
