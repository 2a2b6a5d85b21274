"""How much to compute: `smoke` for CI, `laptop` for two cores, `gpu`. A profile changes sizes and times only."""

import os
from dataclasses import dataclass

from dgm_tfp.errors import InputError


@dataclass(frozen=True)
class Profile:
    """Sizes and times.

    Attributes:
      name: "smoke", "laptop" or "gpu".
      minutes: of training.
      images: how many images of each set are evaluated.
      steps, filters: of the Glow.
      batch_size: of the training.
    """

    name: str
    minutes: float
    images: int
    steps: int
    filters: int
    batch_size: int


PROFILES = {
    "smoke": Profile("smoke", minutes=0.15, images=500, steps=2, filters=32, batch_size=64),
    "laptop": Profile("laptop", minutes=0.75, images=2000, steps=4, filters=64, batch_size=64),
    "gpu": Profile("gpu", minutes=20, images=10_000, steps=16, filters=256, batch_size=128),
}


def current(name: str | None = None) -> Profile:
    """The profile `name`, else the one in the environment variable DGM_TFP_PROFILE, else `laptop`."""
    name = name or os.environ.get("DGM_TFP_PROFILE") or "laptop"
    if name not in PROFILES:
        raise InputError(f"there is no profile {name!r}; expected one of {', '.join(PROFILES)}.")
    return PROFILES[name]
