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
from dgm_tfp import data as datasets
from dgm_tfp import ood as scores
from dgm_tfp import profiles, report, training
from dgm_tfp.errors import InputError
from dgm_tfp.models.glow import Glow, most_levels

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
        "Your own images: a .npz with x_train and x_test, or a .npy, bytes of shape (n, height, width, channels)."
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
    sets = _load(sources, profile.images)
    model = Glow(
        sets["train"].shape[1:],
        levels=args.levels or max(1, min(3, most_levels(sets["train"].shape[1:]))),
        steps=args.steps or profile.steps,
        filters=args.filters or profile.filters,
        coupling=args.coupling,
        seed=args.seed,
    )
    out = report.writable_folder(Path(args.out))
    if stop.is_set():
        print("dgm-tfp: interrupted before training; nothing was written", file=sys.stderr)
        return True

    fit_set = sets.pop("fit")
    schedule = training.WarmUpCosine()
    seconds = 60 * (args.minutes or profile.minutes)
    budget = training.Budget(seconds, schedule, progress=not args.quiet, stop=stop)
    model.adapt(fit_set)
    model.compile(optimizer=training.adam(schedule))
    batches = tf.data.Dataset.from_tensor_slices(fit_set).shuffle(len(fit_set), seed=args.seed).repeat()
    model.fit(
        batches.batch(profile.batch_size).prefetch(2),
        steps_per_epoch=10**9,
        shuffle=False,
        verbose=0,
        callbacks=[budget],
    )
    partial = stop.is_set()
    if partial:
        print("interrupted: writing the report of the model so far (again to give up)", file=sys.stderr)

    parts = {role: model.decompose(images) for role, images in sets.items()}
    log_probs = {role: part.log_p_z + part.log_volume for role, part in parts.items()}
    if not all(np.isfinite(values).all() for values in log_probs.values()):
        raise InputError(f"training diverged after {budget.step} steps: log p(x) is not finite. Try fewer --steps.")
    bpd = {role: scores.mean(dgm_tfp.bits.bits_per_dim(values, model.event_size)) for role, values in log_probs.items()}
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
        "bits_per_dim": {role: value._asdict() for role, value in bpd.items()},
        "auroc": scores.auroc(log_probs["test"], log_probs["ood"], seed=args.seed)._asdict(),
        "sources": {role: source.note for role, source in sources.items()},
        "versions": versions() | {"device": device()},
    }
    report.write_json(out, result)  # first: a second Ctrl-C finds it written
    report.write_figures(out, result, parts, model.sample(32, seed=args.seed))
    model.save(out / "model.keras")
    result["seconds"]["total"] = _seconds_since_start()
    report.write_json(out, result)
    report.write_html(out, result)
    print(report.table(result))
    print(f"\nReport: {out / 'report.html'}")
    return partial


def _load(sources: dict[str, datasets.Source], images: int) -> dict[str, np.ndarray]:
    """The images to fit, and `images` of each of train, test and ood."""
    for role, source in sources.items():
        print(f"{role}: {source.name}, {source.note}", file=sys.stderr)
    fit_set = datasets.as_images(sources["train"].load("train").images, f"{sources['train'].name} (train)")
    test = datasets.as_images(sources["train"].load("test").images, f"{sources['train'].name} (test)")
    ood_set = datasets.as_images(sources["test"].load("test").images, f"{sources['test'].name} (test)")
    size, other = fit_set.shape[1:], ood_set.shape[1:]
    if size != other:
        raise InputError(
            f"{sources['train'].name} has images of {size}, {sources['test'].name} of {other}. "
            "Choose two data sets of one size."
        )
    return {"fit": fit_set, "train": fit_set[:images], "test": test[:images], "ood": ood_set[:images]}


def _seconds_since_start() -> float:
    """Since the process began: what the person waited, imports included."""
    return time.time() - psutil.Process().create_time()
