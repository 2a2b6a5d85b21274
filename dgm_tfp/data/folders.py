"""A person's folder of images: PNG, JPEG and what else Pillow reads, as bytes of one size.

    DIR/a.png, DIR/b.png, ...        images without classes
    DIR/cats/a.png, DIR/dogs/b.png   a class for each subfolder, as `keras.utils.image_dataset_from_directory` has it
    DIR/train/..., DIR/test/...      either of these, split by hand; "validation" or "val" serves where there is no test

The images of a split are shuffled, in an order that is always the same. Without train/ and test/ the last tenth of them
is the test split. Pictures that belong together (frames of a film) then fall on both sides: split those by hand.

Hidden files and files with other suffixes are passed over. Grey images have one channel, colour has three. Palettes,
CMYK and an opaque alpha channel become RGB, or grey where the palette is grey; a camera's turn (EXIF) is carried out.
What would have to be guessed is refused: transparency, more than 8 bits, animations.
"""

import functools
import os
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from PIL import Image, ImageFile, ImageOps

from dgm_tfp.data import resize
from dgm_tfp.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
TEST_FOLDERS = ("test", "validation", "val")
ORDER_SEED = 0  # one order for ever: a model must find the test split that it was not trained on
TOLD = 3  # files that an error names


class Listing(NamedTuple):
    """The files of a folder in the order of loading: paths relative to it, the class of each, where the test begins."""

    files: tuple[str, ...]
    labels: tuple[int, ...]
    begin_test: int

    def part(self, split: str, divided: bool) -> slice:
        """Which of the files are the split; "other" is everything where no hand has divided the folder."""
        if split == "other" and not divided:
            return slice(None)
        return slice(self.begin_test) if split == "train" else slice(self.begin_test, None)


