"""Does a lab give away an answer, and does it promise the points that it gives?"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from course.checks.generated import committed
from course.project import Course
from course.source import read, select

REGION = re.compile(r"#+ BEGIN (SOLUTION|HIDDEN TESTS)\n(.*?)#+ END \1", re.DOTALL)
MARKERS = ("BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN TESTS", "END HIDDEN TESTS")


def nothing_leaks(course: Course) -> list[str]:
    """No line of an answer or a hidden test, and no output, in a lab: cells, metadata, outputs, the text beside it."""
    problems = []
    for _, language, unit, name, notebook in committed(course, ("labs",)):
        secret = _secret_lines(course, unit, language)
        text = (course.root / name).with_suffix(".py").read_text(encoding="utf-8")
        places = [(cell.get("id", "?"), "\n".join(_strings(cell))) for cell in notebook.cells]
        places += [("metadata", "\n".join(_strings(notebook.metadata))), (".py", text)]
        for place, content in places:
            found = sorted(line for line in secret if line in _spaced(content))
            if found:
                problems.append(f"{name}: {place} holds a line of an answer or a hidden test: {found[0]!r}")
            if any(marker in content for marker in MARKERS):
                problems.append(f"{name}: {place} holds a marker of an answer or a hidden test")
        if any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells):
            problems.append(f"{name}: has outputs; a lab is handed out without")
    return problems


def _secret_lines(course: Course, unit: str, language: str) -> set[str]:
    """The lines between the markers that do not stand in the open elsewhere in the same lab."""
    sources = [cell.source for cell in select(read(course.source(unit, "labs")), language)]
    regions = [region for source in sources for _, region in REGION.findall(source)]
    public = _spaced("\n".join(REGION.sub("", source) for source in sources))
    lines = {_spaced(line) for region in regions for line in region.splitlines()}
    return {line for line in lines if len(line) > 7 and line not in public}


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _strings(value: Any) -> Iterator[str]:
    """Every string in a structure of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def points_add_up(course: Course) -> list[str]:
    """As many exercises and points as promised; each exercise with an answer, hidden tests and wrong answers."""
    problems = []
    promise = course.config["lab"]
    fewest, most = promise["exercises"]
    for unit in course.units:
        name = f"course/units/{unit}/lab.py"
        cells = select(read(course.source(unit, "labs")), course.languages[0])
        exercises = {cell.metadata["exercise"]: cell.source for cell in cells if "exercise" in cell.metadata}
        tests = {cell.metadata["tests"]: cell for cell in cells if "tests" in cell.metadata}
        if not fewest <= len(exercises) <= most:
            problems.append(f"{name}: {len(exercises)} exercises; expected {fewest} to {most}")
        total = sum(cell.metadata.get("points", 0) for cell in tests.values())
        if total != promise["points"]:
            problems.append(f"{name}: the points add up to {total}, not {promise['points']}")
        if alone := set(exercises) ^ set(tests):
            problems.append(f"{name}: {min(alone)!r} has an exercise without tests, or tests without an exercise")
        for exercise, source in exercises.items():
            if "BEGIN SOLUTION" not in source:
                problems.append(f"{name}: exercise {exercise!r} has no answer between BEGIN SOLUTION and END SOLUTION")
        for exercise, cell in tests.items():
            if "BEGIN HIDDEN TESTS" not in cell.source:
                problems.append(f"{name}: exercise {exercise!r} has no hidden tests")
        wrong = Counter(answer.metadata["exercise"] for answer in wrong_answers(course, unit))
        for exercise in exercises:
            if wrong[exercise] < promise["wrong_answers"]:
                problems.append(
                    f"course/units/{unit}/wrong.py: exercise {exercise!r} has {wrong[exercise]} wrong answers; "
                    f"expected {promise['wrong_answers']} or more"
                )
    return problems


def wrong_answers(course: Course, unit: str) -> list:
    """The cells of `wrong.py`: each replaces the cell of its exercise, and must get no points."""
    path = course.folder / "units" / unit / "wrong.py"
    return [cell for cell in read(path) if "exercise" in cell.metadata] if path.exists() else []
