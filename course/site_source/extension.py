"""What the templates need to know of a page, and the formulas inside its HTML: a small Sphinx extension."""

import re
from gettext import NullTranslations
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

_FORMULA = re.compile(r"(?<![\\$])\$([^$\n]+)\$")
_TAG = re.compile(r"</?\w")
_COLON = "\ue000"


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension."""
    app.add_config_value("course", {}, "html", dict)
    app.connect("config-inited", complete_theme)
    app.connect("doctree-read", typeset_html)
    app.connect("doctree-read", mark_captions)
    app.connect("html-page-context", describe_page)
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("autodoc-process-docstring", take_literally, priority=400)  # before napoleon
    app.connect("autodoc-process-docstring", give_colons_back, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Words(NullTranslations):
    """A dictionary of translations, asked where the catalogues of Sphinx and of the theme have none."""

    def __init__(self, words: dict[str, str]):
        super().__init__()
        self._words = words

    def gettext(self, message: str) -> str:
        return self._words.get(message) or super().gettext(message)


def complete_theme(app: Sphinx, config: Config) -> None:
    """Tells the theme the course's name and address, and the words that its own translation lacks."""
    config.html_theme_options["github_url"] = config.course["repository"]
    config.html_theme_options["logo"]["text"] = config.project
    config.html_theme_options["search_bar_text"] = config.course["words"]["search"]
    app.translator.add_fallback(Words(config.course["words"].get("theme", {})))


def typeset_html(app: Sphinx, doctree: nodes.document) -> None:
    """Marks formulas inside HTML (a `<summary>`, a table) for MathJax: MyST reads them in Markdown only."""
    for node in list(doctree.findall(nodes.raw)):
        if "html" in node.get("format", "") and "<script" not in node.astext():
            node.replace_self(nodes.raw("", _FORMULA.sub(_marked, node.astext()), format="html"))


def _marked(formula: re.Match[str]) -> str:
    if _TAG.search(formula[1]):  # two dollars in two cells of a table
        return formula[0]
    return rf'<span class="math notranslate nohighlight">\({formula[1]}\)</span>'


def mark_captions(app: Sphinx, doctree: nodes.document) -> None:
    """A paragraph in italics after a figure is its caption."""
    for cell in doctree.findall(nodes.container):
        below = cell.next_node(descend=False, siblings=True)
        is_text = isinstance(below, nodes.paragraph) and len(below) == 1 and isinstance(below[0], nodes.emphasis)
        if is_text and "cell" in cell["classes"] and any(cell.findall(nodes.image)):
            below["classes"].append("caption")


def describe_page(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Gives the templates the same page in the other languages, and the links of a notebook."""
    course = app.config.course
    up = "../" * (page.count("/") + 1)
    context["say"] = course["words"]
    context["translations"] = [
        {"code": code, "name": name, "link": f"{up}{code}/{page}.html"} for code, name in course["others"].items()
    ]
    kind, _, unit = page.partition("/")
    if kind in course["notebooks"]:
        context["notebook"] = {
            "colab": f"{course['colab']}/{kind}/{app.config.language}/{unit}.ipynb",
            "download": "../" * page.count("/") + f"notebooks/{kind}/{unit}.ipynb",
        }
    if kind == "lectures":
        context["notebook"]["slides"] = f"{up}slides/{app.config.language}/{unit}.html"


def skip_foreign(app: Sphinx, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    """Leaves out what a class has from TensorFlow or matplotlib: its text is theirs."""
    module = getattr(getattr(member, "fget", member), "__module__", None) or "dgm_tfp"
    is_field = str(getattr(member, "__doc__", "")).startswith("Alias for field number")
    return True if is_field or not module.startswith("dgm_tfp") else None


def take_literally(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """The docstrings are plain text with names in backticks: a star, a bar, a last underscore mean themselves."""
    if what == "property" and lines:
        lines[0] = lines[0].replace(":", _COLON)  # napoleon would take what stands before it for a type
    for index, line in enumerate(lines):
        parts = line.split("`")
        parts[::2] = [re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
        lines[index] = "`".join(parts)


def give_colons_back(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """After napoleon."""
    lines[:] = [line.replace(_COLON, ":") for line in lines]
