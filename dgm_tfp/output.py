"""What a command writes: a folder that was proved writable, files that are whole or not there."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dgm_tfp.errors import InputError


def writable_folder(path: Path) -> Path:
    """Makes the folder, and proves that a file can be written in it by writing one.

    Raises:
      InputError: it cannot be made or written; folders that were made for the attempt are gone again.
    """
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        for folder in made:
            if folder.is_dir():
                folder.rmdir()
        raise InputError(f"the folder {path} cannot be written: {error.strerror}. Choose another --out.") from error


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Gives a name beside `path`, with its suffix, to write to; what was written there then takes the place of `path`.

    A process that is killed meanwhile leaves the old `path` as it was.

    Raises:
      InputError: the disk is full, or `path` cannot be written.
    """
    beside = path.with_name(f"{path.stem}.part{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def write_json(path: Path, value: dict) -> None:
    """Writes a JSON file whole or not at all."""
    with whole(path) as part:
        part.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
