"""The files that grading writes, and those that it reads from a folder in which a stranger's code ran."""

import csv
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from course.submissions import writable

COLUMNS = ("student", "lab", "language", "exercise", "points", "max_points", "result", "message")
MAX_BYTES = 50_000_000


def write_csv(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Writes the table. With a byte order mark: without one Excel reads Cyrillic as something else."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow([_field(row[column]) for column in COLUMNS])
    return path


def _field(value: object) -> str:
    """A number as short as it can be; text that a spreadsheet will not take for a formula."""
    if value is None:
        return ""
    if isinstance(value, int | float):
        return f"{value:g}"
    text = " ".join(writable(value).split())
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


class FileNames:
    """Names of files that any system takes, each given once."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], set[str]] = {}
        self._names: dict[tuple[str, str], str] = {}

    def unique(self, place: str, text: str) -> str:
        """The name for `text` in `place`: a student's in "", a page's in the student's folder."""
        key = (place, text)
        if key not in self._names:
            name = re.sub(r"[^\w .,()@+-]", "_", writable(text)).strip(" .")[:80] or "_"
            given = self._given.setdefault((place, ""), set())
            candidate, number = name, 2
            while candidate.casefold() in given:
                candidate, number = f"{name}-{number}", number + 1
            given.add(candidate.casefold())
            self._names[key] = candidate
        return self._names[key]


def read_safely(path: Path) -> str:
    """The text of a file that is neither a link nor too large."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            raise OSError("not a plain file of a decent size")
        return file.read(MAX_BYTES).decode("utf-8", "replace")
