"""Folders of images: what is read, in what order, and what is said of those that cannot be."""

import json
import os
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dgm_tfp import data
from dgm_tfp.data import folders, resize
from dgm_tfp.errors import InputError
from tests.test_cli import SHORT, refused, run

RNG = np.random.default_rng(0)
GREY, COLOUR = (8, 8), (8, 8, 3)


def pixels(shape=GREY) -> np.ndarray:
    return RNG.integers(256, size=shape).astype(np.uint8)


def fill(folder, n: int, shape=GREY, prefix="") -> dict[str, np.ndarray]:
    """Writes n PNG files of noise; returns their pixels by name."""
    folder.mkdir(parents=True, exist_ok=True)
    images = {f"{prefix}{i:03}.png": pixels(shape) for i in range(n)}
    for name, image in images.items():
        Image.fromarray(image).save(folder / name)
    return images


def load(folder, split="train", **options):
    return data.load(str(folder), split, verbose=False, **options)


def test_a_folder_without_classes(tmp_path):
    written = fill(tmp_path, 30)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden.png").write_bytes(b"no image either")
    train, test, other = (load(tmp_path, split) for split in ("train", "test", "other"))
    assert [len(part.images) for part in (train, test, other)] == [27, 3, 30]
    assert (train.images.shape[1:], train.images.dtype) == ((8, 8, 1), np.uint8)
    assert set(other.labels) == {0}
    for split, part in (("train", train), ("test", test), ("other", other)):
        files = data.resolve(str(tmp_path)).files(split)
        for file, image in zip(files, part.images, strict=True):
            np.testing.assert_array_equal(image[..., 0], written[file])
    files = data.resolve(str(tmp_path)).files("other")
    assert sorted(files) == sorted(written)
    assert list(files) != sorted(files)  # shuffled: a sorted folder would leave the last ones to the test
    assert data.resolve(str(tmp_path)).files("test") == files[27:]


def test_classes_and_splits_by_subfolders(tmp_path):
    for split, n in (("train", 12), ("test", 4)):
        for name in ("cats", "dogs"):
            fill(tmp_path / split / name, n, prefix=name)
    fill(tmp_path / "test" / "owls" / "deep", 2)
    train, test, other = (load(tmp_path, split) for split in ("train", "test", "other"))
    np.testing.assert_array_equal(np.bincount(train.labels), [12, 12])
    np.testing.assert_array_equal(np.bincount(test.labels), [4, 4, 2])
    np.testing.assert_array_equal(test.images, other.images)
    files = data.resolve(str(tmp_path)).files("train")
    assert [("cats", "dogs")[label] in file for label, file in zip(train.labels, files, strict=True)] == [True] * 24
    assert len(set(train.labels[:12])) == 2  # shuffled: the first ones are what a report measures
    (tmp_path / "test").rename(tmp_path / "planes")  # train/ alone is a class, of vehicles for instance
    assert set(load(tmp_path, "other").labels) == {0, 1}
    (tmp_path / "planes").rename(tmp_path / "test")
    (tmp_path / "train").rename(tmp_path / "cars")
    assert set(load(tmp_path, "other").labels) == {0, 1}


