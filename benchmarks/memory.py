"""Memory of a training step of Glow against its depth, with memory="store" and "recompute": memory.json and memory.md.

    python -m benchmarks.memory              # everything: about ten minutes
    python -m benchmarks.memory time         # one part anew, the others as they are in memory.json

Each number is measured in a process of its own. The peak of a step is how far the resident memory rises (Linux: VmHWM
of /proc/self/status, set back before the step through clear_refs) above what it was after a step with one image, when
the weights, the optimizer and the graph, which TensorFlow optimizes on its first run, are there already.
"""

import ctypes
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from benchmarks import memory_page
from dgm_tfp import commands, models, training

FOLDER = Path(__file__).parent
SHAPE, LEVELS, FILTERS, BATCH = (32, 32, 3), 3, 64, 64
DEPTHS, TIMED_DEPTHS, XLA_DEPTHS, MODES = (4, 8, 16, 32), (8, 16), (4, 8), memory_page.MODES
WARM_UP, ROUNDS = 5, 25
TRAINED = 100  # steps of training before the gradients are compared the second time
PARTS = {
    "peak": lambda: {mode: [measured("peak", mode, depth) for depth in DEPTHS] for mode in MODES},
    "time": lambda: [measured("time", depth) for depth in TIMED_DEPTHS],
    "xla": lambda: {mode: [measured("xla", mode, depth) for depth in XLA_DEPTHS] for mode in MODES},
    "gradients": lambda: measured("gradients", DEPTHS[-1]),
}


def main(names: list[str]) -> None:
    path = FOLDER / "memory.json"
    result = json.loads(path.read_text()) if names else {}
    result |= {name: PARTS[name]() for name in names or PARTS} | {"versions": commands.versions()}
    result["setting"] = f"Glow 32x32x3, levels {LEVELS}, filters {FILTERS}, batch {BATCH}"
    result["machine"] = f"{platform.machine()}, {commands.device()}"
    path.write_text(json.dumps(result, indent=2) + "\n")
    (FOLDER / "memory.md").write_text(memory_page.markdown(result))
    print(memory_page.markdown(result))


