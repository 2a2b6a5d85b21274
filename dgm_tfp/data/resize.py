"""Images of another size than a model takes: a cut from the middle, made smaller."""

import numpy as np
import tensorflow as tf

from dgm_tfp.errors import InputError

HOW = "the middle, cut to that shape, shrunk by averaging areas"
AT_ONCE = 1000  # images, because a whole set in floats would take four times its memory


def fit(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The middle of images, as much as has the shape asked for, shrunk so that each pixel is the mean of its area.

    Nothing is stretched (but by less than a pixel at the cut). Nothing is enlarged either: an enlarged image is
    smoother than any real one, and a model finds it likelier for that alone.

    Args:
      images: bytes (n, h, w, c), or one image (h, w, c).
      size: (height, width) to get.

    Raises:
      InputError: the images are smaller than that.
    """
    h, w = images.shape[-3:-1]
    if (h, w) == size:
        return images
    if h < size[0] or w < size[1]:
        raise InputError(f"{h}x{w}, less than {size[0]}x{size[1]}: enlarged it would be too smooth")
    scale = min(h / size[0], w / size[1])
    cut = middle(images, (round(size[0] * scale), round(size[1] * scale)))
    if images.ndim == 3:
        return _shrunk(cut, size)
    return np.concatenate([_shrunk(cut[i : i + AT_ONCE], size) for i in range(0, len(cut), AT_ONCE)])


def middle(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The middle (height, width) of images (..., h, w, c)."""
    top, left = ((whole - part) // 2 for whole, part in zip(images.shape[-3:-1], size, strict=True))
    return images[..., top : top + size[0], left : left + size[1], :]


def _shrunk(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    # Pillow's BOX counts a pixel on the border of two areas to one of them; TensorFlow divides it between the two.
    with tf.device("CPU"):
        return np.rint(tf.image.resize(images, size, "area").numpy()).astype(np.uint8)
