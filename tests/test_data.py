"""The data: where they come from, what they are, that nobody changed them."""

import contextlib
import hashlib
import os
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from dgm_tfp import bits, data
from dgm_tfp.data import embedded, prepared, synthetic
from dgm_tfp.errors import InputError
from tests.helpers import same


@pytest.mark.parametrize("name", embedded.NAMES)
@pytest.mark.parametrize(("split", "n"), [("train", 10_000), ("test", 2_000)])
def test_embedded(name, split, n):
    images, labels = data.load(name, split, source="embedded", verbose=False)
    assert (images.shape, images.dtype) == ((n, 28, 28, 1), np.uint8)
    assert (labels.shape, labels.dtype) == ((n,), np.uint8)
    assert sorted(set(labels)) == list(range(10))
    assert np.bincount(labels).min() > 0.07 * n
    assert images.max() == 255


def test_embedded_statistics_are_those_of_the_data_sets():
    """The mean pixels that are known of the whole sets: 33.3 for MNIST, 72.9 for Fashion-MNIST."""
    means = {name: data.load(name, "train", "embedded", verbose=False).images.mean() for name in embedded.NAMES}
    assert means["mnist"] == pytest.approx(33.3, abs=0.5)
    assert means["fashion_mnist"] == pytest.approx(72.9, abs=0.7)


