"""TensorFlow Datasets: a prepared folder if there is one, else a download."""

import os
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np

from dgm_tfp.data import resize
from dgm_tfp.errors import InputError

# Where TFDS fetches each set from: asked first, because TFDS itself retries for minutes without a network.
HOSTS = {
    "mnist": "https://storage.googleapis.com",
    "fashion_mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    "cifar10": "https://www.cs.toronto.edu",
    "svhn_cropped": "http://ufldl.stanford.edu",
    "cifar100": "https://www.cs.toronto.edu",
    "celeb_a": "https://drive.google.com",
    "downsampled_imagenet/32x32": "http://image-net.org",
}
NAMES = tuple(HOSTS)
TEST_SPLITS = {"downsampled_imagenet/32x32": "validation"}  # where there is no "test"

# CelebA's aligned images are 218x178: the middle square holds the face (the cut of Tolstikhin et al., 2018), and 32x32
# is what Nalisnick et al. (2019) trained on. Their own cut is not told.
CUTS = {"celeb_a": (140, 32)}

# ImageNet's 1,281,149 images would take 4 GB, and a model on a laptop does not see them all.
LARGE, MOST_IMAGES = ("celeb_a", "downsampled_imagenet/32x32"), 100_000
BATCH = 500
PATIENCE_SECONDS = 8


def root() -> Path:
    """Where TFDS keeps prepared data: `TFDS_DATA_DIR`, else ~/tensorflow_datasets."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def folder(name: str) -> Path | None:
    """The newest prepared version of a data set, or None. Needs no network."""
    versions = [info.parent for info in root().glob(f"{name}/*/dataset_info.json")]
    return max(versions, key=lambda path: [int(part) for part in path.name.split(".") if part.isdigit()], default=None)


def note(name: str) -> str:
    """What is done to a set's images, to be told beside where they come from; empty where nothing is."""
    told = []
    if name in CUTS:
        told.append("the middle {0}x{0} shrunk to {1}x{1} by averaging areas".format(*CUTS[name]))
    if name in LARGE:
        told.append(f"at most the first {MOST_IMAGES:,} images of a split")
    return "".join(f"; {each}" for each in told)


def load(name: str, path: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of the set `name` from its prepared folder `path`; labels are zeros where it has none.

    Images are cut and shrunk as `note` says batch by batch, so that the large ones are never all in memory.
    """
    import tensorflow_datasets as tfds

    try:
        named = TEST_SPLITS.get(name, "test") if split == "test" else split
        data = tfds.builder_from_directory(path).as_dataset(split=named, shuffle_files=False)
        data = data.take(MOST_IMAGES if name in LARGE else -1).map(_image_and_label).batch(BATCH)
        batches = [(_cut(name, images), labels) for images, labels in data.as_numpy_iterator()]
    except Exception as error:  # TFDS raises many types for a folder that is not whole
        raise InputError(f"the prepared data in {path} cannot be read: {_one_line(error)}") from error
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def _image_and_label(example: dict) -> tuple:
    return example["image"], example.get("label", np.int64(0))


def _cut(name: str, images: np.ndarray) -> np.ndarray:
    if name not in CUTS:
        return images
    side, target = CUTS[name]
    return resize.fit(resize.middle(images, (side, side)), (target, target))


def download(name: str) -> Path:
    """Downloads and prepares a data set with TFDS's own progress bar; returns its folder.

    Raises:
      InputError: there is no network (told within seconds), or the download failed.
    """
    if not _reachable(HOSTS[name]):
        raise InputError(
            f"{name} is not on this machine and cannot be downloaded: {HOSTS[name]} does not answer. "
            "Set TFDS_DATA_DIR to where TFDS has prepared it, or use fashion_mnist and mnist, which are embedded."
        )
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=root())
        builder.download_and_prepare()
    except Exception as error:  # the download, the checksum, the disk: each with its own type
        raise InputError(f"{name} could not be downloaded to {root()}: {_one_line(error)}") from error
    return Path(builder.data_dir)


def _reachable(url: str) -> bool:
    """Whether anything answers at `url` within a few seconds. In a thread: a name look-up has no timeout of its own."""
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PATIENCE_SECONDS).close()
        except urllib.error.HTTPError:
            pass  # a refusal is an answer
        except (OSError, ValueError):
            return
        answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    return answered.is_set()


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
