"""What the command line does with any model: `train`, `sample`, `score`."""

import argparse
import csv
import hashlib
import json
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from dgm_tfp import commands, output, plots, profiles, runs, training
from dgm_tfp import data as datasets
from dgm_tfp import ood as scores
from dgm_tfp.errors import InputError
from dgm_tfp.models import CharRNN, Flow, Generative, registry

TITLES = {"log_prob": "log p(x), nats", "bits_per_dim": "bits/dim"}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
POINTS_BATCH = 512  # small models of few numbers: a batch of images' size would be all overhead
TEXT_BATCH = 32  # windows of many characters each


class Examples(NamedTuple):
    """A split of a data set, with labels (n,).

    It holds bytes (n, h, w, c) of kind "images", float32 (n, d) of kind "points", or integers (n, length) of kind
    "text", places in the vocabulary.
    """

    kind: registry.Kind
    x: np.ndarray
    labels: np.ndarray
    vocabulary: str | None = None


def train(args: argparse.Namespace, stop: threading.Event) -> bool:
    """Trains a model of the registry, or goes on with a run. Everything wrong with the input is found before it writes.

    Args:
      args: see `dgm_tfp_cli.parser`; an option that was not given is None.
      stop: when it is set, training ends, and what was learned is saved.

    Returns:
      Whether it was interrupted.
    """
    out = Path(args.out)
    if not args.resume:
        runs.check_new(out)
    config: dict[str, Any] = _resumed(args, out) if args.resume else {"settings": _settings(args)}
    settings = config["settings"]
    keras.utils.set_random_seed(settings["seed"])
    profile = profiles.current(settings["profile"])
    source = datasets.resolve(settings["data"], settings["source"], _size(settings.get("resize")))
    print(f"{source.name}: {source.note}", file=sys.stderr)
    examples = read_examples(source, "train")
    if args.resume:
        if config["examples"]["sha256"] != _sha256(examples.x):
            raise InputError(f"{source.name} is not the data that the run in {out} began with. Choose another --out.")
        model = _deserialize(out, config["architecture"])
    else:
        shape = examples.x.shape[1:]
        options = settings["options"] | ({"vocabulary": examples.vocabulary} if examples.vocabulary else {})
        model = registry.build(settings["model"], examples.kind, shape, profile, options, settings["seed"])
        config |= {
            "batch_size": {"points": POINTS_BATCH, "text": TEXT_BATCH}.get(examples.kind, profile.batch_size),
            "peak": registry.entry(settings["model"]).peak,
            "options": {name: model.get_config()[name] for name in registry.known_options(settings["model"])},
            "architecture": keras.saving.serialize_keras_object(model),
            "weights": model.count_params(),
            "examples": {
                "kind": examples.kind,
                "shape": shape,
                "count": len(examples.x),
                "sha256": _sha256(examples.x),
                "source": source.note,
            },
            "versions": commands.versions() | {"device": commands.device()},
        }

    schedule = training.WarmUpCosine(peak=config["peak"])
    model.compile(optimizer=training.adam(schedule))
    step, elapsed = runs.restore_state(out, model) if args.resume else (0, 0.0)
    seconds = 60 * settings["minutes"] if settings["minutes"] else None
    budget = training.Budget(seconds, schedule, not args.quiet, stop, settings["updates"], step, elapsed)
    if budget.spent >= 1:
        print(f"{out} is finished: {step} steps in {elapsed:.0f} s. There is nothing to resume.")
        return False
    if stop.is_set():
        print("dgm-tfp: interrupted before training; nothing was written", file=sys.stderr)
        return True
    if not args.resume:
        output.write_json(output.writable_folder(out) / runs.CONFIG, config)
    elif step:
        print(f"{out}: going on at step {step}, after {elapsed:.0f} s", file=sys.stderr)

    x = examples.x.reshape(-1, *model.event_shape)
    if isinstance(model, Flow):
        model.adapt(x)
    batches = training.batches(x, min(config["batch_size"], len(x)), settings["seed"], start=step)
    training.fit(model, batches, budget, runs.Journal(out, budget))
    if budget.spent < 1:
        print(f"interrupted at step {budget.step}; saved in {out}. Go on with --resume.", file=sys.stderr)
        return True
    held_out = read_examples(source, "test", model).x[: profile.images].reshape(-1, *model.event_shape)
    print(_summary(f"{source.title} (test)", model.scores(held_out, seed=0)))
    print(f"\n{budget.step} steps in {budget.elapsed:.0f} s. Model: {out / runs.MODEL}")
    return False


def sample(args: argparse.Namespace) -> None:
    """Draws from a trained model: a sheet of images, a scatter of points, or a file of text."""
    path = Path(args.dir)
    model, config = _load(path)
    shape = _shape(model, config)
    text = isinstance(model, CharRNN)
    suffix = ".txt" if text else ".png"
    out = Path(getattr(args, "out", f"samples{suffix}"))
    if out.suffix != suffix or out.is_dir():
        raise InputError(f"--out is {out}; expected a file that ends in {suffix}.")
    if model.bins and not text and (len(shape) != 3 or shape[-1] not in (1, 3)):
        raise InputError(f"{path} models images of {shape}; a sheet can show images of 1 or 3 channels.")
    output.writable_folder(out.parent)
    drawn = model.sample(args.n, seed=args.seed)
    with output.whole(out) as part:
        if isinstance(model, CharRNN):
            part.write_text("\n\n".join(map(model.decode, drawn)), encoding="utf-8")
        else:
            images = drawn.reshape(-1, *shape)
            figure = plots.sheet(images, columns=min(8, args.n)) if model.bins else plots.scatter(drawn)
            figure.savefig(part, dpi=plots.DPI)
    print(f"{args.n} samples: {out}")


