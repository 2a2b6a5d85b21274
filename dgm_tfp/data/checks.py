"""What images must be: bytes, (n, height, width, channels), at least one."""

import numpy as np

from dgm_tfp.errors import InputError


def as_images(array, what: str) -> np.ndarray:
    """Returns uint8 images (n, h, w, c); grey images (n, h, w) get their channel axis.

    Args:
      array: anything NumPy can read.
      what: how to call the data in an error message.

    Raises:
      InputError: not 3 or 4 axes, empty, NaN, floats, integers outside 0..255.
    """
    x = np.asarray(array)
    if x.ndim == 3:
        x = x[..., np.newaxis]
    if x.ndim != 4 or x.dtype.kind not in "uifb":
        raise InputError(
            f"{what} is an array of {x.dtype} and shape {np.shape(array)}; expected bytes (n, height, width, channels)."
        )
    if x.size == 0:
        raise InputError(f"{what} is empty: its shape is {np.shape(array)}. Give at least one image.")
    if x.dtype.kind == "f":
        if np.isnan(x).any():
            raise InputError(
                f"{what} has NaN pixels in {np.isnan(x).any(axis=(1, 2, 3)).sum()} images. Remove those images."
            )
        raise InputError(
            f"{what} holds {x.dtype} pixels from {x.min():g} to {x.max():g}; expected bytes 0..255. "
            "If they were divided by 255, undo it: (255 * x).round().astype('uint8')."
        )
    if x.dtype != np.uint8 and not (x.min() >= 0 and x.max() <= 255):
        raise InputError(f"{what} holds values from {x.min()} to {x.max()}; expected bytes 0..255.")
    return x.astype(np.uint8, copy=False)
