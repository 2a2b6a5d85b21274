"""`dgm-tfp ood-study`: runs the experiments that are not finished yet, and writes the report of all that are."""

import argparse
import dataclasses
import difflib
import json
import logging
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

import dgm_tfp
from dgm_tfp import profiles
from dgm_tfp.errors import InputError
from dgm_tfp.study import ledger, report
from dgm_tfp.study.catalogue import CATALOGUE
from dgm_tfp.study.lab import Lab, Stopped
from dgm_tfp.study.plan import PLANS, Plan
from dgm_tfp.study.shelf import Shelf


def study(args: argparse.Namespace, stop: threading.Event) -> bool:
    """Runs the study in `args.out`, from where an earlier run in that folder has left off.

    Args:
      args: see `dgm_tfp_cli.parser`.
      stop: when it is set, the experiment under way is dropped, and the report made of those that are finished.

    Returns:
      Whether it was interrupted.

    Raises:
      InputError: an unknown experiment, or a folder of another study, before anything is written; an experiment that
        failed, after the others were run and reported.
    """
    profile, shelf = profiles.current(args.profile), Shelf(args.source)
    if args.list:
        _list(shelf, PLANS[profile.name])
        return False
    names, out, plan = _asked(getattr(args, "only", None)), Path(args.out), PLANS[profile.name]
    settings = _settings(profile, plan, args.seed, shelf)
    ledger.check(out, settings)
    if stop.is_set():
        print("dgm-tfp: interrupted before the first experiment; nothing was written", file=sys.stderr)
        return True
    ledger.begin(out, settings)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it wonders that there are so many models
    todo = [name for name in names if not _done(out, shelf, name)]
    with tqdm(
        total=len(todo),
        disable=args.quiet,
        mininterval=0.2 if sys.stderr.isatty() else 30,  # a log file wants fewer lines
        bar_format="study {percentage:3.0f}%|{bar}| {n}/{total} experiments, {elapsed}{postfix}",
    ) as bar:
        lab = Lab(out, profile, plan, shelf, args.seed, stop, bar)
        failures, interrupted = _run(lab, todo)
    report.write(out, settings, _sources(shelf), partial=interrupted)
    print(report.text(out))
    print(f"\nReport: {out / 'report.html'}")
    if failures:
        raise InputError(f"{'; '.join(failures)}. The rest is in the report; run again to try once more.")
    return interrupted


def _run(lab: Lab, names: Iterable[str]) -> tuple[list[str], bool]:
    """Runs the experiments. Returns what failed, and whether it was interrupted."""
    failures: list[str] = []
    for name in names:
        started = time.monotonic()
        try:
            lab.check()
            lab.say(name)
            outcome = CATALOGUE[name].run(lab)
        except Stopped:
            print("interrupted: writing the report of what is finished (again to give up)", file=sys.stderr)
            return failures, True
        except InputError as error:
            failures.append(f"{name} failed: {error}")
            continue
        finally:
            lab.bar.update(1)
        ledger.save(lab.out, name, outcome, time.monotonic() - started, lab.shelf.missing(*CATALOGUE[name].data))
    return failures, False


def _done(out: Path, shelf: Shelf, name: str) -> bool:
    """Whether an experiment is finished, and no set that it missed then is at hand now."""
    held = ledger.finished(out, name)
    return held is not None and set(held[2]) <= set(shelf.missing(*CATALOGUE[name].data))


def _asked(only: str | None) -> list[str]:
    names = [name.strip() for name in only.split(",")] if only else list(CATALOGUE)
    for name in names:
        if name not in CATALOGUE:
            close = difflib.get_close_matches(name, CATALOGUE, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise InputError(f"there is no experiment {name!r}.{hint} Known: {', '.join(CATALOGUE)}.")
    return names


def _settings(profile: profiles.Profile, plan: Plan, seed: int, shelf: Shelf) -> dict[str, Any]:
    """What decides the numbers: a folder holds a study of one of each."""
    used = dict.fromkeys(name for experiment in CATALOGUE.values() for name in experiment.data)
    settings = {
        "profile": profile.name,
        "seed": seed,
        # A set that was missing and now is there is no other setting: its experiments are run again.
        "embedded sets": [name for name in used if (found := shelf.find(name)) and found.kind == "embedded"],
        "version": dgm_tfp.__version__,
        "sizes": dataclasses.asdict(profile) | dataclasses.asdict(plan),
    }
    return json.loads(json.dumps(settings))  # as it is read again: lists for tuples


def _sources(shelf: Shelf) -> dict[str, str]:
    used = dict.fromkeys(name for experiment in CATALOGUE.values() for name in experiment.data)
    return {name: found.note if (found := shelf.find(name)) else "not on this machine" for name in used}


def _list(shelf: Shelf, plan: Plan) -> None:
    for name, experiment in CATALOGUE.items():
        absent = shelf.missing(*experiment.data)
        note = f"; not on this machine: {', '.join(absent)}" if absent else ""
        print(f"{name:16} {experiment.title}{note}")
    print("\nSeconds of training of a model: " + ", ".join(f"{name} {s:g}" for name, s in plan.seconds.items()))
