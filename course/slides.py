"""A lecture as slides: reveal.js by nbconvert, with everything that it needs beside it."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from nbconvert import SlidesExporter

from course.errors import CourseError
from course.mathjax import copy_mathjax
from course.project import Course
from course.site_source.deck import deck
from course.site_source.links import rewrite
from course.site_source.tree import HERE, read, title, words

REVEAL = ("dist/reveal.js", "dist/reveal.css", "dist/theme/white.css", "plugin/notes/notes.js")


def slides(course: Course, unit: str, language: str, out: Path) -> Path:
    """Writes `out/<language>/<unit>.html`, and beside the language's folder what all slides share."""
    course.check_language(language)
    [name] = course.find_units(unit)
    path = write_slides(course, name, language, out, mathjax="../assets/mathjax")
    copy_assets(out / "assets")
    copy_mathjax(out / "assets" / "mathjax")
    return path


def write_slides(course: Course, unit: str, language: str, out: Path, mathjax: str) -> Path:
    """The one file; `mathjax` is the way to MathJax from it."""
    notebook = read(course, "lectures", language, unit)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = rewrite(course, cell.source, f"lectures/{language}/{unit}.ipynb", pages={})
    exporter = SlidesExporter(
        template_name="slides",
        extra_template_basedirs=[str(HERE)],
        reveal_url_prefix="../assets/reveal",
        reveal_theme="white",
        language_code=language,
        exclude_anchor_links=True,
    )
    given = {"course": {"say": words(language), "assets": "../assets", "mathjax": mathjax}}
    slideshow = deck(notebook)
    slideshow.metadata["title"] = title(notebook)
    text, _ = exporter.from_notebook_node(slideshow, resources=given)
    path = out / language / f"{unit}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def copy_assets(folder: Path) -> None:
    """reveal.js, as far as our slides use it, and our style."""
    package = find_spec("sphinx_revealjs")
    if package is None or package.origin is None:
        raise CourseError("sphinx-revealjs is not installed; pip install -c constraints.txt '.[course]'.")
    source = Path(package.origin).parent / "_static" / "revealjs"
    for part in REVEAL:
        target = folder / "reveal" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / part, target)
    fonts = "dist/theme/fonts/source-sans-pro"  # white.css asks for them
    shutil.copytree(source / fonts, folder / "reveal" / fonts, dirs_exist_ok=True)
    shutil.copyfile(HERE / "slides" / "slides.css", folder / "slides.css")
