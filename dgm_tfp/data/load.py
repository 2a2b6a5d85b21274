"""`load`: one way to every data set, which says where the data came from."""

import difflib
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dgm_tfp.data import embedded, files, folders, letters, prepared, resize, synthetic, text
from dgm_tfp.data.checks import as_images
from dgm_tfp.errors import InputError

NAMES = (*prepared.NAMES, *letters.NAMES, *synthetic.SETS, *text.NAMES)
SOURCES = ("auto", "tfds", "embedded", "synthetic", "file", "folder", "text")
SPLITS = ("train", "test", "other")


class Data(NamedTuple):
    """Images uint8 (n, height, width, channels) and labels (n,).

    2-D sets have points float32 (n, 2) in place of images; text has windows int32 (n, `text.LENGTH`), see `load_text`.
    """

    images: np.ndarray
    labels: np.ndarray


class Source(NamedTuple):
    """Where a data set comes from.

    `kind` is one of `SOURCES`; `path` its folder or file; `note` one line on it; `size` (height, width) what its images
    are brought to, see `resize.fit`.
    """

    name: str
    kind: str
    path: Path | None
    note: str
    size: tuple[int, int] | None = None

    @property
    def title(self) -> str:
        """What to call it in a table: the name, or the last part of a path."""
        return self.name if self.name in NAMES else Path(self.name).resolve().name

    def load(self, split: str) -> Data:
        """Reads one split; downloads the set first where it must.

        Args:
          split: "train", "test", or "other": what there is to compare with data of another model's training. That is
            the test split of a set that somebody has divided, and all of a `.npy` or a folder that nobody has.
        """
        if split not in SPLITS:
            raise InputError(f"split is {split!r}; expected one of {', '.join(map(repr, SPLITS))}.")
        if self.kind == "folder" and self.path:
            return Data(*folders.load(self.path, split, self.size))
        if self.kind == "file" and self.path:
            loaded = Data(*files.load(self.path, split))
        else:
            loaded = self._divided("test" if split == "other" else split)
        if not self.size:
            return loaded
        images = as_images(loaded.images, f"{self.name} ({split})")
        try:
            return Data(resize.fit(images, self.size), loaded.labels)
        except InputError as error:
            raise InputError(f"{self.name} ({split}) is {error}. Choose a smaller --resize.") from error

    def files(self, split: str) -> tuple[str, ...] | None:
        """The file of each image, where each has one: relative to the folder, in the order of `load`."""
        return folders.names(self.path, split) if self.kind == "folder" and self.path else None

    def is_called(self, name: str) -> bool:
        """Whether `name` is this data, also by another path to it."""
        return Path(self.name).resolve() == Path(name).resolve()

    def _divided(self, split: str) -> Data:
        if self.kind == "embedded":
            return Data(*embedded.load(self.name, split))
        if self.kind == "synthetic":
            return Data(*(letters.load(split) if self.name in letters.NAMES else synthetic.load(self.name, split)))
        if self.kind == "text":
            windows = text.load_text(self.name).windows(split)
            return Data(windows, np.zeros(len(windows), np.uint8))
        return Data(*prepared.load(self.name, self.path or prepared.download(self.name), split))


def resolve(name: str, source: str = "auto", size: tuple[int, int] | None = None) -> Source:
    """Decides where `name` comes from, reading no images.

    Args:
      name: one of `NAMES`, or the path of a `.npz`, `.npy` or `.txt` file or of a folder of images (see `folders`).
      source: "auto" takes a prepared TFDS folder, else the embedded images, else a TFDS download.
      size: (height, width) to bring images to, see `resize.fit`.

    Raises:
      InputError: an unknown name or source, or a source that does not have the set.
    """
    if source not in SOURCES:
        raise InputError(f"source is {source!r}; expected one of {', '.join(SOURCES)}.")
    found = _resolve(name, source)
    if not size:
        return found
    if found.kind == "text" or name in synthetic.SETS:
        raise InputError(f"{name} holds no images, so there is nothing to resize. Leave out --resize.")
    return found._replace(size=size, note=f"{found.note}; resized to {size[0]}x{size[1]}: {resize.HOW}")


def _resolve(name: str, source: str) -> Source:
    if name not in NAMES and Path(name).is_dir():
        return _only("folder", source, Source(name, "folder", Path(name), folders.note(Path(name))))
    if name.endswith(files.SUFFIXES):
        return _only("file", source, Source(name, "file", Path(name), f"your file {name}"))
    if name in text.NAMES or name.endswith(text.SUFFIXES):
        return _only("text", source, Source(name, "text", None, text.note(name)))
    if name in letters.NAMES:
        note = "computed: letters in matplotlib's fonts, 10,000 train and 2,000 test images"
        return _only("synthetic", source, Source(name, "synthetic", None, note))
    if name in synthetic.SETS:
        return _only("synthetic", source, Source(name, "synthetic", None, "computed"))
    if name not in NAMES:
        close = difflib.get_close_matches(name, NAMES, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise InputError(
            f"there is no data set {name!r}.{hint} Known: {', '.join(NAMES)}, or a .npz, .npy or .txt file, "
            "or a folder of images."
        )
    if source in ("auto", "tfds") and (path := prepared.folder(name)):
        return Source(name, "tfds", path, f"TFDS, prepared in {path}{prepared.note(name)}")
    if source in ("auto", "embedded") and name in embedded.NAMES:
        note = "embedded: 10,000 train and 2,000 test images; the full set: source='tfds' (--source tfds)"
        return Source(name, "embedded", embedded.FOLDER / f"{name}.npz", note)
    note = f"TFDS, to be downloaded to {prepared.root()}{prepared.note(name)}"
    return _only("tfds", source, Source(name, "tfds", None, note))


def load(
    name: str, split: str, source: str = "auto", verbose: bool = True, size: tuple[int, int] | None = None
) -> Data:
    """Loads one split of a data set.

    Args:
      name: see `resolve`.
      split: "train", "test" or "other", see `Source.load`.
      source: see `resolve`.
      verbose: write to standard error, in one line, which source it was and how to get the full set.
      size: see `resolve`.

    Returns:
      `Data(images, labels)`.
    """
    found = resolve(name, source, size)
    if verbose:
        print(f"{name} ({split}): {found.note}", file=sys.stderr)
    return found.load(split)


def available() -> list[Source]:
    """Every data set known by name and where `load` would take it from on this machine."""
    return [resolve(name) for name in NAMES]


def _only(kind: str, asked: str, found: Source) -> Source:
    if asked in ("auto", kind):
        return found
    raise InputError(f"{found.name} comes from {kind!r} only, got source={asked!r}.")
