"""Input complexity (Serra et al., 2020): a general compressor as the background model.

    S(x) = -log2 p(x) - L(x)    [bits; high: out of distribution]

L(x) is the length of x as a compressor writes it, minus its log-probability under a universal model of images. A smooth
image is likely under every model; S asks how likely it is beyond what its smoothness explains.
"""

import io
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from dgm_tfp.errors import InputError
from dgm_tfp.ood.any_model import log_prob
from dgm_tfp.ood.memory import remembered
from dgm_tfp.ood.score import NotApplicable


class Codec(NamedTuple):
    """A lossless format: what Pillow's `Image.save` takes, and how many bytes of a file describe it, not the pixels."""

    options: dict[str, Any]
    container: Callable[[bytes], int]


CODECS = {
    # Signature 8, IHDR 25, the frames of IDAT and of IEND 12 each.
    "png": Codec({"format": "PNG", "optimize": True}, lambda file: 57),
    # RIFF header 12, the frame of its one chunk 8. The slower methods gain nothing on images as small as these.
    "webp": Codec({"format": "WEBP", "lossless": True, "method": 4, "quality": 75}, lambda file: 20),
    # A bare codestream: all before the data, which follow the marker SOD, and the marker of the end.
    "jpeg2000": Codec({"format": "JPEG2000", "no_jp2": True}, lambda file: file.index(b"\xff\x93") + 2 + 2),
}


@remembered
def codec_bits(x: np.ndarray, codec: str = "png") -> np.ndarray:
    """L(x), float64 (n,): bits of each image, compressed without loss, less the constant part of the file format.

    Args:
      x: uint8 (n, h, w, 1 or 3).
      codec: "png", or the better "webp"; "jpeg2000" is made for larger images and spends more than either.

    Raises:
      NotApplicable: no images of bytes.
      InputError: an unknown codec.
    """
    if codec not in CODECS:
        raise InputError(f"there is no codec {codec!r}; expected one of {', '.join(CODECS)}.")
    x = np.asarray(x)
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[-1] not in (1, 3):
        raise NotApplicable(f"a codec takes uint8 images (n, h, w, 1 or 3), got {x.dtype} {x.shape}.")
    options, container = CODECS[codec]

    def bits(image: np.ndarray) -> float:
        file = io.BytesIO()
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, **options)
        return 8.0 * (file.tell() - container(file.getvalue()))

    with ThreadPoolExecutor() as pool:  # the encoders release Python's lock
        return np.fromiter(pool.map(bits, x), np.float64, len(x))


def input_complexity(model: Any, x: np.ndarray, codec: str = "png") -> np.ndarray:
    """-S(x) log 2 = log p(x) + L(x) log 2 in nats (n,)."""
    return log_prob(model, x) + codec_bits(x, codec) * math.log(2)


def simplicity(model: Any, x: np.ndarray, codec: str = "png") -> np.ndarray:
    """-L(x) log 2 in nats (n,): what the codec says as a model of its own, whatever `model` is. A baseline."""
    return -codec_bits(x, codec) * math.log(2)
