"""The page that a student gets back: the points, what each check says, the notebook as it ran, no hidden test."""

import contextlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import bleach
import yaml
from bleach.css_sanitizer import CSSSanitizer
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_notebook
from nbgrader.preprocessors import ClearHiddenTests
from nbgrader.utils import is_grade, is_solution

from course import submissions

MAX_MESSAGE = 500

# What HTML of a submission may hold: what Markdown makes, and no script, style sheet, form or frame.
TAGS = {
    *bleach.ALLOWED_TAGS,
    *("br", "col", "colgroup", "dd", "del", "details", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr"),
    *("img", "p", "pre", "s", "small", "span", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th"),
    *("thead", "tr", "u"),
}
ATTRIBUTES = {**bleach.ALLOWED_ATTRIBUTES, "*": ["class", "style"], "img": ["src", "alt", "width", "height"]}


@cache
def words(language: str) -> dict[str, Any]:
    """What the pages say in `language`; a language without words of its own has English ones."""
    texts = yaml.safe_load(Path(__file__).with_name("feedback.yml").read_text(encoding="utf-8"))
    return texts.get(language, texts["en"])


def sentence(language: str, key: str, **values: str) -> str:
    """A sentence of feedback.yml, completed."""
    return words(language)[key].format(**values).strip()


def exercise_of(cell: NotebookNode) -> str:
    """The exercise that a cell of the lab belongs to."""
    return submissions.exercise_of(cell.metadata.nbgrader.grade_id)


def rows(notebook: NotebookNode, points: dict[str, tuple[float, float]], job: dict[str, Any]) -> list[dict[str, Any]]:
    """For each exercise the points, the result and the message."""
    hidden = hidden_lines(notebook)
    answered = {exercise_of(cell) for cell in notebook.cells if is_solution(cell)}
    found = []
    for cell in filter(is_grade, notebook.cells):
        exercise = exercise_of(cell)
        got, most = points[cell.metadata.nbgrader.grade_id]
        result, message = judge(cell, got, most, exercise in answered, job)
        if leaks(message, hidden):
            message = ""
        found.append({"exercise": exercise, "points": got, "max_points": most, "result": result, "message": message})
    return found


def judge(cell: NotebookNode, got: float, most: float, answered: bool, job: dict[str, Any]) -> tuple[str, str]:
    """The result of one test and what it says."""
    errors = [output for output in cell.outputs if output.output_type == "error"]
    language = job["language"]
    for error in errors:
        if error.ename == "DeadKernelError":
            return "kernel died", sentence(language, "kernel died", exercise=error.evalue)
        if error.ename == "CellTimeoutError":
            return "timeout", sentence(language, "timeout")
    if got >= most:
        return "ok", ""
    said = " ".join(message_of(error) for error in errors[:1])
    if errors and (errors[0].ename == "NotImplementedError" or job["not_done"] in errors[0].evalue):
        return "not done", said
    if not answered:
        return "missing", sentence(language, "missing", said=said)
    return ("partial" if got > 0 else "wrong"), said


def message_of(error: NotebookNode) -> str:
    """The sentence of a failed expectation; of any other error its type too."""
    text = " ".join(submissions.writable(error.evalue).split())
    expected = error.ename in ("AssertionError", "Wrong", "NotImplementedError")
    return (text if expected else f"{error.ename}: {text}")[:MAX_MESSAGE]


def hidden_lines(notebook: NotebookNode) -> set[str]:
    """The lines of the hidden tests that are long enough to be told from any other text."""
    lines: set[str] = set()
    for cell in filter(is_grade, notebook.cells):
        clear, _ = ClearHiddenTests().preprocess_cell(cell.copy(), {}, 0)
        lines |= _lines(cell) - _lines(clear)
    return {line for line in lines if len(line) > 10}


def _lines(cell: NotebookNode) -> set[str]:
    return {line.strip() for line in cell.source.split("\n")}


def leaks(text: str, hidden: Iterable[str]) -> bool:
    """Whether a text quotes a hidden test."""
    return any(line in text for line in hidden)


def without_hidden_tests(notebook: NotebookNode) -> NotebookNode:
    """The notebook by nbgrader's ClearHiddenTests, and without the outputs that quote what it clears."""
    hidden = hidden_lines(notebook)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if is_grade(cell):  # its traceback shows its lines, its other outputs are whatever the tests print
            cell.outputs = [output for output in cell.outputs if output.output_type == "error"]
            for output in cell.outputs:
                output.traceback = [message_of(output)]
        with contextlib.suppress(RuntimeError):  # a student's own words, "BEGIN HIDDEN TESTS", without an end
            ClearHiddenTests(enforce_metadata=False).preprocess_cell(cell, {}, 0)
        # What stands on stderr are the libraries' log lines, and differs from run to run.
        seen = [output for output in cell.outputs if output.get("name") != "stderr"]
        cell.outputs = [output for output in seen if not leaks(_text(output), hidden)]
        for output in cell.outputs:
            if "metadata" in output:
                output.metadata = NotebookNode()  # a width that holds an event handler
    return notebook


def _text(output: NotebookNode) -> str:
    parts = [output.get("text", ""), output.get("evalue", ""), *output.get("traceback", [])]
    parts += [value for value in output.get("data", {}).values() if isinstance(value, str)]
    return "\n".join(parts)


class FeedbackExporter(HTMLExporter):
    """nbconvert's page with a table of points at its top, and with the submission's own HTML made harmless."""

    template_name = "classic"

    def default_filters(self) -> Any:
        yield from super().default_filters()
        # nbconvert's own list of tags knows no paragraph: it would show the reader a literal <p>.
        yield "clean_html", clean_html


def clean_html(html: object) -> str:
    """HTML with nothing in it that runs."""
    text = html.decode() if isinstance(html, bytes) else str(html)
    return bleach.clean(text, tags=TAGS, attributes=ATTRIBUTES, css_sanitizer=CSSSanitizer())


def page(notebook: NotebookNode, title: str, language: str, rows: list[dict[str, Any]]) -> str:
    """The feedback as one HTML file."""
    template = Path(__file__).with_name("feedback.html.j2")
    exporter = FeedbackExporter(template_file=str(template), sanitize_html=True, language_code=language)
    resources = {
        "metadata": {"name": title},
        "feedback": {
            "words": words(language),
            "rows": rows,
            "by_exercise": {row["exercise"]: row for row in rows},
            "total": total(rows),
        },
    }
    html, _ = exporter.from_notebook_node(notebook, resources)
    return submissions.writable(html)


def total(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The sum of the points, and of what there was to get."""
    return {key: sum(row[key] or 0 for row in rows) for key in ("points", "max_points")}


def plain_page(title: str, language: str, result: str, message: str) -> str:
    """The feedback on a submission that was not graded."""
    row = {"exercise": "", "points": 0, "max_points": None, "result": result, "message": message}
    return page(new_notebook(), title, language, [row])
