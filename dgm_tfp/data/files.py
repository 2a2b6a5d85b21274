"""A person's own images: a `.npz` in the layout of Keras, or one `.npy`."""

from pathlib import Path

import numpy as np

from dgm_tfp.data.checks import as_images
from dgm_tfp.errors import InputError

SUFFIXES = (".npz", ".npy")


def load(path: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one split.

    A `.npz` holds `x_train` and `x_test`, and `y_train`, `y_test` if there are labels. A `.npy` holds images alone: the
    last tenth of them (at least one) is the test split. Missing labels are zeros. "other" is the test split of a `.npz`
    and all of a `.npy`.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}.")
    try:
        loaded = np.load(path, allow_pickle=False)
        if path.suffix == ".npy":
            images, labels = _split(loaded, split), None
        else:
            with loaded as arrays:
                split = "test" if split == "other" else split
                if f"x_{split}" not in arrays:
                    raise InputError(f"{path} holds {sorted(arrays)}; expected x_train and x_test.")
                images, labels = arrays[f"x_{split}"], arrays.get(f"y_{split}")
    except (OSError, EOFError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read as NumPy data: {error}") from error
    images = as_images(images, f"{path} ({split})")
    labels = np.zeros(len(images), np.uint8) if labels is None else np.asarray(labels).reshape(-1)
    if len(labels) != len(images):
        raise InputError(f"{path} has {len(images)} images and {len(labels)} labels in {split}.")
    return images, labels


def _split(images: np.ndarray, split: str) -> np.ndarray:
    if images.ndim == 0:
        raise InputError(
            f"the array is a single number; expected bytes (n, height, width, channels), got {images.dtype}."
        )
    if split == "other":
        return images
    held_out = max(1, len(images) // 10)
    return images[-held_out:] if split == "test" else images[:-held_out]
