"""Published numbers that the study's rows stand beside, each with its source. What is not known here is None."""

from typing import NamedTuple

NALISNICK = "Nalisnick et al. (2019), Do Deep Generative Models Know What They Don't Know?, arXiv:1810.09136"
NALISNICK_FIGURE = f"{NALISNICK}: histograms, no AUROC"
NALISNICK_MEMORY = f"{NALISNICK}; bits/dim quoted from memory, not checked against the paper"
QUOTED = "quoted as a likelihood baseline of Glow in later preprints; bits/dim: " + NALISNICK
QUOTED_AUROC = "quoted as a likelihood baseline of Glow in later preprints"
BASELINES = "quoted as a baseline in a later preprint"
SERRA = (
    "Serra et al. (2020), Input Complexity and Out-of-distribution Detection with Likelihood-based Generative Models; "
    "an independent repetition by Schirrmeister et al. (2020) got 0.784"
)
SCHIRRMEISTER = "Schirrmeister et al. (2020)"
REN = "Ren et al. (2019), Likelihood Ratios for Out-of-Distribution Detection; from memory, not checked"


class Published(NamedTuple):
    """What is published of a row.

    Attributes:
      auroc: of telling the other set by a low score.
      bits_per_dim: of the test images of the model's own set, and of the other set.
      prefers: the set that the paper's model finds more likely, "other" or "own".
      source: a citation; None where nothing is known.
    """

    auroc: float | None = None
    bits_per_dim: tuple[float, float] | None = None
    prefers: str | None = None
    source: str | None = None


_CLOTHES, _COLOUR = ("fashion_mnist", "mnist"), ("cifar10", "svhn_cropped")
_SHOWN = Published(prefers="other", source=NALISNICK_FIGURE)

PUBLISHED: dict[tuple[str, str, str, str], Published] = {
    ("glow", *_CLOTHES, "likelihood"): Published(None, (2.958, 1.833), "other", NALISNICK_MEMORY),
    ("glow", *_COLOUR, "likelihood"): Published(0.07, (3.464, 2.389), "other", QUOTED),
    ("glow", "mnist", "fashion_mnist", "likelihood"): Published(prefers="own", source=NALISNICK_FIGURE),
    ("glow", "svhn_cropped", "cifar10", "likelihood"): Published(0.99, None, "own", QUOTED_AUROC),
    ("cv_glow", *_COLOUR, "likelihood"): _SHOWN,
    ("vae", *_CLOTHES, "likelihood"): _SHOWN,
    ("vae", *_COLOUR, "likelihood"): _SHOWN,
    ("pixelcnn", *_CLOTHES, "likelihood"): Published(
        0.089, None, "other", f"{REN}, a PixelCNN++; the direction also: {NALISNICK_FIGURE}"
    ),
    ("pixelcnn", *_COLOUR, "likelihood"): _SHOWN,
    ("pixelcnn", *_CLOTHES, "likelihood_ratio"): Published(0.994, None, "own", f"{REN}, a PixelCNN++"),
    ("glow", *_COLOUR, "input_complexity png"): Published(0.950, None, "own", SERRA),
    ("glow", *_COLOUR, "simplicity png"): Published(0.08, None, "other", SCHIRRMEISTER),
    ("glow", *_COLOUR, "typicality"): Published(0.71, None, "own", BASELINES),
    ("glow", *_COLOUR, "waic"): Published(0.76, None, "own", BASELINES),
    ("glow", "celeb_a", "svhn_cropped", "likelihood"): Published(0.15, None, "other", QUOTED_AUROC),
}


def lookup(model: str, train: str, test: str, score: str) -> Published:
    """What is published of a score of a model on a pair; empty where nothing is known here."""
    return PUBLISHED.get((model, train, test, score), Published())
