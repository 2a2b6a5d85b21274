"""The web site: every language side by side, from the committed notebooks, with nothing from a network."""

import io
import os
import re
import shutil
import tempfile
from pathlib import Path

import jinja2
from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.locale import translators
from sphinx.util.console import nocolor
from sphinx.util.docutils import docutils_namespace, patch_docutils
from tqdm import tqdm

from course.errors import CourseError
from course.mathjax import copy_mathjax
from course.project import Course, here
from course.site_source.links import SHOWN
from course.site_source.tree import HERE, words, write_tree
from course.slides import copy_assets, write_slides

# A site built here has it; and GitHub Pages, seeing it, serves folders whose names begin with an underscore.
MARK = ".nojekyll"


def site(course: Course, out: Path, progress: bool = True) -> Path:
    """Builds the site into the folder `out` and returns its first page.

    Only a site that is whole, and without a single warning, takes the place of what was there.
    """
    if out.exists() and any(out.iterdir()) and not (out / MARK).exists():
        raise CourseError(f"{out} holds something else than a site; expected a new or empty folder.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # the library's pages import TensorFlow
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        made = folder / "site"
        with tqdm(total=len(course.languages) * (1 + len(course.units)), unit="part", disable=not progress) as bar:
            for language in course.languages:
                bar.set_postfix_str(f"{language}: pages")
                _build(course, language, folder / language, made / language)
                bar.update()
                for unit in course.units:
                    bar.set_postfix_str(f"{language}: slides of {unit}")
                    write_slides(course, unit, language, made / "slides", mathjax="../../mathjax")
                    bar.update()
        _same_pages(course, made)
        copy_assets(made / "slides" / "assets")
        copy_mathjax(made / "mathjax")
        (made / "index.html").write_text(_root(course), encoding="utf-8")
        (made / MARK).touch()
        if out.exists():
            shutil.rmtree(out)
        shutil.move(made, out)
    return out / "index.html"


def _build(course: Course, language: str, work: Path, out: Path) -> None:
    """One language by Sphinx, in this process: the library is imported once for all."""
    tree, html = work / "tree", work / "html"  # MyST-NB leaves its pictures beside the latter
    tree.mkdir(parents=True)
    write_tree(course, language, tree)
    nocolor()
    translators.clear()  # they outlive a build, and the first language would speak in the second
    warnings = io.StringIO()
    try:
        with patch_docutils(HERE), docutils_namespace():  # else a second language meets the first one's directives
            Sphinx(
                srcdir=tree,
                confdir=HERE,
                outdir=html,
                doctreedir=work / "doctrees",
                buildername="html",
                confoverrides=_settings(course, language, tree),
                status=None,
                warning=warnings,
            ).build()
    except SphinxError as error:
        raise CourseError(f"the site does not build: {error}") from error
    if told := warnings.getvalue().strip():
        raise CourseError(_first(told, tree, language))
    for leftover in (html / ".buildinfo", html / "_static" / "webpack-macros.html", *html.rglob("*.map")):
        leftover.unlink(missing_ok=True)
    shutil.rmtree(html / "_sources", ignore_errors=True)
    shutil.move(html, out)


def _settings(course: Course, language: str, tree: Path) -> dict:
    say = words(language)
    repository = course.config["repository"].removeprefix("https://github.com/")
    return {
        "language": language,
        "project": say["title"],
        "html_title": say["title"],
        "html_extra_path": [str(tree / "extra")],
        "nb_code_prompt_show": say["show_code"],
        "nb_code_prompt_hide": say["hide_code"],
        "course": {
            "words": say,
            "others": {code: course.config["languages"][code]["name"] for code in course.languages if code != language},
            "notebooks": list(SHOWN),
            "repository": course.config["repository"],
            "colab": f"https://colab.research.google.com/github/{repository}/blob/{course.config['branch']}",
        },
    }


def _first(told: str, tree: Path, language: str) -> str:
    """The first warning in words of the course: whose file, which cell."""
    line = told.splitlines()[0].replace(f"{tree}/", "").replace(f"{here().root}/", "")
    line = re.sub(r"^(\w+)/(\w+\.ipynb)", rf"\1/{language}/\2", line)
    # MyST-NB counts 10000 lines a cell, and the first of them is 2.
    line = re.sub(r"\.ipynb:(\d+)(\d{4}):", lambda at: f".ipynb, cell {at[1]}, line {int(at[2]) - 1}:", line)
    return f"the site does not build without warnings: {line}"


def _same_pages(course: Course, made: Path) -> None:
    """The language switch leads to the same page: each must exist in every language."""
    pages = {
        language: {page.relative_to(made / language) for page in (made / language).rglob("*.html")}
        for language in course.languages
    }
    for language, have in pages.items():
        if missing := set().union(*pages.values()) - have:
            page = min(missing).with_suffix("")
            raise CourseError(f"the page {page} is not there in {language!r}; expected every page in every language.")


def _root(course: Course) -> str:
    """The page that leads to a language."""
    template = jinja2.Template((HERE / "root.html").read_text(encoding="utf-8"), autoescape=True)
    return template.render(
        names=[words(language)["title"] for language in course.languages],
        languages=list(course.languages),
        links=[(code, course.config["languages"][code]["name"]) for code in course.languages],
    )
