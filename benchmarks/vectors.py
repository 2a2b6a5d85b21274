"""MAF and Real-NVP for vectors of 63 dimensions, 5 layers of 2 x 512, against zuko, nflows, normflows and TFP."""

import keras
import numpy as np

from benchmarks.interleave import rounds
from benchmarks.own import programs
from benchmarks.peers import Peers, fastest_mode
from benchmarks.table import against_the_fastest, row
from dgm_tfp import models

SIZES = {"dims": 63, "steps": 5, "hidden": (512, 512)}
BATCH, ROUNDS = 1024, 24
SLOW_ROUNDS = 20  # of what takes seconds
TORCH = ("eager", "fused Adam", "torch.compile")
LIBRARIES = {"zuko": TORCH, "nflows": TORCH, "normflows": TORCH, "TFP": ("graph", "XLA")}
MODELS = {"maf": models.MAF, "real_nvp": models.RealNVP}
BARS = {"maf": {"train": 0.8, "log_prob": 0.8, "sample": 0.1}, "real_nvp": {"train": 0.9, "sample": 0.9}}


def rows(model: str) -> tuple[list[dict], dict]:
    """The rows of "maf" or "real_nvp", and an account of the peers."""
    x = examples(SIZES["dims"], BATCH)
    modes = {}
    for mode in ("default", "XLA"):
        ours = MODELS[model](event_shape=(SIZES["dims"],), steps=SIZES["steps"], hidden=SIZES["hidden"])
        modes[mode] = programs(ours, x, BATCH, keras.optimizers.Adam(1e-4), xla=mode == "XLA")
    account: dict = {"parameters": ours.count_params(), "tried": {}, "chosen": {}, "failed": {}}
    result = []
    with Peers(model, SIZES, x, ours.count_params(), LIBRARIES) as peers:
        for action, bar in BARS[model].items():
            working = {mode: actions[action] for mode, actions in modes.items() if action in actions}
            own = fastest_mode(working, action, account, title=f"ours {model} {action}, its modes")
            slow = (model, action) == ("maf", "sample")
            best = peers.best(action, trials=1 if slow else 5)
            title = f"{type(ours).__name__} {action}"
            times = rounds({"ours": own, **best}, SLOW_ROUNDS if slow else ROUNDS, warmup=1 if slow else 3, title=title)
            name = f"{type(ours).__name__} D={SIZES['dims']}, {SIZES['steps']} layers of 2x512, batch {BATCH}: {action}"
            if model == "real_nvp":  # a row of its own for TFP, which multiplies matrices by the same code as ours
                result.append(row(name, times["ours"], "TFP", times.pop("TFP"), bar))
            result.append(against_the_fastest(name, times, bar))
        return result, {"ours": account, **peers.account}


def examples(dims: int, batch: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(batch, dims)).astype(np.float32)
