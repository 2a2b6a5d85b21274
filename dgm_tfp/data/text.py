"""Text: the documentation that ships with Python, or a person's own file; vocabulary and windows of integers."""

import importlib
import platform
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dgm_tfp.errors import InputError

NAMES = ("python_docs",)
SUFFIXES = (".txt",)
LENGTH = 128  # characters of a window
HELD_OUT = 10  # the last tenth of a text is its test split


class Text(NamedTuple):
    """A text in two parts that do not overlap, the first nine tenths and the last one, and all its characters."""

    train: str
    test: str
    vocabulary: str

    def windows(self, split: str, length: int = LENGTH, vocabulary: str | None = None) -> np.ndarray:
        """One part, "train" or "test", as integers: see `windows`. Another vocabulary than its own may be given."""
        part = {"train": self.train, "test": self.test}.get(split)
        if part is None:
            raise InputError(f"split is {split!r}; expected 'train' or 'test'.")
        return windows(encode(part, vocabulary or self.vocabulary), length)


def load_text(name: str = "python_docs") -> Text:
    """Reads a text: "python_docs", what `help()` shows on Python's language, or the path of a .txt file in UTF-8.

    Raises:
      InputError: a file that is not there, is not UTF-8 or is too short; a Python without its documentation.
    """
    text = _python_docs() if name in NAMES else _read(Path(name))
    characters = "".join(sorted(set(text)))
    if len(text) < HELD_OUT or len(characters) < 2:
        raise InputError(
            f"{name} has {len(text)} characters, {len(characters)} different ones. Give a text of {HELD_OUT} or more."
        )
    cut = len(text) - len(text) // HELD_OUT
    return Text(text[:cut], text[cut:], characters)


def note(name: str) -> str:
    """Where a text comes from, in one line."""
    if name in NAMES:
        return f"the documentation in Python {platform.python_version()} (pydoc_data), each paragraph once"
    return f"your file {name}"


def encode(text: str, vocabulary: str) -> np.ndarray:
    """The places of the characters in the vocabulary, int32 (len(text),)."""
    place = {character: i for i, character in enumerate(vocabulary)}
    strange = sorted(set(text) - place.keys())
    if strange:
        raise InputError(
            f"the text has {''.join(strange[:20])!r}, which the vocabulary of {len(vocabulary)} characters has not. "
            "Take them out, or train on text that holds them."
        )
    return np.fromiter((place[character] for character in text), np.int32, len(text))


def decode(ids, vocabulary: str) -> str:
    """The text of integers (t,): the inverse of `encode`."""
    return "".join(vocabulary[i] for i in np.asarray(ids, int))


def windows(ids: np.ndarray, length: int = LENGTH) -> np.ndarray:
    """Windows (n, length), one after another, none overlapping; what is left over at the end is dropped."""
    count = len(ids) // length if length > 0 else 0
    if not count:
        raise InputError(f"a text of {len(ids)} characters has no window of {length}. Give a longer text.")
    return ids[: count * length].reshape(count, length)


def _python_docs() -> str:
    try:
        topics = importlib.import_module("pydoc_data.topics").topics
    except ImportError as error:
        raise InputError("this Python comes without its documentation (pydoc_data). Give a .txt file.") from error
    # A topic is often a part of another: without this, the test split would stand word by word in the training split.
    return "\n\n".join(dict.fromkeys("\n\n".join(topics.values()).split("\n\n")))


def _read(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"there is no file {path}.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8: byte {error.start} is wrong. Save it as UTF-8.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
