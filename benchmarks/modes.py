"""Does a GAN find all eight Gaussians, with a gradient penalty and without? `python -m benchmarks.modes`.

The same networks, optimizers, batches and number of steps for each; every seed of `SEEDS` is told of, none is chosen.
Writes modes.json and modes.md.
"""

import json
import os
import platform
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from dgm_tfp import commands, models, training
from dgm_tfp.data import synthetic
from dgm_tfp.models.gan import count_modes

FOLDER = Path(__file__).parent
SEEDS, STEPS, BATCH, RATE, PENALTY, NEW = range(5), 3000, 256, 2e-3, 0.1, 10_000
RUNS = {"no penalty": 0.0, "gradient penalty": PENALTY}


def main() -> None:
    rows = [learn(loss, name, seed) for loss in ("non_saturating", "minimax") for name in RUNS for seed in SEEDS]
    (FOLDER / "modes.json").write_text(json.dumps(rows, indent=2) + "\n")
    (FOLDER / "modes.md").write_text(markdown(rows))
    print(markdown(rows))


def learn(loss: str, name: str, seed: int, steps: int = STEPS) -> dict:
    """Trains one GAN and counts the modes in its samples."""
    started = time.monotonic()
    model = models.GAN((2,), loss=loss, gradient_penalty=RUNS[name], seed=seed)
    model.compile(keras.optimizers.Adam(RATE, beta_1=0.5))
    points = synthetic.load("eight_gaussians", "train")[0]
    budget = training.Budget(updates=steps, progress=False)
    training.fit(model, training.batches(points, BATCH, seed), budget)
    found = count_modes(model.sample(NEW, seed=0), synthetic.eight_centres(), synthetic.EIGHT_STD)
    return {
        "loss": loss,
        "run": name,
        "seed": seed,
        "modes": found.modes,
        "high_quality": round(found.high_quality, 3),
        "least_share": round(float(found.shares.min()), 3),
        "greatest_share": round(float(found.shares.max()), 3),
        "seconds": round(time.monotonic() - started, 1),
    }


def markdown(rows: list[dict]) -> str:
    lines = [
        "# How many of eight Gaussians a GAN finds",
        "",
        f"`python -m benchmarks.modes` writes this table and `modes.json`. {STEPS} steps of {BATCH} points, Adam with",
        f"learning rate {RATE} and beta_1 0.5 for both networks, two hidden layers of 128 each. The penalty is R1",
        f"(Mescheder et al., 2018) with gamma {PENALTY}. Of {NEW:,} samples: modes with at least one percent of them",
        "within 3 standard deviations; the share of samples within 3 of any; the least and the greatest share of a mode,",
        "0.125 where all are alike.",
        "",
        "| loss | run | seed | modes | high quality | least share | greatest share | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(f"| {' | '.join(map(str, row.values()))} |")
    versions = ", ".join(f"{name} {version}" for name, version in commands.versions().items())
    return "\n".join([*lines, "", f"{versions}; {platform.machine()}, {commands.device()}.", ""])


if __name__ == "__main__":
    main()