def load(path: Path, split: str, size: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, h, w, 1 or 3), not to be written to, and labels int64 (n,): the rank of the class's name.

    Args:
      path: the folder.
      split: "train", "test", or "other", as `dgm_tfp.data.Source.load` says.
      size: (height, width) to bring all of them to, see `resize.fit`.

    Raises:
      InputError: there are no images; some are broken, or differ in size or in channels. All of the folder is looked
        at, whatever the split.
    """
    listing = _list(path)
    stamps = tuple(_stamp(path / file) for file in listing.files)
    part = listing.part(split, divided(path) is not None)
    return _read(path, listing.files, stamps, size)[part], np.array(listing.labels, np.int64)[part]


def names(path: Path, split: str) -> tuple[str, ...]:
    """The files of a split in the order of `load`, relative to the folder."""
    listing = _list(path)
    return listing.files[listing.part(split, divided(path) is not None)]


def divided(path: Path) -> str | None:
    """The name of the subfolder that is the test split, where there is one beside train/; else None."""
    found = (name for name in TEST_FOLDERS if (path / name).is_dir())
    return next(found, None) if (path / "train").is_dir() else None


def note(path: Path) -> str:
    """One line on the folder and its splits."""
    if test := divided(path):
        return f"your folder {path}: its train/ and {test}/"
    return f"your folder {path}: where it trains, a tenth drawn by a fixed seed is kept to test; else all of it serves"


def _list(path: Path) -> Listing:
    test = divided(path)
    parts = [_images_under(path, path / part) for part in (("train", test) if test else (".",))]
    ordered = [part[i] for part in parts for i in np.random.default_rng(ORDER_SEED).permutation(len(part))]
    classes = sorted({name for _, name in ordered})
    begin_test = len(parts[0]) if test else len(ordered) - max(1, len(ordered) // 10)
    return Listing(tuple(file for file, _ in ordered), tuple(classes.index(name) for _, name in ordered), begin_test)


def _images_under(path: Path, part: Path) -> list[tuple[str, str]]:
    """Sorted pairs: a file, relative to `path`, and the subfolder of `part` that it lies in, its class ("" at the top).

    Linked folders are not entered: they may lead round in a circle.
    """
    found: list[tuple[str, str]] = []
    for folder, inner, files in os.walk(part):
        inner[:] = [name for name in inner if not name.startswith(".")]
        place = Path(folder).relative_to(part)
        for file in files:
            if file.lower().endswith(SUFFIXES) and not file.startswith("."):
                name = place.parts[0] if place.parts else ""
                found.append(((Path(folder) / file).relative_to(path).as_posix(), name))
    if not found:
        raise InputError(
            f"there are no images in {part}: no file ends in {', '.join(SUFFIXES)}. Choose another folder."
        )
    return sorted(found)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0  # a link that leads nowhere: reading it will say so
    return status.st_size, status.st_mtime_ns


# Kept, because a report loads the splits one after the other, and a photograph takes a while to read. The stamps tell
# when a file was changed meanwhile.
@functools.lru_cache(maxsize=2)
def _read(
    path: Path, files: tuple[str, ...], stamps: tuple[tuple[int, int], ...], size: tuple[int, int] | None
) -> np.ndarray:
    with ThreadPoolExecutor(os.cpu_count()) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, on metadata that we do not use
        sizes = dict(zip(files, pool.map(lambda file: _size_of(path / file), files), strict=True))
        known = {file: size for file, size in sizes.items() if size}
        if not size:
            _one_size(path, known)
        shape = size or next(iter(known.values()), (0, 0))
        _fits_in_memory(path, len(files), shape)
        images = list(pool.map(lambda file: _image(path / file, size), files))
    whole = {file: image for file, image in zip(files, images, strict=True) if not isinstance(image, str)}
    broken = [f"{file} ({why})" for file, why in zip(files, images, strict=True) if isinstance(why, str)]
    if broken:
        raise InputError(
            f"{len(broken)} of the {len(files)} images in {path} cannot be used: {_some(broken)}. "
            "Mend them or take them away."
        )
    grey, colour = ([file for file, image in whole.items() if image.shape[-1] == channels] for channels in (1, 3))
    if grey and colour:
        raise InputError(
            f"{path} holds {len(grey)} grey images (as {grey[0]}) and {len(colour)} in colour (as {colour[0]}). "
            "Keep one kind, or convert one to the other."
        )
    pixels = np.stack(list(whole.values()))
    pixels.setflags(write=False)  # the same memory serves whoever loads the folder again
    return pixels


def _size_of(path: Path) -> tuple[int, int] | None:
    """Height and width from the head of a file, turned as the camera says; None where it cannot be read."""
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # orientations that change the sides over
            return image.size if turned else (image.height, image.width)
    except Exception:  # Pillow's plug-ins raise many types on a broken file; it is told of when it is read
        return None


def _image(path: Path, size: tuple[int, int] | None) -> np.ndarray | str:
    """The bytes (h, w, 1 or 3) of a file, or what is wrong with it."""
    try:
        with Image.open(path) as file:
            if why := _not_for_us(file):
                return why
            file.load()
            image = ImageOps.exif_transpose(file)
        if image.has_transparency_data:
            image = image.convert("LA" if image.mode in ("1", "L", "LA") else "RGBA")
            if np.asarray(image)[..., -1].min() < 255:
                return "transparent in places: what lies behind is not known"
        plain = np.asarray(image.convert("L" if _is_grey(image) else "RGB"))
        pixels = plain.reshape(*plain.shape[:2], -1)
        return resize.fit(pixels, size) if size else pixels
    except InputError as error:
        return str(error)
    except Exception as error:  # Pillow's plug-ins raise many types on a broken file
        return f"{type(error).__name__}: {' '.join(str(error).replace(str(path), path.name).split())[:100]}"


def _not_for_us(file: ImageFile.ImageFile) -> str | None:
    frames = getattr(file, "n_frames", 1)
    if frames > 1 and file.format != "MPO":  # an MPO is a photograph with its previews
        return f"an animation or a stack of {frames} pictures"
    # The tile tells the depth in the file: Pillow drops the lower bytes of 16-bit colours in silence.
    if file.mode.startswith(("I", "F")) or any("16" in str(tile[3]) for tile in file.tile):
        return "more than 8 bits a channel"
    return None


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "P":
        red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)
        return bool((red == green).all() and (green == blue).all())
    return image.mode in ("1", "L", "LA")


def _one_size(path: Path, sizes: dict[str, tuple[int, int]]) -> None:
    counts = Counter(sizes.values()).most_common()
    if len(counts) > 1:
        first, second = (next(file for file, size in sizes.items() if size == each) for each, _ in counts[:2])
        (one, n_one), (other, n_other) = counts[:2]
        raise InputError(
            f"the images in {path} are of {len(counts)} sizes: {n_one} of {_by(one)} (as {first}), {n_other} of "
            f"{_by(other)} (as {second}){', ...' if len(counts) > 2 else ''}, height x width. A model takes one size: "
            f"give --resize HxW, as {_by(tuple(min(side) for side in zip(*sizes.values(), strict=True)))}."
        )


def _fits_in_memory(path: Path, count: int, size: tuple[int, int]) -> None:
    needed, there = 2 * 3 * count * size[0] * size[1], psutil.virtual_memory().available
    if needed > there:
        raise InputError(
            f"the {count} images of {_by(size)} in {path} need {needed / 2**30:.1f} GiB of memory, "
            f"there are {there / 2**30:.1f}. Make them smaller: --resize 32x32."
        )


def _by(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))


def _some(items: list[str]) -> str:
    return ", ".join(items[:TOLD]) + (f", and {len(items) - TOLD} more" if len(items) > TOLD else "")
