"""The folder of a training run: settings, state, history. What `dgm-tfp train` writes, goes on from, and reads.

config.json       the settings, the model's architecture, the data, the versions; written first
checkpoints/      step-NNNNNNNN.npz: weights, states of random generators, optimizer, step, seconds
model.keras       the model as of the last checkpoint
history.csv       step, seconds, the loss and the model's metrics, learning rate: every `training.RECENT_STEPS` steps
logs/             the same for TensorBoard
"""

import csv
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dgm_tfp import output, training
from dgm_tfp.errors import InputError
from dgm_tfp.models import Generative

CONFIG, MODEL, HISTORY = "config.json", "model.keras", "history.csv"
REPORT = "report.json"  # of `dgm-tfp ood`, whose folder holds a model too
CHECKPOINT_SECONDS = 20.0  # at most so much training is lost with a killed process, and the step that was under way

# What a run needs to go on; `read_config` refuses a file without it.
KEYS = {"settings", "options", "architecture", "examples", "batch_size", "peak"}


def check_new(path: Path) -> None:
    """Refuses a folder that holds something."""
    if path.is_dir() and any(path.iterdir()):
        raise InputError(f"{path} is not empty. Choose another --out, or go on with the run in it: --resume.")


def read_config(path: Path) -> dict[str, Any]:
    """config.json of a run."""
    try:
        config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} holds no run of dgm-tfp train: there is no {CONFIG} in it.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path / CONFIG} cannot be read: {' '.join(str(error).split())}.") from error
    if not isinstance(config, dict) or not config.keys() >= KEYS:
        raise InputError(f"{path / CONFIG} was not written by dgm-tfp train: it needs {', '.join(sorted(KEYS))}.")
    return config


def load_model(path: Path) -> Generative:
    """The trained model of a folder: of a run, or of a report of `dgm-tfp ood`."""
    if not (path / MODEL).is_file():
        if (path / CONFIG).is_file():
            raise InputError(f"{path} has no {MODEL} yet: its training was cut off. Go on with dgm-tfp train --resume.")
        raise InputError(f"{path} holds no trained model: there is no {MODEL} in it.")
    try:
        model = keras.saving.load_model(path / MODEL, compile=False)
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path / MODEL} cannot be read: {' '.join(str(error).split())[:300]}") from error
    if not isinstance(model, Generative):
        raise InputError(f"{path / MODEL} is a {type(model).__name__}; expected a model of dgm_tfp.")
    return model


def trained_on(path: Path) -> dict[str, Any]:
    """The "data" of a run's or a report's training and their "resize"; empty where the folder does not say."""
    if (path / CONFIG).is_file():
        settings = read_config(path)["settings"]
        return {"data": settings["data"], "resize": settings.get("resize")}
    try:
        report = json.loads((path / REPORT).read_text(encoding="utf-8"))
        return {"data": report["train"], "resize": report.get("resize")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def save_state(path: Path, model: Generative, budget: training.Budget) -> None:
    """Writes a checkpoint and model.keras; of the checkpoints the last two are kept."""
    folder = output.writable_folder(path / "checkpoints")
    arrays = {f"{i:05}": variable.numpy() for i, variable in enumerate(_state(model))}
    with output.whole(folder / f"step-{budget.step:08}.npz") as part:
        np.savez(part, step=budget.step, elapsed=budget.elapsed, **arrays)
    for old in _checkpoints(path)[:-2]:
        old.unlink(missing_ok=True)
    with output.whole(path / MODEL) as part:
        model.save(part)


def restore_state(path: Path, model: Generative) -> tuple[int, float]:
    """Brings a compiled model to the newest checkpoint. Returns its step and seconds: zeros where there is none."""
    for checkpoint in reversed(_checkpoints(path)):
        try:
            with checkpoint.open("rb") as file, np.load(file) as arrays:
                values = [arrays[name] for name in sorted(set(arrays) - {"step", "elapsed"})]
                step, elapsed = int(arrays["step"]), float(arrays["elapsed"])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            continue  # damaged; the one before it may be whole
        variables = _state(model)
        if [tuple(variable.shape) for variable in variables] != [value.shape for value in values]:
            raise InputError(f"{checkpoint} does not fit the model of this version. Train anew, in another --out.")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return step, elapsed
    if _checkpoints(path):
        raise InputError(f"no checkpoint in {path / 'checkpoints'} can be read. Train anew, in another --out.")
    return 0, 0.0


def _checkpoints(path: Path) -> list[Path]:
    return sorted(path.glob("checkpoints/step-" + "[0-9]" * 8 + ".npz"))


def _state(model: Generative) -> list[keras.Variable]:
    """All that the next step depends on. `variables` holds the states of the seed generators, which `save` forgets."""
    model.build_optimizers()
    return [*model.variables, *(variable for optimizer in model.optimizers for variable in optimizer.variables)]


class Journal(keras.callbacks.Callback):
    """Writes history.csv and TensorBoard's logs while `fit` runs, and a checkpoint from time to time and at its end.

    Args:
      path: the folder of the run.
      budget: the callback before this one: it knows the step and the time.
    """

    def __init__(self, path: Path, budget: training.Budget):
        super().__init__()
        self.path, self.budget = path, budget

    def on_train_begin(self, logs=None):
        _cut_history(self.path / HISTORY, self.budget.step)
        self.writer = tf.summary.create_file_writer(str(self.path / "logs"))
        self.saved_at = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if self.budget.step % training.RECENT_STEPS == 0 or self.model.stop_training:
            self._record(logs)
        if time.monotonic() - self.saved_at >= CHECKPOINT_SECONDS:
            self._save()

    def on_train_end(self, logs=None):
        self._save()
        self.writer.close()

    def _save(self) -> None:
        if all(np.isfinite(weight).all() for weight in self.model.get_weights()):  # else the last one is better
            save_state(self.path, self.model, self.budget)
        self.saved_at = time.monotonic()

    def _record(self, logs) -> None:
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        measured = {name: logs[name] for name in ("loss", *sorted(logs.keys() - {"loss"}))} | {"learning_rate": rate}
        row = {"step": self.budget.step, "seconds": round(self.budget.elapsed, 3)} | measured
        with (self.path / HISTORY).open("a", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, row)
            if file.tell() == 0:
                table.writeheader()
            table.writerow(row)
        with self.writer.as_default():
            for name, value in measured.items():
                _write_scalar(name, value, self.budget.step)


def _cut_history(path: Path, step: int) -> None:
    """Drops the rows after `step`, which the run goes through again, and a last row that was not written whole."""
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = list(csv.reader(file)) or [[]]
    kept = [row for row in rows if len(row) == len(head) and row[0].isdecimal() and int(row[0]) <= step]
    with output.whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *kept] if kept else [])


def _write_scalar(name: str, value: float, step: int) -> None:
    """`tf.summary.scalar` without the package tensorboard, which TensorFlow needs for it and does not bring along."""
    plugin = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
    metadata = tf.compat.v1.SummaryMetadata(plugin_data=plugin, data_class=1)  # DATA_CLASS_SCALAR
    tf.summary.write(name, tf.constant(value, tf.float32), step=step, metadata=metadata)
