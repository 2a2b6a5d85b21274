"""Do the two languages say the same thing?"""

import ast
import re

from nbformat import NotebookNode

from course.project import SOURCES, Course
from course.source import read, select

FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+?\$", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def same_in_every_language(course: Course) -> list[str]:
    """The same cells in the same order, with the same code, formulas, options and links."""
    problems = []
    first, *others = course.languages
    for unit in course.units:
        for name in dict.fromkeys(SOURCES.values()):
            cells = read(course.folder / "units" / unit / name)
            for other in others:
                problems += [
                    f"course/units/{unit}/{name}: {problem}"
                    for problem in _compare(select(cells, first), select(cells, other), first, other)
                ]
    return problems


def _compare(ours: list[NotebookNode], theirs: list[NotebookNode], first: str, other: str) -> list[str]:
    if len(ours) != len(theirs):
        return [f"{len(ours)} cells in {first}, {len(theirs)} in {other}: a cell has no twin"]
    problems = []
    for index, (one, two) in enumerate(zip(ours, theirs, strict=True)):
        where = f"cell {index} ({_start(one)})"
        if one is two:
            if one.cell_type == "markdown" and re.search(r"[а-яё]{3}|[a-z]{3}\s[a-z]{3}", one.source, re.IGNORECASE):
                problems.append(f"{where}: has words and no lang")
            continue
        if one.cell_type != two.cell_type:
            problems.append(f"{where}: is {one.cell_type} in {first} and {two.cell_type} in {other}")
        elif _options(one) != _options(two):
            problems.append(f"{where}: has other options in {other}")
        elif one.cell_type == "code":
            if bare_code(one.source) != bare_code(two.source):
                problems.append(
                    f"{where}: the code differs between {first} and {other}, and not only its strings and comments"
                )
        else:
            if _formulas(one) != _formulas(two):
                problems.append(f"{where}: the formulas differ between {first} and {other}")
            if _links(one, first) != _links(two, other):
                problems.append(f"{where}: the links differ between {first} and {other}")
    return problems


def bare_code(source: str) -> str:
    """The syntax tree of a cell with its strings blanked; comments are not in it anyway."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):  # an f-string: what it computes stays, in its order
            node.values = [value for value in node.values if not isinstance(value, ast.Constant)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


def _options(cell: NotebookNode) -> dict:
    return {key: value for key, value in cell.metadata.items() if key != "lang" and not key.startswith("alt_")}


def _formulas(cell: NotebookNode) -> list[str]:
    return sorted(re.sub(r"\s+", "", formula) for formula in FORMULA.findall(cell.source))


def _links(cell: NotebookNode, language: str) -> list[str]:
    return sorted(link.replace(f"/{language}/", "/LANGUAGE/") for link in LINK.findall(cell.source))


def _start(cell: NotebookNode) -> str:
    return cell.source.strip().split("\n")[0][:40]
