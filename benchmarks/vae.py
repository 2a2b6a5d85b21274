"""How far the small VAE comes in three minutes: `python -m benchmarks.vae`, a part of `make bench`.

784-400-20-400-784 on MNIST, made bits anew at every step; the full set where TFDS_DATA_DIR holds it. Writes vae.json
and vae.md.
"""

import json
import os
import platform
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from dgm_tfp import commands, data, models, training

FOLDER = Path(__file__).parent
SECONDS, BAR, BATCH, PEAK, MOMENTS = 180.0, 108.0, 128, 2e-3, 9
DRAWS, WEIGHED = 200, 1000  # of the importance-weighted bound; on so many images


def main() -> None:
    result = learn()
    (FOLDER / "vae.json").write_text(json.dumps(result, indent=2) + "\n")
    (FOLDER / "vae.md").write_text(markdown(result))
    print(markdown(result))


class Curve(keras.callbacks.Callback):
    """The negative ELBO of the test set at several moments of the training; the budget's clock stands still meanwhile.

    Args:
      x: the test set.
      budget: the callback before this one.
    """

    def __init__(self, x: np.ndarray, budget: training.Budget):
        super().__init__()
        self.x, self.budget, self.rows = x, budget, []

    def on_train_batch_end(self, batch, logs=None):
        if self.budget.spent * MOMENTS < len(self.rows) + 1:
            return
        began = time.monotonic()
        nats = -self.model.elbo(self.x)
        self.rows.append(
            {
                "seconds": round(self.budget.elapsed, 1),
                "updates": self.budget.step,
                "nats": round(float(nats.mean()), 2),
                "standard_error": round(float(nats.std() / np.sqrt(len(nats))), 2),
            }
        )
        self.budget.started += time.monotonic() - began


def learn() -> dict:
    source = data.resolve("mnist")
    x, new = (source.load(split).images.reshape(-1, 784) for split in ("train", "test"))
    model, schedule = models.VAE((784,), likelihood="bernoulli"), training.WarmUpCosine(PEAK)
    model.compile(optimizer=training.adam(schedule))
    budget = training.Budget(SECONDS, schedule)
    curve = Curve(new, budget)
    training.fit(model, training.batches(x, BATCH, seed=0), budget, curve)
    weighted = model.importance_weighted(new[:WEIGHED], DRAWS)
    return {
        "source": source.kind,
        "train": len(x),
        "test": len(new),
        "weights": model.count_params(),
        "epochs": round(budget.step * BATCH / len(x), 1),
        "curve": curve.rows,
        "nats_train": round(-float(model.elbo(x[: len(new)]).mean()), 2),
        "nats_weighed_images": round(-float(model.elbo(new[:WEIGHED]).mean()), 2),
        "importance_weighted": round(-float(weighted.log_prob.mean()), 2),
        "bar": BAR,
        "met": bool(curve.rows[-1]["nats"] < BAR),
    }


def markdown(result: dict) -> str:
    last = result["curve"][-1]
    lines = [
        "# What a small VAE reaches in three minutes",
        "",
        "`make bench` writes this page and `vae.json`. 784-400-20-400-784, Bernoulli, on MNIST made bits; the negative",
        f"ELBO in nats on the {result['test']:,} images of the test set, each made bits once and coded with one draw.",
        f"Training on {result['train']:,} images, {result['epochs']} epochs of batches of {BATCH}, tracing included.",
        "",
        "| seconds | updates | -ELBO, nats | s.e. |",
        "|---|---|---|---|",
        *(f"| {r['seconds']} | {r['updates']} | {r['nats']} | {r['standard_error']} |" for r in result["curve"]),
        "",
        f"The bar: below {result['bar']:.0f} nats after {SECONDS:.0f} seconds. {last['nats']}: "
        + ("met." if result["met"] else "**not met.**"),
        f"On images it learned from: {result['nats_train']}. On the first {WEIGHED:,} of the test set: "
        f"{result['nats_weighed_images']},",
        f"and {result['importance_weighted']} by the importance-weighted bound of {DRAWS} draws.",
    ]
    versions = ", ".join(f"{name} {version}" for name, version in commands.versions().items())
    return "\n".join([*lines, "", f"{versions}; {platform.machine()}, {commands.device()}.", ""])


if __name__ == "__main__":
    main()
