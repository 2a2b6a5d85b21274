"""Links of a file in the repository, turned into links of the site."""

import posixpath
import re
from pathlib import Path
from urllib.parse import unquote

from course.errors import CourseError
from course.project import Course

SHOWN = ("lectures", "labs")  # a solution is for the instructor
TEXTS = ("syllabus", "instructor")

# [text](path) and href="path", with a path in the repository: no scheme, no anchor of the same page.
_LINK = re.compile(r'(?P<before>\]\(|href=")(?!\w+:|#|/)(?P<path>[^)"#\s]+)(?P<anchor>#[^)"\s]*)?')


def page_map(course: Course, language: str) -> dict[str, str]:
    """{file in the repository: file in the Sphinx tree} of one language."""
    pages = {f"{kind}/{language}/{unit}.ipynb": f"{kind}/{unit}.ipynb" for unit in course.units for kind in SHOWN}
    pages |= {f"course/{text}.{language}.md": f"{text}.md" for text in TEXTS}
    return pages | {"course/glossary.yml": "glossary.md"}


def rewrite(course: Course, text: str, origin: str, pages: dict[str, str]) -> str:
    """The text of the file `origin`, whose links lead to `pages`, or to the repository for what is not among them.

    A Markdown link to nothing stays as it is: Sphinx tells of it. It does not look into HTML, so that is told here.
    """
    folder = posixpath.dirname(pages.get(origin, ""))

    def replace(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), unquote(match["path"])))
        is_html = match["before"].startswith("href")
        if target in pages:
            link = posixpath.relpath(pages[target], folder or ".")
            link = str(Path(link).with_suffix(".html")) if is_html else link
        elif not target.startswith("..") and (course.root / target).exists():
            link = f"{course.config['repository']}/blob/{course.config['branch']}/{target}"
        elif is_html:
            raise CourseError(f"{origin} links to {match['path']}, which does not exist; expected a file beside it.")
        else:
            return match[0]
        return match["before"] + link + (match["anchor"] or "")

    return _LINK.sub(replace, text)
