"""Real MNIST and Fashion-MNIST inside the package: 10,000 train and 2,000 test images each.

The files are made by `tools/make_embedded.py`; their licences are in `embedded/README.md`.
"""

import hashlib
import io
from pathlib import Path

import numpy as np

from dgm_tfp.errors import InputError

FOLDER = Path(__file__).parent / "embedded"
NAMES = ("fashion_mnist", "mnist")


def load(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, 28, 28, 1) and labels uint8 (n,), after the file's SHA-256 was checked.

    Raises:
      InputError: the file is missing or is not the one that was released.
    """
    path = FOLDER / f"{name}.npz"
    sums = {file: digest for digest, file in map(str.split, (FOLDER / "SHA256SUMS").read_text().splitlines())}
    if not path.is_file():
        raise InputError(f"the embedded file {path.name} is missing. Install dgm-tfp again.")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sums[path.name]:
        raise InputError(f"the embedded file {path.name} is corrupted: its SHA-256 is wrong. Install dgm-tfp again.")
    with np.load(io.BytesIO(content)) as arrays:  # what was checked is what is loaded
        return arrays[f"x_{split}"], arrays[f"y_{split}"]
