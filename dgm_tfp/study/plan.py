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


@dataclass(frozen=True)
class Plan:
    """Times and sizes.

    Attributes:
      images: of each set that are measured; of the slow scores fewer.
      seconds: of training of one model, by the name of its recipe in `jobs.RECIPES`, tracing included.
      members: of an ensemble.
      points: of the curve of likelihood against training.
      resamples: of each bootstrap interval.
    """

    images: int
    seconds: Mapping[str, float]
    members: int
    points: int
    resamples: int


PLANS = {
    "smoke": Plan(
        images=200,
        seconds={"glow": 5, "cv_glow": 4, "vae": 5, "pixelcnn": 7, "classifier": 4},
        members=3,
        points=4,
        resamples=200,
    ),
    "laptop": Plan(
        images=2000,
        seconds={"glow": 75, "cv_glow": 45, "vae": 60, "pixelcnn": 180, "classifier": 30},
        members=3,
        points=12,
        resamples=500,
    ),
    "gpu": Plan(
        images=10_000,
        seconds={"glow": 1800, "cv_glow": 1800, "vae": 900, "pixelcnn": 3600, "classifier": 60},
        members=3,
        points=24,
        resamples=500,
    ),
}
