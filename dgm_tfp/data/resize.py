"""Images of another size than a model takes: a cut from the middle, made smaller."""

import numpy as np
from PIL import Image, ImageOps

from dgm_tfp.errors import InputError

HOW = "the middle, cut to that shape, shrunk by averaging areas"


def fit(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The middle of an image, as much of it as has the shape asked for, shrunk so that a pixel is the mean of its area.

    Nothing is stretched. Nothing is enlarged either: an enlarged image is smoother than any real one, and a model finds
    it likelier for that alone.

    Args:
      pixels: bytes (h, w, c).
      size: (height, width) to get.

    Raises:
      InputError: the image is smaller than that.
    """
    height, width = size
    if pixels.shape[:2] == size:
        return pixels
    if pixels.shape[0] < height or pixels.shape[1] < width:
        raise InputError(
            f"{pixels.shape[0]}x{pixels.shape[1]}, less than {height}x{width}: enlarged it would be too smooth"
        )
    channels = [
        np.asarray(ImageOps.fit(Image.fromarray(channel), (width, height), Image.Resampling.BOX))
        for channel in np.moveaxis(pixels, -1, 0)
    ]
    return np.stack(channels, axis=-1)


def fit_all(images: np.ndarray, size: tuple[int, int], what: str) -> np.ndarray:
    """`fit` of bytes (n, h, w, c); `what` names them in an error."""
    try:
        return np.stack([fit(pixels, size) for pixels in images])
    except InputError as error:
        raise InputError(f"{what} is {error}. Choose a smaller --resize.") from error
