"""What the command line does once TensorFlow is there: `ood`, `data`, `version`."""

import argparse
import os
import platform
import sys
import threading
import time
from importlib import metadata
from pathlib import Path

import keras
import numpy as np
import psutil
import tensorflow as tf

import dgm_tfp
from dgm_tfp import bits, output, profiles, report, training
from dgm_tfp import data as datasets
from dgm_tfp import ood as scores
from dgm_tfp.errors import InputError
from dgm_tfp.models import Decomposition, registry

PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "tf-keras", "numpy")


def versions() -> dict[str, str]:
    """Versions of this package, of Python and of what the numbers depend on."""
    own = {"dgm-tfp": dgm_tfp.__version__, "python": platform.python_version()}
    return own | {name: metadata.version(name) for name in PACKAGES}


def device() -> str:
    """The first GPU's name, or the CPU with its number of cores."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
    return f"CPU, {os.cpu_count()} cores"


def version() -> None:
    """Prints the versions and the device."""
    for name, number in versions().items():
        print(f"{name} {number}")
    print(f"device {device()}")


def data() -> None:
    """Prints every data set, where it comes from on this machine, and how to get the rest."""
    for source in datasets.available():
        print(f"{source.name:16} {source.note}")
    print(
        "\nTFDS prepares data in TFDS_DATA_DIR, or else in ~/tensorflow_datasets; --source tfds downloads them.\n"
        "Your own images: a .npz with x_train and x_test, or a .npy, bytes of shape (n, height, width, channels).\n"
        "Your own text: a .txt in UTF-8."
    )


def ood(args: argparse.Namespace, stop: threading.Event) -> bool:
    """The main job. Everything that can be wrong with the input is found before anything is written.

    Args:
      args: see `dgm_tfp_cli.parser`.
      stop: when it is set, training ends and the report is made of what there is.

    Returns:
      Whether it was interrupted.
    """
    profile = profiles.current(args.profile)
    keras.utils.set_random_seed(args.seed)
    sources = {role: datasets.resolve(getattr(args, role), args.source) for role in ("train", "test")}
    fit_set, sets = _load(sources, profile.images)
    asked = {name: getattr(args, name) for name in ("levels", "steps", "filters", "coupling")}
    model = registry.build(
        "glow", "images", fit_set.shape[1:], profile, {name: value for name, value in asked.items() if value}, args.seed
    )
    if stop.is_set():
        print("dgm-tfp: interrupted before training; nothing was written", file=sys.stderr)
        return True
    out = output.writable_folder(Path(args.out))

    schedule = training.WarmUpCosine()
    seconds = 60 * (args.minutes or profile.minutes)
    budget = training.Budget(seconds, schedule, progress=not args.quiet, stop=stop)
    model.adapt(fit_set)
    model.compile(optimizer=training.adam(schedule))
    training.fit(model, training.batches(fit_set, profile.batch_size, args.seed), budget)
    partial = budget.spent < 1
    if partial:
        print("interrupted: writing the report of the model so far (again to give up)", file=sys.stderr)

    parts = {role: model.decompose(images) for role, images in sets.items()}
    result = {
        "train": args.train,
        "test": args.test,
        "model": {**model.get_config(), "name": "Glow", "weights": model.count_params()},
        "profile": profile.name,
        "seed": args.seed,
        "partial": partial,
        "seconds": {"total": _seconds_since_start(), "training": budget.elapsed},
        "training_steps": budget.step,
        "training_images": len(fit_set),
        "images": {role: len(images) for role, images in sets.items()},
        **_scores(parts, model.event_size, args.seed),
        "sources": {role: source.note for role, source in sources.items()},
        "versions": versions() | {"device": device()},
    }
    output.write_json(out / "report.json", result)  # first: a second Ctrl-C finds it written
    report.write_figures(out, result, parts, model.sample(32, seed=args.seed))
    model.save(out / "model.keras")
    result["seconds"]["total"] = _seconds_since_start()
    output.write_json(out / "report.json", result)
    report.write_html(out, result)
    print(report.table(result))
    print(f"\nReport: {out / 'report.html'}")
    return partial


def _scores(parts: dict[str, Decomposition], event_size: int, seed: int) -> dict:
    """Bits per dimension of each set, and the AUROC of telling "ood" from "test" by low likelihood."""
    log_probs = {role: part.log_prob for role, part in parts.items()}
    bpd = {role: scores.mean(bits.bits_per_dim(values, event_size)) for role, values in log_probs.items()}
    return {
        "bits_per_dim": {role: value._asdict() for role, value in bpd.items()},
        "auroc": scores.auroc(log_probs["test"], log_probs["ood"], seed=seed)._asdict(),
    }


def _load(sources: dict[str, datasets.Source], images: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The images to fit, and `images` of each of train, test and ood to measure."""
    for role, source in sources.items():
        print(f"{role}: {source.name}, {source.note}", file=sys.stderr)
    fit_set, test, ood_set = (
        datasets.as_images(sources[role].load(split).images, f"{sources[role].name} ({split})")
        for role, split in (("train", "train"), ("train", "test"), ("test", "test"))
    )
    train_name, test_name = sources["train"].name, sources["test"].name
    if fit_set.shape[1:] != ood_set.shape[1:]:
        raise InputError(
            f"{train_name} has images of {fit_set.shape[1:]}, {test_name} of {ood_set.shape[1:]}. "
            "Choose two data sets of one size."
        )
    sets = {"train": fit_set[:images], "test": test[:images], "ood": ood_set[:images]}
    for role, measured in sets.items():
        if len(measured) < 2:
            name = test_name if role == "ood" else train_name
            raise InputError(f"{name} has one image to measure; a standard error needs 2 or more. Give more images.")
    return fit_set, sets


def _seconds_since_start() -> float:
    """Since the process began: what the person waited, imports included."""
    return time.time() - psutil.Process().create_time()
