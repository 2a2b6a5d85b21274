"""What the command line does once TensorFlow is there: `ood`, `data`, `version`."""

import argparse
import os
import platform
import sys
import threading
import time
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import psutil
import tensorflow as tf

import dgm_tfp
from dgm_tfp import bits, output, profiles, report, runs, training
from dgm_tfp import data as datasets
from dgm_tfp import ood as scores
from dgm_tfp.errors import InputError
from dgm_tfp.models import Decomposition, Flow, Generative, registry

ARCHITECTURE = ("levels", "steps", "filters", "coupling")  # options of `ood` that are the Glow's own
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
        print(f"{source.name:27} {source.note}")
    print(
        "\nTFDS prepares data in TFDS_DATA_DIR, or else in ~/tensorflow_datasets; --source tfds downloads them.\n"
        "Your own images: a .npz with x_train and x_test, or a .npy, bytes of shape (n, height, width, channels);\n"
        "or a folder of PNG or JPEG files, with a subfolder for each class or none, with train/ and test/ or without.\n"
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
    given = _given(args) if args.model else None
    names = {"train": args.train or (given.data if given else "fashion_mnist"), "test": args.test}
    size = args.resize or (given.size if given else None)
    sources = {role: datasets.resolve(name, args.source, size) for role, name in names.items()}
    fit_set, sets = _load(sources, profile.images)
    if given:
        model, budget = given.model, None
        sets = {role: _as_taken(images, model, args.model) for role, images in sets.items()}
        log_probs, parts = _log_probs(model, sets)  # first: what is wrong with the model shows only now
        out = output.writable_folder(Path(args.out))
    else:
        asked = {name: getattr(args, name) for name in ARCHITECTURE}
        options = {name: value for name, value in asked.items() if value}
        model = registry.build("glow", "images", fit_set.shape[1:], profile, options, args.seed)
        if stop.is_set():
            print("dgm-tfp: interrupted before training; nothing was written", file=sys.stderr)
            return True
        out = output.writable_folder(Path(args.out))
        budget = _train(model, fit_set, profile, args, stop)
        log_probs, parts = _log_probs(model, sets)
    ours = isinstance(model, Generative)
    result = {
        "train": names["train"],
        "test": names["test"],
        "titles": {role: source.title for role, source in sources.items()},
        "model": {
            **(model.get_config() if ours else {}),
            "name": type(model).__name__,
            "weights": model.count_params() if isinstance(model, keras.Model) else None,
            "path": args.model,
        },
        "profile": profile.name,
        "seed": args.seed,
        "partial": bool(budget and budget.spent < 1),
        "seconds": {"total": _seconds_since_start(), "training": budget.elapsed if budget else 0.0},
        "training_steps": budget.step if budget else 0,
        "training_images": len(fit_set) if budget else 0,
        "images": {role: len(images) for role, images in sets.items()},
        "resize": size,
        **_scores(log_probs, model.event_size if ours and model.bins else None, args.seed),
        "sources": {role: source.note for role, source in sources.items()},
        "versions": versions() | {"device": device()},
    }
    output.write_json(out / "report.json", result)  # first: a second Ctrl-C finds it written
    samples = model.sample(32, seed=args.seed).reshape(-1, *fit_set.shape[1:]) if ours and model.bins else None
    figures = report.write_figures(out, result, log_probs, parts, samples)
    if not given:
        model.save(out / "model.keras")
    result["seconds"]["total"] = _seconds_since_start()
    output.write_json(out / "report.json", result)
    report.write_html(out, result, figures)
    print(report.table(result))
    print(f"\nReport: {out / 'report.html'}")
    return result["partial"]


class Given(NamedTuple):
    """A trained model, the name of the data that it learned, and the size that they were brought to."""

    model: Any
    data: str
    size: tuple[int, int] | None


def _given(args: argparse.Namespace) -> Given:
    """The model of --model; what it was trained on is told by the folder of our commands, or by --train."""
    for name in ("minutes", *ARCHITECTURE):
        if getattr(args, name):
            raise InputError(
                f"--{name} is for training, and the model in {args.model} is trained. Leave one of the two out."
            )
    path = Path(args.model)
    if path.is_dir() and Path(args.out).resolve() == path.resolve():
        raise InputError(f"--out is {path}, the folder of the model, whose report would be lost. Choose another --out.")
    model = scores.load_model(path, getattr(args, "import"))
    told = runs.trained_on(path) if path.is_dir() else {}
    if not (args.train or told):
        raise InputError(f"{path} does not say what data it was trained on. Give --train NAME.")
    if args.train and args.train != told.get("data"):
        return Given(model, args.train, None)
    return Given(model, told["data"], tuple(told["resize"]) if told.get("resize") else None)


def _train(model: Flow, fit_set: np.ndarray, profile: profiles.Profile, args, stop: threading.Event) -> training.Budget:
    schedule = training.WarmUpCosine()
    budget = training.Budget(60 * (args.minutes or profile.minutes), schedule, progress=not args.quiet, stop=stop)
    model.adapt(fit_set)
    model.compile(optimizer=training.adam(schedule))
    batches = training.batches(fit_set, min(profile.batch_size, len(fit_set)), args.seed)
    training.fit(model, batches, budget)
    if budget.spent < 1:
        print("interrupted: writing the report of the model so far (again to give up)", file=sys.stderr)
    return budget


def _as_taken(images: np.ndarray, model: Any, path: str) -> np.ndarray:
    """The images as a model of ours takes them, a vector each where it is one of vectors; else as they are."""
    if not isinstance(model, Generative):
        return images
    if model.event_size != images[0].size:
        raise InputError(
            f"{path} models examples of shape {model.event_shape}, the images are {images.shape[1:]}. "
            "Choose data of that shape, or --resize HxW."
        )
    return images.reshape(-1, *model.event_shape)


def _log_probs(
    model: Any, sets: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, Decomposition] | None]:
    """log p of each set, and under a flow its two parts."""
    if isinstance(model, Flow):
        parts = {role: model.decompose(images) for role, images in sets.items()}
        return {role: part.log_prob for role, part in parts.items()}, parts
    return {role: scores.log_prob(model, images) for role, images in sets.items()}, None