def measured(*arguments) -> dict:
    """What a fresh process with these arguments prints on its last line."""
    command = [sys.executable, "-m", "benchmarks.memory", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        flags = f"--xla_dump_to={folder} --xla_dump_hlo_as_text --xla_dump_hlo_module_re=.*train.*"
        environment = {**os.environ, "XLA_FLAGS": flags, "XLA_REPORTS": folder}
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    print(*arguments, output.splitlines()[-1], flush=True)
    return json.loads(output.splitlines()[-1])


def measure_peak(mode: str, depth: str) -> dict:
    start = resident()
    model = glow(mode, int(depth))
    train = training_step(model)
    built = resident()
    train(images(1)).numpy()
    before, batch = resident(), images(BATCH)
    Path("/proc/self/clear_refs").write_text("5")
    train(batch).numpy()
    highest = status("VmHWM")
    values = {"model": built - start, "graph": before - built, "step": highest - before, "process": highest}
    copies = 4  # the weights, their gradients, Adam's two moments
    values["weights"] = copies * 4 * model.count_params() / 2**20
    return {"steps": int(depth), **{f"{name}_mb": round(value, 1) for name, value in values.items()}}


def measure_xla(mode: str, depth: str) -> dict:
    """What a step compiled by XLA takes, by the compiler's report: it lays out all memory beforehand."""
    training_step(glow(mode, int(depth)), jit_compile=True)(images(BATCH)).numpy()
    (report,) = Path(os.environ["XLA_REPORTS"]).glob("*memory-usage-report.txt")
    total = re.match(r"Total bytes used: (\d+)", report.read_text())[1]
    return {"steps": int(depth), "step_mb": round(int(total) / 2**20, 1)}


def measure_time(depth: str) -> dict:
    steps = {mode: training_step(glow(mode, int(depth))) for mode in MODES}
    batch, times = images(BATCH), {mode: [] for mode in MODES}
    for _ in range(WARM_UP + ROUNDS):
        for mode, step in steps.items():
            start = time.perf_counter()
            step(batch).numpy()
            times[mode].append(1000 * (time.perf_counter() - start))
    store, recompute = (times[mode][WARM_UP:] for mode in MODES)
    ratio = median(a / b for a, b in zip(recompute, store, strict=True))
    return {
        "steps": int(depth),
        "store_ms": round(median(store), 1),
        "recompute_ms": round(median(recompute), 1),
        "ratio": round(ratio, 3),
    }


def measure_gradients(depth: str) -> dict:
    """Norms of differences of gradients relative to the norm of the gradient, over a batch.

    Of all weights as one vector, and the greatest and the median of the weights' own. Beside them what float32 costs
    "store", and what bfloat16 costs both, against float64.
    """
    model = glow("store", int(depth))
    train, x, result = training_step(model), images(BATCH), {}
    for moment in ("adapted", "trained"):
        for seed in range(TRAINED if moment == "trained" else 0):
            train(images(16, seed))
        found = {}
        for mode, dtype in ((m, d) for d in ("float32", "float64", "mixed_bfloat16") for m in MODES):
            other = models.Glow(SHAPE, LEVELS, int(depth), FILTERS, memory=mode, dtype=dtype)
            other.set_weights(model.get_weights())
            found[mode, dtype] = gradient(other, x)
        exact = found["store", "float64"]
        result[moment] = {
            "float32": difference(found["recompute", "float32"], found["store", "float32"]),
            "float64": difference(found["recompute", "float64"], exact),
            "store, float32 against float64": difference(found["store", "float32"], exact),
            "store, bfloat16 against float64": difference(found["store", "mixed_bfloat16"], exact),
            "recompute, bfloat16 against float64": difference(found["recompute", "mixed_bfloat16"], exact),
        }
    return {"steps": int(depth), "trained_steps": TRAINED, **result}


def gradient(model: models.Glow, x: tf.Tensor) -> list[np.ndarray]:
    @tf.function(autograph=False)
    def function():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(model.distribution.log_prob(tf.cast(x, model.variable_dtype) + 0.5))
        return tape.gradient(loss, [weight.value for weight in model.trainable_variables])

    return [np.asarray(value, np.float64) for value in function()]


def difference(ours: list[np.ndarray], theirs: list[np.ndarray]) -> dict:
    apart = np.array([np.linalg.norm(a - b) for a, b in zip(ours, theirs, strict=True)])
    norms = np.array([np.linalg.norm(b) for b in theirs])
    own = apart[norms > 0] / norms[norms > 0]  # before training the last layer of a coupling is zero
    whole = np.linalg.norm(apart) / np.linalg.norm(norms)
    return {"whole": float(whole), "greatest": float(own.max()), "median": float(np.median(own))}


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


def training_step(model: models.Glow, jit_compile: bool = False):
    optimizer = training.adam()
    optimizer.build(model.trainable_variables)

    signature = [tf.TensorSpec((None, *SHAPE), tf.uint8)]

    @tf.function(autograph=False, input_signature=signature, jit_compile=jit_compile)
    def train(x):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(model(x, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return train


def resident() -> float:
    """In MB, once what was freed has gone back to the system: it is counted when it is used again."""
    ctypes.CDLL(None).malloc_trim(0)
    return status("VmRSS")


def status(name: str) -> float:
    """In MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


if __name__ == "__main__":
    name, *arguments = sys.argv[1:] or [""]
    if arguments and name in PARTS and arguments[-1].isdigit():
        measure = {"peak": measure_peak, "xla": measure_xla, "time": measure_time, "gradients": measure_gradients}[name]
        print(json.dumps(measure(*arguments)))
    else:
        main(sys.argv[1:])
