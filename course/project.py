"""Where everything lies: the source, and what is made from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from course.errors import CourseError

# What is generated, and from which file of a unit.
SOURCES = {"lectures": "lecture.py", "labs": "lab.py", "solutions": "lab.py"}
KINDS = tuple(SOURCES)
EXECUTED = ("lectures", "solutions")


@dataclass(frozen=True)
class Course:
    """A checkout of the course.

    Attributes:
      root: the folder that holds `course/`, `lectures/`, `labs/` and `solutions/`.
    """

    root: Path

    @property
    def folder(self) -> Path:
        """The source: `course/`."""
        return self.root / "course"

    @cached_property
    def config(self) -> dict[str, Any]:
        """`course.yml`."""
        return yaml.safe_load((self.folder / "course.yml").read_text(encoding="utf-8"))

    @property
    def languages(self) -> tuple[str, ...]:
        """("en", "ru")."""
        return tuple(self.config["languages"])

    @cached_property
    def units(self) -> tuple[str, ...]:
        """The names of the units, `01_change_of_variables`, ..., in order."""
        return tuple(sorted(path.parent.name for path in self.folder.glob("units/*/lecture.py")))

    def find_units(self, wanted: str | None) -> tuple[str, ...]:
        """All units, or the one whose name or number is `wanted`."""
        if wanted is None:
            return self.units
        found = tuple(unit for unit in self.units if wanted in (unit, unit.split("_")[0]))
        if not found:
            raise CourseError(f"there is no unit {wanted!r}; expected one of {', '.join(self.units)}, or its number.")
        return found

    def check_language(self, language: str) -> str:
        """`language`, or an error."""
        if language not in self.languages:
            raise CourseError(f"there is no language {language!r}; expected one of {', '.join(self.languages)}.")
        return language

    def source(self, unit: str, kind: str) -> Path:
        """`course/units/<unit>/lecture.py` or `lab.py`."""
        return self.folder / "units" / unit / SOURCES[kind]

    def notebook(self, kind: str, language: str, unit: str) -> Path:
        """`<kind>/<language>/<unit>.ipynb`; beside it lies its pair, the same with `.py`."""
        return self.root / kind / language / f"{unit}.ipynb"

    def committed(self, kind: str, language: str, unit: str) -> Path:
        """The same path, or an error that tells how to make what should be there."""
        path = self.notebook(kind, language, unit)
        if not path.is_file():
            where = path.relative_to(self.root)
            raise CourseError(f"there is no {where}, but there is its unit; make it: `python -m course build {unit}`.")
        return path

    def notebooks(self, kinds: tuple[str, ...] = KINDS) -> Iterator[tuple[str, str, str]]:
        """(kind, language, unit) of everything that is generated."""
        for unit in self.units:
            for kind in kinds:
                for language in self.languages:
                    yield kind, language, unit


def here() -> Course:
    """The checkout that this package lies in."""
    return Course(Path(__file__).resolve().parent.parent)