def test_what_files_hold(tmp_path):
    """Each way to store the same picture gives the same bytes."""
    grey, colour = pixels(), pixels(COLOUR)
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was turned by a quarter
    few = Image.fromarray(colour).quantize(16)
    opaque = Image.fromarray(np.dstack([colour, np.full(GREY, 255, np.uint8)]))
    cases = {
        "grey.png": (Image.fromarray(grey), {}, grey[..., None]),
        "grey alpha.png": (Image.fromarray(grey).convert("LA"), {}, grey[..., None]),
        "grey palette.png": (Image.fromarray(grey).convert("P"), {}, grey[..., None]),
        "bits.png": (Image.fromarray(grey > 127), {}, np.where(grey > 127, 255, 0)[..., None]),
        "colour.png": (Image.fromarray(colour), {}, colour),
        "colour.BMP": (Image.fromarray(colour), {}, colour),
        "palette.png": (few, {}, np.asarray(few.convert("RGB"))),
        "opaque.png": (opaque, {}, colour),
        "turned.png": (Image.fromarray(np.rot90(colour)), {"exif": turned}, colour),
        "turned.jpg": (Image.new("RGB", (4, 8), "red"), {"exif": turned}, np.full((4, 8, 3), (254, 0, 0))),
        "print.jpg": (Image.new("CMYK", GREY, (0, 255, 255, 0)), {}, np.full(COLOUR, (255, 0, 0))),
    }
    for name, (image, options, expected) in cases.items():
        folder = tmp_path / name
        folder.mkdir()
        image.save(folder / name, **options)
        np.testing.assert_array_equal(load(folder, "other").images[0], expected, err_msg=name)


def test_resizing_averages_areas_and_cuts_the_middle(tmp_path):
    tall, wide = pixels((16, 8, 3)), pixels((8, 24, 3))
    means = {
        "tall.png": tall[4:12].reshape(4, 2, 4, 2, 3).mean((1, 3)),
        "wide.png": wide[:, 8:16].reshape(4, 2, 4, 2, 3).mean((1, 3)),
    }
    Image.fromarray(tall).save(tmp_path / "tall.png")
    Image.fromarray(wide).save(tmp_path / "wide.png")
    source = data.resolve(str(tmp_path), size=(4, 4))
    assert "resized to 4x4: the middle, cut to that shape, shrunk by averaging areas" in source.note
    for file, image in zip(source.files("other"), source.load("other").images, strict=True):
        assert np.abs(image - means[file]).max() <= 0.51
    letters = load("letters", "test", size=(14, 14))
    assert letters.images.shape == (2000, 14, 14, 1)
    with pytest.raises(
        InputError, match=r"letters \(test\) is 28x28, less than 32x32: enlarged it would be too smooth"
    ):
        load("letters", "test", size=(32, 32))
    with pytest.raises(InputError, match="moons holds no images, so there is nothing to resize"):
        load("moons", size=(2, 2))


def test_a_folder_is_read_again_only_after_a_change(tmp_path, monkeypatch):
    fill(tmp_path, 10)
    first = load(tmp_path, "other").images
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 0
    monkeypatch.setattr(folders, "_image", None)  # reading would fail
    np.testing.assert_array_equal(np.concatenate([load(tmp_path, split).images for split in ("train", "test")]), first)
    monkeypatch.undo()
    Image.new("L", GREY, 7).save(tmp_path / "003.png")
    assert (load(tmp_path, "other").images == 7).all(axis=(1, 2, 3)).sum() == 1


def _sizes(folder):
    fill(folder, 3)
    fill(folder, 2, (6, 9), prefix="b")