def test_checksum_file_is_in_the_format_of_sha256sum():
    for line in (embedded.FOLDER / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((embedded.FOLDER / name).read_bytes()).hexdigest() == digest


@pytest.mark.tfds
@pytest.mark.parametrize("name", embedded.NAMES)
def test_embedded_is_the_beginning_of_tfds(name):
    ours, theirs = (data.load(name, "test", source, verbose=False) for source in ("embedded", "tfds"))
    np.testing.assert_array_equal(ours.images, theirs.images[:2000])
    np.testing.assert_array_equal(ours.labels, theirs.labels[:2000])


@pytest.mark.tfds
@pytest.mark.parametrize("name", ["cifar10", "svhn_cropped"])
def test_colour_images(name):
    source = data.resolve(name)
    assert source.kind == "tfds"
    assert str(source.path).startswith(os.environ["TFDS_DATA_DIR"])
    images, labels = source.load("test")
    assert images.shape[1:] == (32, 32, 3)
    assert images.dtype == np.uint8
    assert sorted(set(labels)) == list(range(10))


@contextlib.contextmanager
def mocked(name, root, images):
    """A folder that TFDS says to have prepared; inside, its readers give `images` in place of files."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import dataset_builder

    info = tfds.builder(name, data_dir=root).info
    (root / info.full_name).mkdir(parents=True)
    info.write_to_directory(root / info.full_name)
    asked = []

    def read(builder, split, **options):
        asked.append(split)
        examples = {"image": images}
        if "label" in builder.info.features:
            examples["label"] = np.arange(len(images)) % 10
        return tf.data.Dataset.from_tensor_slices(examples)

    whole = dataset_builder.DatasetBuilder.__init__  # the mock puts its own data_dir in place of the folder's
    with (
        tfds.testing.mock_data(as_dataset_fn=read),
        mock.patch.object(dataset_builder.DatasetBuilder, "__init__", whole),
    ):
        yield asked


SHAPES = {
    "mnist": (28, 28, 1),
    "fashion_mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
    "svhn_cropped": (32, 32, 3),
    "cifar100": (32, 32, 3),
    "downsampled_imagenet/32x32": (32, 32, 3),
}


@pytest.mark.parametrize("name", SHAPES)
def test_tfds_names(name, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(prepared, "MOST_IMAGES", 5)
    monkeypatch.setattr(prepared, "BATCH", 2)
    images = np.random.default_rng(0).integers(256, size=(7, *SHAPES[name])).astype(np.uint8)
    with mocked(name, tmp_path, images) as asked:
        source = data.resolve(name)
        assert (source.kind, source.title) == ("tfds", name)
        for split in ("train", "test", "other"):
            loaded = source.load(split)
            limit = 5 if "imagenet" in name else 7
            np.testing.assert_array_equal(loaded.images, images[:limit])
            np.testing.assert_array_equal(loaded.labels, np.arange(limit) * ("imagenet" not in name))
        test = "validation" if "imagenet" in name else "test"
        assert asked == ["train", test, test]
        assert ("at most the first 5 images of a split" in source.note) == ("imagenet" in name)


def test_celeb_a_is_cut_and_shrunk(tmp_path, monkeypatch):
    """Each pixel of the 32x32 is the mean of 4.375x4.375 pixels of the middle 140x140 of the 218x178."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    photographs = np.random.default_rng(0).integers(256, size=(2, 218, 178, 3)).astype(np.uint8)
    with mocked("celeb_a", tmp_path, photographs) as asked:
        source = data.resolve("celeb_a")
        loaded = source.load("test")
    assert asked == ["test"]
    assert "the middle 140x140 shrunk to 32x32 by averaging areas; at most the first 100,000" in source.note
    exact = (
        photographs[:, 39:179, 19:159].repeat(32, 1).repeat(32, 2)
    )  # a pixel is 32x32, and an area 140x140, of these
    expected = exact.reshape(2, 32, 140, 32, 140, 3).mean((2, 4))
    assert (loaded.images.shape, loaded.images.dtype) == ((2, 32, 32, 3), np.uint8)
    assert np.abs(loaded.images - expected).max() <= 0.51
    np.testing.assert_array_equal(loaded.labels, [0, 0])


def test_auto_prefers_a_prepared_folder_of_the_newest_version(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert data.resolve("mnist").kind == "embedded"
    for version in ("3.0.1", "3.0.10", "3.0.9"):
        (tmp_path / "mnist" / version).mkdir(parents=True)
        (tmp_path / "mnist" / version / "dataset_info.json").write_text("{}")
    found = data.resolve("mnist")
    assert (found.kind, found.path.name) == ("tfds", "3.0.10")
    assert data.resolve("mnist", "embedded").kind == "embedded"
    with pytest.raises(InputError, match=r"prepared data in .* cannot be read"):
        found.load("test")


def test_tfds_root_is_the_users_folder_without_the_variable(monkeypatch):
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    assert prepared.root() == (prepared.Path.home() / "tensorflow_datasets")


def test_load_says_where_from(capsys):
    data.load("mnist", "test", source="embedded")
    assert (
        "mnist (test): embedded: 10,000 train and 2,000 test images; the full set: source='tfds'"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("name", synthetic.SETS)
def test_2d_sets(name):
    points, labels = data.load(name, "train", verbose=False)
    assert (points.shape, points.dtype, labels.shape) == ((10_000, 2), np.float32, (10_000,))
    again = data.load(name, "train", verbose=False)
    np.testing.assert_array_equal(points, again.images)
    assert (points[:2000] != data.load(name, "test", verbose=False).images).any()
    assert np.abs(points).max() < 12


def test_rings_and_gaussians_lie_where_they_should():
    points, labels = data.load("rings", "train", verbose=False)
    radius = np.linalg.norm(points, axis=1)
    same(radius - 1 - labels, np.zeros(len(labels)), 0.5)
    assert np.std(radius - 1 - labels) == pytest.approx(0.08, rel=0.05)
    points, labels = data.load("eight_gaussians", "train", verbose=False)
    for component in range(8):
        own = points[labels == component]
        assert np.linalg.norm(own.mean(0)) == pytest.approx(2, abs=0.05)
        assert own.std(0) == pytest.approx(0.2, rel=0.1)
    points, _ = data.load("checkerboard", "train", verbose=False)
    row, column = np.floor((points.T + 4) / 2).astype(int)
    assert set((row + column) % 2) == {0}


def test_letters_differ_in_font_and_place_and_are_the_same_at_every_call():
    images, labels = data.load("letters", "test", verbose=False)
    assert (images.dtype, images.shape, labels.shape) == (np.uint8, (2000, 28, 28, 1), (2000,))
    assert set(labels) == set(range(26))
    np.testing.assert_array_equal(images, data.load("letters", "test", verbose=False).images)
    assert len(np.unique(images.reshape(2000, -1), axis=0)) > 1900
    assert images.max(axis=(1, 2, 3)).min() > 100  # no letter is missing from its font
    border = np.r_[images[:, 0].ravel(), images[:, -1].ravel(), images[:, :, 0].ravel(), images[:, :, -1].ravel()]
    assert (border > 0).mean() < 0.03  # hardly any is cut


def test_synthetic_images_have_the_mean_and_the_variance_asked_for():
    images = synthetic.images(200, (8, 8, 3), mean=120, std=20)
    assert (images.dtype, images.shape) == (np.uint8, (200, 8, 8, 3))
    assert images.mean() == pytest.approx(120, abs=0.5)
    assert images.std() == pytest.approx(20, abs=0.3)


def test_files(tmp_path):
    x = np.arange(40 * 16, dtype=np.int64).reshape(40, 4, 4) % 256
    np.save(tmp_path / "x.npy", x)
    train, test = (data.load(str(tmp_path / "x.npy"), split, verbose=False) for split in ("train", "test"))
    assert (train.images.shape, test.images.shape) == ((36, 4, 4, 1), (4, 4, 4, 1))
    np.testing.assert_array_equal(test.images[..., 0], x[36:])
    np.savez(tmp_path / "x.npz", x_train=x[:30], y_train=np.arange(30)[:, None], x_test=x[30:])
    assert len(data.load(str(tmp_path / "x.npy"), "other", verbose=False).images) == 40
    assert len(data.load(str(tmp_path / "x.npz"), "other", verbose=False).images) == 10
    train = data.load(str(tmp_path / "x.npz"), "train", verbose=False)
    np.testing.assert_array_equal(train.labels, np.arange(30))
    assert train.images.dtype == np.uint8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("mnist", "train", "disk"), "source is 'disk'; expected one of auto, tfds, embedded"),
        (("mnist", "validation"), "split is 'validation'; expected one of 'train', 'test', 'other'"),
        (("moons", "train", "tfds"), "moons comes from 'synthetic' only"),
        (("imagenet", "train"), "no data set 'imagenet'"),
    ],
)
def test_errors(arguments, words):
    with pytest.raises(InputError, match=words):
        data.load(*arguments)


def test_dequantize_and_quantize_are_inverse():
    x = np.arange(256, dtype=np.uint8).reshape(4, 8, 8, 1)
    for seed in range(50):
        y = bits.dequantize(x, (seed, 0))
        assert ((y.numpy() >= x) & (y.numpy() < x + 1.0)).all()
        np.testing.assert_array_equal(bits.quantize(y), x)
    noise = bits.dequantize(np.zeros((100, 100)), (0, 0)).numpy()
    assert noise.mean() == pytest.approx(0.5, abs=0.01)
    assert noise.var() == pytest.approx(1 / 12, abs=0.002)


def test_bits_per_dim_of_a_uniform_byte_is_8():
    assert bits.bits_per_dim(np.log(1 / 256.0) * 784, 784) == pytest.approx(8)