def score(args: argparse.Namespace) -> None:
    """Writes the model's scores of each example as CSV (log p(x) first, where it has one), and prints their summary."""
    path = Path(args.dir)
    model, config = _load(path)
    told = runs.trained_on(path)
    name = args.data or told.get("data")
    if not name:
        raise InputError(f"{path} does not say what data it was trained on. Give --data NAME.")
    source = datasets.resolve(name, args.source, args.resize or _size(told.get("resize")))
    learned = not told or source.is_called(told["data"])
    split = args.split or ("test" if learned else "other")
    print(f"{source.name}: {source.note}", file=sys.stderr)
    examples, shape = read_examples(source, split, model), _shape(model, config)
    kind = "text" if isinstance(model, CharRNN) else "images" if model.bins else "points"
    if (examples.kind, examples.x.shape[1:]) != (kind, shape):
        raise InputError(
            f"{path} models {kind} of shape {shape}, {name} holds {examples.kind} of shape {examples.x.shape[1:]}. "
            "Choose data of the same shape."
        )
    out = Path(args.out)
    if out.is_dir():
        raise InputError(f"--out is the folder {out}; expected a file, for instance {out / 'scores.csv'}.")
    output.writable_folder(out.parent)
    columns = model.scores(examples.x.reshape(-1, *model.event_shape), seed=args.seed)
    files = source.files(split)
    table = {"index": range(len(examples.x)), **({"file": files} if files else {}), "label": examples.labels, **columns}
    with output.whole(out) as part, part.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(table)
        rows.writerows(zip(*table.values(), strict=True))
    print(_summary(f"{source.title} ({split})", columns))
    print(f"\nEach example: {out}")


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of a new run: what was asked for, and defaults for the rest."""
    registry.entry(args.model)
    if not args.data:
        raise InputError("there is nothing to train on. Give --data NAME; dgm-tfp data lists the names.")
    profile = profiles.current(args.profile)
    return {
        "model": args.model,
        "data": args.data,
        "source": args.source or "auto",
        "profile": profile.name,
        "minutes": None if args.updates else args.minutes or profile.minutes,
        "updates": args.updates,
        "seed": args.seed or 0,
        "resize": args.resize,
        "options": registry.options(args.model, args.set or []),
    }


def _resumed(args: argparse.Namespace, out: Path) -> dict[str, Any]:
    """The config of the run in `out`; an `InputError` where an option was given that differs from it."""
    config = runs.read_config(out)
    settings = config["settings"]
    names = ("model", "data", "source", "profile", "minutes", "updates", "seed", "resize")
    asked = {name: getattr(args, name) for name in names}
    kept = {"resize": None} | settings | config["options"]
    if args.model == settings["model"]:
        asked |= registry.options(args.model, args.set or [])
    for name, value in asked.items():
        if value is not None and json.loads(json.dumps(value)) != kept[name]:
            raise InputError(
                f"the run in {out} has {name} {_plain(kept[name])}, got {_plain(value)}. "
                "Go on with its own settings (none need be given again), or choose another --out."
            )
    return config


def _plain(value) -> str:
    return "not set" if value is None else str(value)


def _size(resize: list[int] | None) -> tuple[int, int] | None:
    """A size as JSON keeps it."""
    return (resize[0], resize[1]) if resize else None


def _deserialize(out: Path, architecture: dict[str, Any]) -> Generative:
    try:
        return keras.saving.deserialize_keras_object(architecture)
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(
            f"the model in {out / runs.CONFIG} cannot be made: {' '.join(str(error).split())[:300]}"
        ) from error


def read_examples(source: datasets.Source, split: str, model: Generative | None = None) -> Examples:
    """One split of a data set; text in windows and places as a model of it has them, where there is one already."""
    if source.kind == "text":
        text, split = datasets.load_text(source.name), "test" if split == "other" else split
        if isinstance(model, CharRNN):
            windows = text.windows(split, model.event_size, model.vocabulary)
        else:
            windows = text.windows(split)
        return Examples("text", windows, np.zeros(len(windows), np.uint8), text.vocabulary)
    loaded = source.load(split)
    if loaded.images.ndim == 2:
        return Examples("points", loaded.images, loaded.labels)
    return Examples("images", datasets.as_images(loaded.images, f"{source.name} ({split})"), loaded.labels)


def _load(path: Path) -> tuple[Generative, dict[str, Any] | None]:
    """The model of a folder, and its config; the report of `dgm-tfp ood` has none."""
    return runs.load_model(path), runs.read_config(path) if (path / runs.CONFIG).exists() else None


def _shape(model: Generative, config: dict[str, Any] | None) -> tuple[int, ...]:
    """Of one example before it was flattened, where the model is one of flat images."""
    return tuple(config["examples"]["shape"]) if config else model.event_shape


def _sha256(x: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(x).data).hexdigest()


def _summary(name: str, columns: dict[str, np.ndarray]) -> str:
    """A table: mean, standard error and quantiles of each score."""
    heads = ["mean", "std. error", *(f"{100 * q:.0f} %" for q in QUANTILES)]
    count = len(next(iter(columns.values())))
    lines = [f"{name}, {count} examples", " " * 16 + "".join(f"{head:>12}" for head in heads)]
    for column, values in columns.items():
        numbers = [*scores.mean(values), *np.quantile(values, QUANTILES)]
        lines.append(f"{TITLES.get(column, column):16}" + "".join(f"{number:12.3f}" for number in numbers))
    return "\n".join(lines)
