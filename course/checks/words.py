"""Is a term used one way everywhere?"""

import re

import yaml

from course.checks.links import pages
from course.errors import CourseError
from course.project import Course


def glossary(course: Course) -> list[dict]:
    """The entries of `glossary.yml`: `en`, `ru`, meanings, and `not_en`, `not_ru`: patterns that must not occur."""
    path = course.folder / "glossary.yml"
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    for entry in entries:
        if missing := {"en", "ru"} - set(entry):
            raise CourseError(f"glossary.yml: {entry} has no {min(missing)!r}; a term stands in every language.")
    return entries


def one_word_for_a_thing(course: Course) -> list[str]:
    """No text of the course uses a word that the glossary forbids in its language."""
    problems = []
    entries = glossary(course)
    for name, language, text in pages(course):
        prose = _prose(text)
        for entry in entries:
            for pattern in entry.get(f"not_{language}", []):
                if found := re.search(pattern, prose, re.IGNORECASE):
                    problems.append(f"{name}: says {found.group()!r}; the glossary has {entry[language]!r}")
    return problems


def _prose(text: str) -> str:
    """The text without formulas, code and addresses."""
    return re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$|```.*?```|`[^`\n]*`|\]\([^)]*\)", " ", text, flags=re.DOTALL)
