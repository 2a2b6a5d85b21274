"""The folder of a study: what it was asked for, and what it has finished.

study.json              the settings, which a later run must repeat; written first
models/KEY.keras, .json trained models, see `lab.Lab`
experiments/NAME.json   rows, facts and seconds of a finished experiment; NAME.npz its arrays
figures/                pictures
report.json, report.html
"""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from dgm_tfp import output
from dgm_tfp.errors import InputError
from dgm_tfp.study.experiment import Outcome


def check(out: Path, settings: dict[str, Any]) -> None:
    """Refuses a folder that holds something else than this study, or this study with other settings.

    Raises:
      InputError: says which setting differs, and how.
    """
    if not (out / "study.json").is_file():
        if out.is_dir() and any(out.iterdir()):
            raise InputError(f"{out} is not empty and holds no study. Choose another --out.")
        return
    held = _read(out / "study.json")
    for name, value in settings.items():
        if held.get(name) != value:
            raise InputError(
                f"{out} holds a study with another {name}: {held.get(name)!r} there, {value!r} here. "
                "Choose another --out, or the same settings."
            )


def begin(out: Path, settings: dict[str, Any]) -> None:
    """Writes the settings, after `check`."""
    output.write_json(output.writable_folder(out) / "study.json", settings)
    for folder in ("experiments", "figures"):
        output.writable_folder(out / folder)


def save(out: Path, name: str, outcome: Outcome, seconds: float, absent: list[str]) -> None:
    """Keeps a finished experiment. Its JSON file is written last: where it is, everything is."""
    with output.whole(out / "experiments" / f"{name}.npz") as part:
        np.savez_compressed(part, allow_pickle=False, **outcome.arrays)
    value = {"seconds": round(seconds, 2), "missing": absent, "facts": dict(outcome.facts), "rows": outcome.rows}
    output.write_json(out / "experiments" / f"{name}.json", value)


def finished(out: Path, name: str) -> tuple[Outcome, float, list[str]] | None:
    """The outcome of a finished experiment, its seconds, and the sets that it did not have; or None."""
    path = out / "experiments" / f"{name}.json"
    if not path.is_file():
        return None
    held = _read(path)
    try:
        with np.load(path.with_suffix(".npz")) as arrays:
            outcome = Outcome(held["rows"], dict(arrays), held["facts"])
        return outcome, held["seconds"], held["missing"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None  # damaged: run again


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {' '.join(str(error).split())}. Choose another --out.") from error
