"""Letters in the fonts that matplotlib ships: a third grey data set that needs no network, after notMNIST."""

import functools
import string
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

NAMES = ("letters",)
SIZES = {"train": 10_000, "test": 2_000}
SIDE = 28
FONTS = (
    *(f"DejaVu{face}" for face in ("Sans", "Sans-Bold", "Sans-BoldOblique", "Sans-Oblique")),
    *(f"DejaVuSansMono{face}" for face in ("", "-Bold", "-BoldOblique", "-Oblique")),
    *(f"DejaVuSerif{face}" for face in ("", "-Bold", "-BoldItalic", "-Italic")),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralBolIta", "STIXGeneralItalic"),
    *("cmb10", "cmr10", "cmss10", "cmti10", "cmtt10"),
)


def load(split: str) -> tuple[np.ndarray, np.ndarray]:
    """White letters A to Z and a to z on black, each in a font, a size, a turn and a place of its own.

    The same at every call with the same versions of matplotlib and Pillow.

    Returns:
      Images uint8 (n, 28, 28, 1), and labels uint8 (n,): the place in the alphabet, 0 to 25.
    """
    rng = np.random.default_rng([len("letters"), split == "test"])
    letters = string.ascii_uppercase + string.ascii_lowercase
    characters = rng.integers(len(letters), size=SIZES[split])
    images = [_image(letters[i], FONTS[rng.integers(len(FONTS))], rng) for i in characters]
    return np.stack(images)[..., np.newaxis], (characters % 26).astype(np.uint8)


def _image(letter: str, font: str, rng: np.random.Generator) -> np.ndarray:
    """The letter's box scaled to 16 to 26 pixels, turned by up to 15 degrees, moved by up to a pixel."""
    glyph = _glyph(letter, font)
    scale = rng.uniform(16, 26) / max(glyph.size)
    turned = glyph.resize([max(1, round(side * scale)) for side in glyph.size], Image.Resampling.LANCZOS).rotate(
        rng.uniform(-15, 15), Image.Resampling.BICUBIC, expand=True
    )
    canvas = Image.new("L", (SIDE, SIDE))
    left, top = ((SIDE - side) // 2 + int(rng.integers(-1, 2)) for side in turned.size)
    canvas.paste(turned, (left, top))
    return np.asarray(canvas)


@functools.cache
def _glyph(letter: str, font: str) -> Image.Image:
    """One letter, large, cut to its box."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    canvas = Image.new("L", (160, 160))
    ImageDraw.Draw(canvas).text((80, 80), letter, fill=255, font=ImageFont.truetype(path, 80), anchor="mm")
    return canvas.crop(canvas.getbbox())
