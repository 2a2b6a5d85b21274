"""The data that the study finds on this machine. It never downloads."""

import numpy as np

from dgm_tfp import data as datasets
from dgm_tfp.errors import InputError


class Shelf:
    """Images and labels by name, each split read once.

    Args:
      source: "auto" takes prepared TFDS folders and the embedded sets; see `data.resolve`.
    """

    def __init__(self, source: str = "auto"):
        self.source = source
        self._read: dict[tuple[str, str], datasets.Data] = {}

    def find(self, name: str) -> datasets.Source | None:
        """Where the set comes from; None where it is not at hand."""
        try:
            found = datasets.resolve(name, self.source)
        except InputError:  # not of this source
            return None
        return None if found.kind == "tfds" and found.path is None else found

    def missing(self, *names: str) -> list[str]:
        """Those of the sets that are not at hand, each once."""
        return [name for name in dict.fromkeys(names) if self.find(name) is None]

    def images(self, name: str, split: str) -> np.ndarray:
        """All images of a split, uint8 (n, h, w, c)."""
        return datasets.as_images(self._data(name, split).images, f"{name} ({split})")

    def labels(self, name: str, split: str) -> np.ndarray:
        """Their labels, (n,)."""
        return self._data(name, split).labels

    def _data(self, name: str, split: str) -> datasets.Data:
        if (name, split) not in self._read:
            self._read[name, split] = datasets.load(name, split, self.source, verbose=False)
        return self._read[name, split]
