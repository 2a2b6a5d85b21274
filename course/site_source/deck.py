"""From a lecture to the cells of slides: what begins a slide, and how much stands on one."""

import copy
import math
import re
import struct
from base64 import b64decode
from collections.abc import Iterator

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from course.execute import PNG, figures

# Heights are guessed in lines of text; the style sheet scrolls a slide where the guess is too low.
LINES = 16
CHARACTERS = 80
TALLEST_FIGURE = 11
WIDEST_FIGURE = 29  # a figure takes the whole width
SHORT_CODE = 12

_HEADING = re.compile(r"(#{1,3}) (.*)")
# What blank lines do not divide: a fence, an answer, a formula.
_OPENERS = (("```", "```"), ("<details", "</details>"), ("$$", "$$"))


def deck(notebook: NotebookNode) -> NotebookNode:
    """A copy of `notebook` with the metadata that nbconvert's slides go by.

    H1 and H2 begin a slide. H3, and whatever would not fit, begins a slide below it, under the section's name in small
    print: a lecture is prose, and a screen of it at a time is what one can talk about.
    """
    notebook = copy.deepcopy(notebook)
    cells: list[NotebookNode] = []
    section, used = "", math.inf
    for group in _together(list(_pieces(notebook))):
        height = sum(map(_height, group))
        heading = _HEADING.match(group[0].source) if group[0].cell_type == "markdown" else None
        kind = "-"
        if heading and len(heading[1]) < 3:
            kind, section = "slide", heading[2]
        elif used + height > LINES or (heading and used > LINES / 3):
            kind = "subslide"
            if section:
                cells.append(_piece(f"###### {section}", "subslide"))
                kind = "-"
        if not cells:
            kind = "slide"
        if kind == "slide" or (cells and cells[-1].metadata.slideshow.slide_type == "subslide"):
            used = 0
        used += height
        group[0].metadata["slideshow"] = NotebookNode(slide_type=kind)
        for cell in group[1:]:
            cell.metadata["slideshow"] = NotebookNode(slide_type="-")
        cells += group
    for index, cell in enumerate(cells):
        cell["id"] = f"slide-{index:03d}"  # the same at each build
    notebook.cells = cells
    return notebook


def _pieces(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """The cells, with Markdown cut into its paragraphs."""
    for cell in notebook.cells:
        if "remove-cell" in cell.metadata.get("tags", []):
            continue
        if cell.cell_type == "markdown":
            yield from (_piece(text) for text in _paragraphs(cell.source))
        else:
            long = cell.source.count("\n") >= SHORT_CODE
            cell.metadata["folded"] = long or bool(figures(cell)) or cell.source.startswith(("import", "from"))
            yield cell


def _piece(text: str, kind: str = "-") -> NotebookNode:
    return new_markdown_cell(text, metadata=NotebookNode(slideshow=NotebookNode(slide_type=kind)))


def _paragraphs(text: str) -> Iterator[str]:
    """The paragraphs; a heading is one by itself."""
    paragraph: list[str] = []
    closer = None
    for line in text.splitlines():
        if closer is None and (not line.strip() or _HEADING.match(line)):
            if paragraph:
                yield "\n".join(paragraph)
            paragraph = []
            if line.strip():
                yield line
            continue
        paragraph.append(line)
        closer = _still_open(line, closer)
    if paragraph:
        yield "\n".join(paragraph)


def _still_open(line: str, closer: str | None) -> str | None:
    """What must come before a blank line divides, after `line`."""
    if closer is not None:
        return None if closer in line else closer
    for opener, end in _OPENERS:
        if line.lstrip("> ").startswith(opener) and line.count(end) < (2 if opener == end else 1):
            return end
    return None


def _together(pieces: list[NotebookNode]) -> Iterator[list[NotebookNode]]:
    """What stays on one slide: a heading and what follows, a figure and its caption, words before a colon's formula."""
    group: list[NotebookNode] = []
    for index, piece in enumerate(pieces):
        following = pieces[index + 1] if index + 1 < len(pieces) else None
        if group and figures(group[-1]) and _is_caption(piece):
            piece.source = f'<div class="caption">\n\n{piece.source}\n\n</div>'
        group.append(piece)
        heading = piece.cell_type == "markdown" and _HEADING.match(piece.source)
        captioned = following is not None and figures(piece) and _is_caption(following)
        formula = piece.source.rstrip().endswith(":") and following is not None and following.source.startswith("$$")
        if not (following is not None and (heading or captioned or formula)):
            yield group
            group = []


def _is_caption(piece: NotebookNode) -> bool:
    """A paragraph in italics."""
    text = piece.source.strip()
    emphasised = text.startswith("*") and text.endswith("*") and not text.startswith(("**", "* "))
    return piece.cell_type == "markdown" and emphasised


def _height(piece: NotebookNode) -> float:
    """A guess, in lines."""
    if piece.cell_type != "markdown":
        return _code_height(piece)
    text = piece.source
    if heading := _HEADING.match(text):
        return 3.2 - 0.6 * len(heading[1])
    if text.startswith("<details"):  # folded: only its summary
        return 1.1 + 1.1 * math.ceil(len(text.partition("</summary>")[0]) / CHARACTERS)
    lines = text.splitlines()
    if text.startswith("|"):
        return 1.6 * len(lines)
    formulas = len(re.findall(r"\$\$[^$]+\$\$", text))
    rows = text.count(r"\\") if formulas else 0
    words = sum(math.ceil(len(line) / CHARACTERS) for line in lines if not line.lstrip("> ").startswith("$$"))
    return 0.7 + words + 2.6 * formulas + 0.9 * rows


def _code_height(piece: NotebookNode) -> float:
    height = 1.2 if piece.metadata.folded else 0.8 + 0.75 * (piece.source.count("\n") + 1)
    for output in piece.get("outputs", []):
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        if PNG in output.get("data", {}):
            width, tall = struct.unpack(">II", b64decode(output.data[PNG])[16:24])  # PNG's header
            height += 0.5 + min(TALLEST_FIGURE, WIDEST_FIGURE * tall / width)
        else:
            height += min(12, 0.5 + 0.75 * (text.count("\n") + 1))
    return height
