"""How much the study computes: seconds of training of each kind of model, and sizes, by profile."""

from collections.abc import Mapping
from dataclasses import dataclass

PARADOX = (("fashion_mnist", "mnist"), ("cifar10", "svhn_cropped"))
REVERSED = tuple((test, train) for train, test in PARADOX)
OTHER = dict(PARADOX + REVERSED)  # what each set is told from
OTHER_PAIRS = (
    ("celeb_a", "svhn_cropped"),
    ("downsampled_imagenet/32x32", "cifar10"),
    ("downsampled_imagenet/32x32", "cifar100"),
    ("downsampled_imagenet/32x32", "svhn_cropped"),
)
# What all images share lies near each pixel: a net that sees no farther is a background without any mutation.
SMALL = {"filters": 8, "blocks": 2, "head": 16}
BACKGROUNDS = (
    *(("background", rate) for rate in (0.1, 0.3)),
    *(("small_background", rate) for rate in (0.0, 0.1, 0.3)),
)


@dataclass(frozen=True)
class Plan:
    """Times and sizes.

    Attributes:
      images: of each set that are measured.
      sample: of them, where there is much to measure. Both are a whole number of batches of 250 (`ood.log_prob`): a
        batch of another size is another graph.
      seconds: of training of one model, by the name of its recipe in `jobs.RECIPES`, tracing included.
      pixelcnn: sizes of the PixelCNNs, which are trained on small batches: a pixel's law is learned from each pixel.
      pixelcnn_batch: images of such a batch.
      members: of an ensemble.
      small: sizes of a PixelCNN that sees a pixel's neighbours and little else.
      backgrounds: of the likelihood ratio, that one is chosen from: the recipe, and the rate of mutation of its images.
      directions: images and random vectors along which the curvature of log p is looked at.
      points: of the curve of likelihood against training.
      resamples: of each bootstrap interval.
    """

    images: int
    sample: int
    seconds: Mapping[str, float]
    pixelcnn: Mapping[str, int]
    pixelcnn_batch: int
    members: int
    small: Mapping[str, int]
    backgrounds: tuple[tuple[str, float], ...]
    directions: int
    points: int
    resamples: int


PLANS = {
    "smoke": Plan(
        images=250,
        sample=250,
        seconds={
            "glow": 5,
            "cv_glow": 4,
            "vae": 4,
            "pixelcnn": 6,
            "background": 4,
            "small_background": 2,
            "exposed": 7,
            "classifier": 5,
            "gaussian_pixels": 2,
        },
        pixelcnn={"filters": 16, "blocks": 3, "head": 32},
        pixelcnn_batch=8,
        members=3,
        small=SMALL,
        backgrounds=(("background", 0.1), ("small_background", 0.0)),
        directions=10,
        points=4,
        resamples=200,
    ),
    "laptop": Plan(
        images=2000,
        sample=500,
        seconds={
            "glow": 75,
            "cv_glow": 45,
            "vae": 60,
            "pixelcnn": 150,
            "background": 90,
            "small_background": 30,
            "exposed": 60,
            "classifier": 20,
            "gaussian_pixels": 10,
        },
        pixelcnn={"filters": 24, "blocks": 4, "head": 48},
        pixelcnn_batch=8,
        members=3,
        small=SMALL,
        backgrounds=BACKGROUNDS,
        directions=200,
        points=12,
        resamples=500,
    ),
    "gpu": Plan(
        images=10_000,
        sample=2000,
        seconds={
            "glow": 1800,
            "cv_glow": 1800,
            "vae": 900,
            "pixelcnn": 3600,
            "background": 1800,
            "small_background": 600,
            "exposed": 600,
            "classifier": 60,
            "gaussian_pixels": 60,
        },
        pixelcnn={"filters": 128, "blocks": 8, "head": 256},
        pixelcnn_batch=64,
        members=3,
        small=SMALL,
        backgrounds=BACKGROUNDS,
        directions=1000,
        points=24,
        resamples=500,
    ),
}
