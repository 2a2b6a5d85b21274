"""A model from a file: of ours, of Keras, or a SavedModel of whatever program."""

import importlib
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dgm_tfp.errors import InputError

REPORTED = "model.keras"  # in the folders of `dgm-tfp train` and `dgm-tfp ood`
SIGNATURES = ("log_prob", "serving_default")


class SavedModel:
    """A SavedModel with a function or a signature `log_prob`, or the signature "serving_default" of `model.export`.

    Args:
      path: its folder.

    Raises:
      InputError: it cannot be read, or has neither.
    """

    def __init__(self, path: Path):
        try:
            self.loaded = tf.saved_model.load(str(path))  # kept: it owns the variables
        except Exception as error:  # TensorFlow raises many types for a folder that is not whole
            raise InputError(f"the SavedModel in {path} cannot be read: {_one_line(error)}") from error
        functions = getattr(getattr(self.loaded, "log_prob", None), "concrete_functions", None)
        found = next((name for name in SIGNATURES if name in self.loaded.signatures), None)
        if not functions and not found:
            raise InputError(
                f"the SavedModel in {path} has no log_prob; its signatures are {sorted(self.loaded.signatures)}. "
                "Save it with signatures={'log_prob': a tf.function from examples to nats (n,)}."
            )
        self.function = functions[0] if functions else self.loaded.signatures[found]

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """log p(x) in nats (n,), x in the type that the function takes: bytes become the numbers 0..255."""
        arguments, named = self.function.structured_input_signature
        specs = tf.nest.flatten((arguments, named))
        if len(specs) != 1:
            raise InputError(f"log_prob of the SavedModel takes {len(specs)} arguments; expected one, the examples.")
        if not specs[0].shape.is_compatible_with(x.shape):  # TensorFlow does not look, and would broadcast
            raise InputError(f"log_prob of the SavedModel takes the shape {tuple(specs[0].shape)}, got {x.shape}.")
        result = self.function(**{next(iter(named)): x}) if named else self.function(x)
        return tf.nest.flatten(result)[0].numpy()


def load_model(path: Path, imports: str | None = None) -> Any:
    """What `log_prob` can score with, from a file.

    Args:
      path: a `.keras` file, the folder of a run or a report of ours, or the folder of a SavedModel.
      imports: a module, in the working folder or installed, to import first: it registers the classes that the file
        holds (`keras.saving.register_keras_serializable`).
    """
    if imports:
        _import(imports)
    if path.is_dir() and (path / REPORTED).is_file():
        path = path / REPORTED
    elif path.is_dir() and (path / "saved_model.pb").is_file():
        return SavedModel(path)
    if not path.is_file():
        raise InputError(
            f"there is no model in {path}; expected a .keras file, a folder of dgm-tfp train or ood, or a SavedModel."
        )
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # the file, its classes, their constructors: each with its own type
        hint = "" if imports else " If its class is your own, give --import MODULE."
        raise InputError(f"{path} cannot be read as a Keras model: {_one_line(error)}{hint}") from error


def _import(name: str) -> None:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # a program's own folder is there, the one it is called in is not
    try:
        importlib.import_module(name.removesuffix(".py"))
    except Exception as error:  # somebody else's code
        raise InputError(f"--import {name}: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
