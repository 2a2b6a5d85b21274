"""How near a flow comes to the truth in a minute: `python -m benchmarks.learning`, a part of `make bench`.

Points of a known density, so that the best possible log-likelihood is known too: minus the entropy. Writes
learning.json and learning.md.
"""

import json
import os
import platform
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from dgm_tfp import commands, models, training
from dgm_tfp.data import synthetic

FOLDER = Path(__file__).parent
SECONDS, BAR, NEW = 50.0, 0.05, 20_000
SPLINE = {"spline_bins": 32, "activation": "silu"}
RUNS = {  # the model, and how many points it learns from
    "MAF, affine": (lambda: models.MAF((2,), steps=8), 10_000),
    "RealNVP, spline": (lambda: models.RealNVP((2,), steps=4, coupling="spline", **SPLINE), 10_000),
    "MAF, spline": (lambda: models.MAF((2,), steps=2, transform="spline", **SPLINE), 10_000),
    "MAF, spline, more points": (lambda: models.MAF((2,), steps=2, transform="spline", **SPLINE), 100_000),
}


def main() -> None:
    rows = [learn(points, name) for points in synthetic.DENSITIES for name in RUNS]
    (FOLDER / "learning.json").write_text(json.dumps(rows, indent=2) + "\n")
    (FOLDER / "learning.md").write_text(markdown(rows))
    print(markdown(rows))


def learn(points: str, name: str) -> dict:
    build, count = RUNS[name]
    train, new = (draw(points, n, seed) for n, seed in ((count, 0), (NEW, 1)))
    model, schedule = build(), training.WarmUpCosine(3e-3)
    model.adapt(train)
    model.compile(optimizer=training.adam(schedule, weight_decay=0.1), jit_compile=True)
    budget = training.Budget(SECONDS, schedule)
    training.fit(model, training.batches(train, batch_size=512, seed=0), budget)
    nll, entropy = -model.log_prob(new, batch_size=5000), synthetic.entropy(points)
    return {
        "points": points,
        "model": name,
        "train": count,
        "seconds": round(budget.elapsed, 1),
        "updates": budget.step,
        "nll_train": round(-float(model.log_prob(train[:NEW], batch_size=5000).mean()), 3),
        "nll": round(float(nll.mean()), 3),
        "standard_error": round(float(nll.std() / np.sqrt(NEW)), 3),
        "entropy": round(entropy, 3),
        "gap": round(float(nll.mean()) - entropy, 3),
        "bar": BAR,
        "met": bool(nll.mean() - entropy <= BAR),
    }


def draw(points: str, n: int, seed: int) -> np.ndarray:
    return synthetic.SETS[points](n, np.random.default_rng(seed))[0].astype(np.float32)


def markdown(rows: list[dict]) -> str:
    lines = [
        "# What a minute of training reaches",
        "",
        f"`make bench` writes this table and `learning.json`. Nats on {NEW:,} new points, after {SECONDS:.0f} seconds",
        "of training, tracing included; the entropy is what no model can go below. On the points that a model",
        "learned from it can: that is overfitting.",
        "",
        "| points | model | examples | updates | -log p of these | of new ones | s.e. | entropy | gap | bar | met |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        keys = ("points", "model", "train", "updates", "nll_train", "nll", "standard_error", "entropy", "gap", "bar")
        values = [r[key] for key in keys]
        lines.append(f"| {' | '.join(map(str, values))} | {'yes' if r['met'] else '**no**'} |")
    versions = ", ".join(f"{name} {version}" for name, version in commands.versions().items())
    return "\n".join([*lines, "", f"{versions}; {platform.machine()}, {commands.device()}.", ""])


if __name__ == "__main__":
    main()
