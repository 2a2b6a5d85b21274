"""Writes the sources of one language's site: what Sphinx reads."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode

from course.checks.words import glossary
from course.execute import figure_alt
from course.project import Course
from course.site_source.links import SHOWN, TEXTS, page_map, rewrite

HERE = Path(__file__).parent

# The modules that a notebook imports, in the order in which one reads about them.
LIBRARY = (
    *("models", "bijectors", "networks", "data", "bits", "training", "ood", "plots"),
    *("sampling", "shift", "evidence", "buffet", "profiles", "exercises"),
)


def words(language: str) -> dict[str, str]:
    """The site's own words."""
    return yaml.safe_load((HERE / "words.yml").read_text(encoding="utf-8"))[language]


def write_tree(course: Course, language: str, tree: Path) -> None:
    """Fills the folder `tree`; notebooks to download lie in `tree/extra`, byte for byte."""
    for kind in SHOWN:
        for unit in course.units:
            path = course.notebook(kind, language, unit)
            page = tree / kind / path.name
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(nbformat.writes(_page(course, kind, language, unit)), encoding="utf-8")
            copy = tree / "extra" / "notebooks" / kind / path.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    pages = page_map(course, language)
    for text, path in _texts(course, language):
        source = rewrite(course, path.read_text(encoding="utf-8"), f"course/{path.name}", pages)
        (tree / f"{text}.md").write_text(source, encoding="utf-8")
    (tree / "glossary.md").write_text(_glossary(course, language), encoding="utf-8")
    _write_library(tree, language)
    (tree / "index.md").write_text(_home(course, language), encoding="utf-8")


def read(course: Course, kind: str, language: str, unit: str) -> NotebookNode:
    """A committed notebook."""
    return nbformat.read(course.committed(kind, language, unit), as_version=4)


def title(notebook: NotebookNode) -> str:
    """The first heading, in Markdown."""
    lines = (line for cell in notebook.cells if cell.cell_type == "markdown" for line in cell.source.splitlines())
    return next((line[2:].strip() for line in lines if line.startswith("# ")), "")


def _page(course: Course, kind: str, language: str, unit: str) -> NotebookNode:
    """The notebook for Sphinx: its links lead within the site, its figures have their alternative text."""
    notebook = read(course, kind, language, unit)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = rewrite(course, cell.source, f"{kind}/{language}/{unit}.ipynb", page_map(course, language))
        elif alt := figure_alt(cell):
            cell.metadata["mystnb"] = {"image": {"alt": alt}}  # MyST-NB does not look at the output's metadata
    return notebook


def _texts(course: Course, language: str) -> Iterator[tuple[str, Path]]:
    """The texts beside the units that are written."""
    for text in TEXTS:
        path = course.folder / f"{text}.{language}.md"
        if path.exists():
            yield text, path


def _home(course: Course, language: str) -> str:
    """The course in one screen: what, for whom, the units."""
    say = words(language)
    lines = ["---", "html_theme.sidebar_secondary.remove: true", "---", ""]
    lines += [
        (HERE / f"home.{language}.md").read_text(encoding="utf-8"),
        f"## {say['units']}",
        "",
        "::::{container} units",
    ]
    toctree = []
    for unit in course.units:
        heading = title(read(course, "lectures", language, unit))
        links = " · ".join(f"[{say[kind.rstrip('s')]}]({kind}/{unit}.ipynb)" for kind in SHOWN)
        number = int(unit.split("_")[0])
        lines += [":::{container} unit", f"[{number}. {heading}](lectures/{unit}.ipynb)", "", links, ":::"]
        toctree += [f"{number}. {heading} <lectures/{unit}>", f"labs/{unit}"]
    beside = [text for text, _ in _texts(course, language)] + ["glossary", "library/index"]
    lines += ["::::", "", _toctree(toctree, say["units"]), f"## {say['beside']}", "", _toctree(beside, say["beside"])]
    lines += [f"- {{doc}}`{page}`" for page in beside]
    return "\n".join(lines) + "\n"


def _toctree(pages: list[str], caption: str = "") -> str:
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["```{toctree}", *options, "", *pages, "```", ""])


def _glossary(course: Course, language: str) -> str:
    """The terms in the order of this language's alphabet, each with its word in the other languages."""
    say = words(language)
    lines = [f"# {say['glossary']}", "", say["glossary_about"], "", "```{glossary}"]
    for term in sorted(glossary(course), key=lambda term: term[language].casefold().replace("ё", "е")):
        lines += [term[language], *(f"  {line}" for line in _meaning(term, language, course, say)), ""]
    return "\n".join([*lines, "```", ""])


def _meaning(term: dict[str, Any], language: str, course: Course, say: dict[str, str]) -> Iterator[str]:
    yield "*" + ", ".join(term[other] for other in course.languages if other != language) + "*"
    if about := term.get(f"about_{language}"):
        yield ""
        yield from about.strip().splitlines()
    # The checks also know patterns to avoid; a reader is told of whole words.
    if avoid := [word for word in term.get(f"not_{language}", []) if re.fullmatch(r"[\w\s-]+", word)]:
        yield ""
        yield f"{say['avoid']} {', '.join(avoid)}"


def _write_library(tree: Path, language: str) -> None:
    """One page for each module of the library, from its docstrings."""
    say = words(language)
    folder = tree / "library"
    folder.mkdir()
    rows = "\n".join(f"- {{doc}}`{module}`" for module in LIBRARY)
    index = f"# {say['library']}\n\n{say['library_about']}\n\n{rows}\n\n{_toctree(list(LIBRARY))}"
    (folder / "index.md").write_text(index, encoding="utf-8")
    for module in LIBRARY:
        name = f"dgm_tfp.{module}"
        text = f"# {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n```\n"
        (folder / f"{module}.md").write_text(text, encoding="utf-8")