def _scores(log_probs: dict[str, np.ndarray], event_size: int | None, seed: int) -> dict:
    """Means of each set, and the AUROC of telling "ood" from "test" by low likelihood.

    Bits per dimension only where `event_size` is known: somebody's own model may measure x in other units than bytes.
    """
    means = {role: scores.mean(values)._asdict() for role, values in log_probs.items()}
    result = {"log_prob": means, "auroc": scores.auroc(log_probs["test"], log_probs["ood"], seed=seed)._asdict()}
    if not event_size:
        return result
    bpd = {role: scores.mean(bits.bits_per_dim(values, event_size)) for role, values in log_probs.items()}
    return {"bits_per_dim": {role: value._asdict() for role, value in bpd.items()}, **result}


def _load(sources: dict[str, datasets.Source], images: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The images to fit, and `images` of each of train, test and ood to measure."""
    for role, source in sources.items():
        print(f"{role}: {source.name}, {source.note}", file=sys.stderr)
    other = "test" if sources["train"].is_called(sources["test"].name) else "other"
    fit_set, test, ood_set = (
        datasets.as_images(sources[role].load(split).images, f"{sources[role].name} ({split})")
        for role, split in (("train", "train"), ("train", "test"), ("test", other))
    )
    train_name, test_name = sources["train"].name, sources["test"].name
    for name, found in ((f"{train_name} (test)", test), (test_name, ood_set)):
        if fit_set.shape[1:] != found.shape[1:]:
            raise InputError(
                f"{train_name} has images of {fit_set.shape[1:]}, {name} of {found.shape[1:]}. "
                "Choose two data sets of one size, or --resize HxW."
            )
    sets = {"train": fit_set[:images], "test": test[:images], "ood": ood_set[:images]}
    for role, measured in sets.items():
        if len(measured) < 2:
            name = test_name if role == "ood" else f"{train_name} ({role})"
            raise InputError(f"{name} has one image to measure; a standard error needs 2 or more. Give more images.")
    return fit_set, sets


def _seconds_since_start() -> float:
    """Since the process began: what the person waited, imports included."""
    return time.time() - psutil.Process().create_time()
