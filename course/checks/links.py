"""Does every link lead somewhere?"""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt

from course.project import Course

# What cannot be followed without a network is at least of the right form.
ARXIV = re.compile(r"https://arxiv\.org/(?:abs|pdf)/\d{4}\.\d{4,5}(?:v\d+)?")
HTML = re.compile(r"<(?:a|img)\b[^>]*?(?:href|src)=\"([^\"]+)\"")


def pages(course: Course) -> Iterator[tuple[str, str, str]]:
    """(name, language, Markdown) of every text that a reader of the course opens: notebooks, then documents."""
    for kind, language, unit in course.notebooks():
        path = course.notebook(kind, language, unit)
        if path.exists():
            cells = nbformat.read(path, as_version=4).cells
            text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
            yield str(path.relative_to(course.root)), language, text
    for path in sorted([*course.root.glob("*.md"), *course.folder.glob("*.md")]):
        suffix = path.suffixes[0].removeprefix(".")
        language = suffix if suffix in course.languages else "en"
        yield str(path.relative_to(course.root)), language, path.read_text(encoding="utf-8")


def links_resolve(course: Course) -> list[str]:
    """Files and headings that links and images name are there; addresses are https and well formed."""
    problems = []
    for name, _, text in pages(course):
        for link in targets(text):
            if problem := _problem(course, name, text, link):
                problems.append(f"{name}: {link}: {problem}")
    return problems


def targets(text: str) -> list[str]:
    """What the links and images of a Markdown text point to, in HTML too."""
    found = []
    for token in MarkdownIt().parse(text):
        for child in [token, *(token.children or [])]:
            found += [str(child.attrs[key]) for key in ("href", "src") if key in child.attrs]
            if child.type in ("html_block", "html_inline"):
                found += HTML.findall(child.content)
    return found


def _problem(course: Course, name: str, text: str, link: str) -> str | None:
    if link.startswith("mailto:"):
        return None
    if re.match(r"\w+:", link):
        if not re.fullmatch(r"https://[\w.-]+\.\w+(?:[/?#]\S*)?", link):
            return "not a well formed https address"
        if "arxiv.org" in link and not ARXIV.fullmatch(link):
            return "not the form of an arXiv address, https://arxiv.org/abs/1234.56789"
        return None
    path, _, anchor = link.partition("#")
    if not path:
        return None if anchor in {_slug(heading) for heading in _headings(text)} else "there is no such heading"
    return None if (course.root / Path(name).parent / path).exists() else "there is no such file"


def _headings(text: str) -> list[str]:
    return re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)


def _slug(heading: str) -> str:
    """As Jupyter and GitHub make them, nearly: Jupyter keeps the case."""
    return re.sub(r"\s+", "-", heading.strip())
