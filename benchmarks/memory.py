"""Memory of a training step of Glow against its depth, with memory="store" and "recompute": memory.json and memory.md.

The peak of each depth and mode is measured in a process of its own: how far the resident memory rises during a step
(Linux: VmHWM of /proc/self/status, set back before the step through clear_refs) above what it was after a step with
one image, so that the weights, the optimizer and the traced graph are there already.
"""

import ctypes
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from benchmarks.run import interleaved
from dgm_tfp import commands, models, training

FOLDER = Path(__file__).parent
SHAPE, LEVELS, FILTERS, BATCH = (32, 32, 3), 3, 64, 64
DEPTHS, MODES = (4, 8, 16, 32), ("store", "recompute")
TRAINED = 100  # steps of training before the gradients are compared the second time
BARS = {"slope": 0.25, "time": 1.5, "gradients": 1e-4}


def main() -> None:
    peaks = {mode: [measured("peak", mode, depth) for depth in DEPTHS] for mode in MODES}
    result = {
        "peaks": peaks,
        "slope_mb_per_step": {mode: round(slope([peak["step_mb"] for peak in peaks[mode]]), 2) for mode in MODES},
        "time": [measured("time", depth) for depth in (8, 16)],
        "gradients": measured("gradients", DEPTHS[-1]),
        "versions": commands.versions(),
    }
    (FOLDER / "memory.json").write_text(json.dumps(result, indent=2) + "\n")
    (FOLDER / "memory.md").write_text(markdown(result))
    print(markdown(result))


def measured(*arguments) -> dict:
    """What a fresh process with these arguments prints on its last line."""
    command = [sys.executable, "-m", "benchmarks.memory", *map(str, arguments)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    print(*arguments, output.splitlines()[-1], flush=True)
    return json.loads(output.splitlines()[-1])


def slope(values: list[float]) -> float:
    """Of the least-squares line through the values against the depths."""
    return float(np.polyfit(DEPTHS, values, 1)[0])


def peak(mode: str, depth: str) -> dict:
    train = training_step(glow(mode, int(depth)))
    train(images(1))
    batch = images(BATCH)
    ctypes.CDLL(None).malloc_trim(0)  # what was freed goes back to the system, and is counted when it is used again
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    train(batch).numpy()
    highest = resident("VmHWM")
    return {"steps": int(depth), "step_mb": round(highest - before, 1), "process_mb": round(highest, 1)}


def time(depth: str) -> dict:
    steps = {mode: training_step(glow(mode, int(depth))) for mode in MODES}
    batch = images(BATCH)
    times = interleaved({mode: lambda step=step: step(batch) for mode, step in steps.items()})
    ratio = median(a / b for a, b in zip(times["recompute"], times["store"], strict=True))
    return {"steps": int(depth), **{f"{mode}_ms": round(median(times[mode]), 1) for mode in MODES}, "ratio": ratio}


def gradients(depth: str) -> dict:
    """The greatest norm of a weight's difference, relative to the norm of its gradient, and the median one."""
    model = glow("store", int(depth))
    x = images(8)

    def compiled(mode):
        def gradient(x):
            model.memory = mode
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(model(x))
            return tape.gradient(loss, model.trainable_variables)

        return tf.function(gradient, autograph=False)

    gradients, train, errors = {mode: compiled(mode) for mode in MODES}, training_step(model), {}
    for moment in ("adapted", "trained"):
        store, recompute = (gradients[mode](x) for mode in MODES)
        error = [relative(a, b) for a, b in zip(recompute, store, strict=True)]
        errors[moment] = {"greatest": max(error), "median": median(error)}
        model.memory = "store"
        for seed in range(TRAINED if moment == "adapted" else 0):
            train(images(16, seed))
    return {"steps": int(depth), "trained_steps": TRAINED, **errors}


def relative(a: tf.Tensor, b: tf.Tensor) -> float:
    difference = float(tf.norm(a - b))
    return difference / float(tf.norm(b)) if difference else 0.0  # both are zero behind a network that starts at zero


def glow(mode: str, depth: int) -> models.Glow:
    model = models.Glow(SHAPE, LEVELS, depth, FILTERS, memory=mode)
    model.adapt(images(64).numpy())
    return model


def images(n: int, seed: int = 0) -> tf.Tensor:
    """Smooth coloured noise: unlike white noise it has something to learn."""
    coarse = np.random.default_rng(seed).normal(size=(n, 8, 8, 3))
    noise = np.random.default_rng(seed + 1).normal(size=(n, *SHAPE))
    smooth = coarse.repeat(4, axis=1).repeat(4, axis=2)
    return tf.constant(np.clip(128 + 50 * smooth + 10 * noise, 0, 255).astype(np.uint8))


def training_step(model: models.Glow):
    optimizer = training.adam()
    optimizer.build(model.trainable_variables)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((None, *SHAPE), tf.uint8)])
    def train(x):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(model(x, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return train


def resident(name: str) -> float:
    """In MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def markdown(result: dict) -> str:
    slopes, worst = result["slope_mb_per_step"], result["gradients"]
    errors = {moment: worst[moment]["greatest"] for moment in ("adapted", "trained")}
    lines = [
        "# Memory of a training step",
        "",
        f"Glow 32x32x3, levels {LEVELS}, filters {FILTERS}, batch {BATCH}. `python -m benchmarks.memory` writes this",
        "and `memory.json`; it needs Linux. *Step*: how far resident memory rises during a training step, in MB.",
        "*Process*: its peak in that step, in MB, with the libraries and the traced graph, which grows with the depth",
        "in both modes: outside the step, and on the host where there is a GPU.",
        "",
        "| steps a level | store: step | recompute: step | store: process | recompute: process |",
        "|---|---|---|---|---|",
    ]
    for a, b in zip(*(result["peaks"][mode] for mode in MODES), strict=True):
        lines.append(f"| {a['steps']} | {a['step_mb']} | {b['step_mb']} | {a['process_mb']} | {b['process_mb']} |")
    ratio = slopes["recompute"] / slopes["store"]
    lines += ["", "| what | measured | bar | met |", "|---|---|---|---|"]
    rows = [
        (f"growth a step: {slopes['recompute']} MB against {slopes['store']} MB", ratio, "slope"),
        *(
            (f"time, steps {t['steps']}: {t['recompute_ms']} ms against {t['store_ms']} ms", t["ratio"], "time")
            for t in result["time"]
        ),
        (f"gradients, steps {worst['steps']}, adapted: greatest relative error", errors["adapted"], "gradients"),
        (f"the same after {worst['trained_steps']} steps of training", errors["trained"], "gradients"),
    ]
    lines += [f"| {w} | {v:.2g} | {BARS[b]} | {'yes' if v <= BARS[b] else '**no**'} |" for w, v, b in rows]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return "\n".join([*lines, "", f"{versions}; {platform.machine()}, {commands.device()}.", ""])


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        function = {"peak": peak, "time": time, "gradients": gradients}[sys.argv[1]]
        print(json.dumps(function(*sys.argv[2:])))