def _broken(folder):
    fill(folder, 30)
    for i in range(4):
        whole = (folder / f"{i:03}.png").read_bytes()
        (folder / f"{i:03}.png").write_bytes(whole[: len(whole) // 2] if i else b"no image")


def _save(image, **options):
    return lambda folder: image.save(folder / "a.png", **options)


BAD = {
    "nothing in it": (lambda folder: None, r"no images in .*: no file ends in .png, .jpg"),
    "no images": (lambda folder: (folder / "a.txt").write_text(""), "no images in"),
    "an empty split": (
        lambda folder: (fill(folder / "train", 3), (folder / "test").mkdir()),
        r"no images in .*test: no file ends in",
    ),
    "mixed sizes": (
        _sizes,
        r"of 2 sizes: 3 of 8x8 \(as 0\d\d.png\), 2 of 6x9 \(as b0\d\d.png\), height x width.* --resize HxW, as 6x8\.",
    ),
    "broken files": (_broken, r"4 of the 30 images in .* cannot be used: \d{3}.png \(\w+: .*, and 1 more. Mend them"),
    "grey and colour": (
        lambda folder: (fill(folder, 2), fill(folder, 5, COLOUR, "c")),
        r"2 grey images \(as 00\d.png\) and 5 in colour \(as c00\d.png\). Keep one kind",
    ),
    "transparency": (_save(Image.new("RGBA", GREY, (1, 2, 3, 254))), r"1 of the 1 .*a.png \(transparent in places"),
    "a transparent colour": (_save(Image.new("L", GREY, 9), transparency=9), "transparent in places"),
    "16 bits of grey": (_save(Image.fromarray(np.full(GREY, 999, np.uint16))), "more than 8 bits a channel"),
    "an animation": (
        _save(Image.new("RGB", GREY), save_all=True, append_images=[Image.new("RGB", GREY, "red")]),
        "an animation or a stack of 2 pictures",
    ),
    "a link to nowhere": (lambda folder: (folder / "a.png").symlink_to("gone.png"), r"a.png \(FileNotFoundError"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_folder_is_told_in_one_line(name, tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    make, words = BAD[name]
    make(folder)
    refused(["ood", "--train", folder, "--test", "mnist"], words, tmp_path / "out", capsys)


def test_16_bits_of_colour_are_refused(tmp_path):
    """Pillow reads them, dropping the lower bytes, but does not write them: a PNG of one pixel, by hand."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head, row = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0), b"\0" + bytes(6)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(png)
    with pytest.raises(InputError, match="more than 8 bits a channel"):
        load(tmp_path, "other")


def test_more_than_the_memory(tmp_path, monkeypatch):
    fill(tmp_path, 2)
    monkeypatch.setattr(folders.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 100}))
    with pytest.raises(InputError, match=r"2 images of 8x8 in .* need 0.0 GiB of memory, there are 0.0.*--resize"):
        load(tmp_path)


def test_one_image_cannot_be_two_splits(tmp_path, capsys):
    fill(tmp_path / "one", 1)
    words = r"one \(train\) is empty"
    refused(["ood", "--train", tmp_path / "one", "--test", "mnist"], words, tmp_path / "out", capsys)


@pytest.mark.slow
def test_ood_train_and_score_on_folders(tmp_path, capsys, monkeypatch):
    for name, shape in (("a", GREY), ("b", GREY)):
        fill(tmp_path / name, 40, shape)
    monkeypatch.chdir(tmp_path)
    assert (
        run("ood", "--train", "a", "--test", "b/", "--resize", "4x4", "--out", "report", *SHORT, "--minutes", 0.01) == 0
    )
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["images"] == {"train": 36, "test": 4, "ood": 40}  # all of b serves, none of a's training images
    assert report["model"]["event_shape"] == report["resize"] + [1] == [4, 4, 1]
    page = (tmp_path / "report" / "report.html").read_text()
    assert "resized to 4x4" in page
    assert "b (other)" in page
    assert run("train", "glow", "--data", "a", "--resize", "4x4", "--updates", 2, "--out", "glow", *SHORT[:2]) == 0
    assert run("train", "glow", "--data", "a", "--resize", "8x8", "--out", "glow", "--resume") == 2
    assert re.search("has resize .4, 4., got .8, 8.", capsys.readouterr().err)
    for arguments, count in ((("report",), 4), (("glow", "--data", "b"), 40), (("glow", "--data", "./a"), 4)):
        assert run("score", *arguments, "--out", "scores.csv") == 0, capsys.readouterr().err
        rows = (tmp_path / "scores.csv").read_text().splitlines()
        assert rows[0].startswith("index,file,label,log_prob")
        assert len(rows) == 1 + count
    assert {row.split(",")[1] for row in rows[1:]} == set(data.resolve("a").files("test"))


def test_data_of_a_folder_that_is_a_name_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("mnist")
    assert data.resolve("mnist", "embedded").kind == "embedded"
    assert data.resolve("./mnist").kind == "folder"


def test_fit_leaves_what_has_the_size():
    image = pixels(COLOUR)
    assert resize.fit(image, GREY) is image
