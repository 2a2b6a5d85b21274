"""What the experiments share: data, models trained once and kept in a folder, likelihoods computed once."""

import json
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from dgm_tfp import ood, output, training
from dgm_tfp.profiles import Profile
from dgm_tfp.study import jobs
from dgm_tfp.study.plan import Plan
from dgm_tfp.study.shelf import Shelf


class Stopped(Exception):
    """The person pressed Ctrl-C: what is under way is dropped, what is finished is kept."""


class Lab:
    """Gives an experiment its data, its trained models and their likelihoods.

    A model is trained when it is first asked for, and saved: `models/KEY.keras`, and beside it KEY.json, what its
    training was, written last. A later run loads it.

    Args:
      out: the folder of the study.
      profile: of the sizes of the models; `plan` of everything else.
      seed: of weights, data order and noise.
      stop: ends the training under way when it is set.
      bar: tells what is being done.
    """

    def __init__(
        self, out: Path, profile: Profile, plan: Plan, shelf: Shelf, seed: int, stop: threading.Event, bar: tqdm
    ):
        self.out, self.profile, self.plan, self.shelf, self.seed = out, profile, plan, shelf, seed
        self.stop, self.bar = stop, bar
        self.records: dict[str, dict[str, Any]] = {}
        self._models: dict[str, keras.Model] = {}
        self._log_probs: dict[tuple[str, str], np.ndarray] = {}

    def check(self) -> None:
        """Raises `Stopped` once Ctrl-C was pressed."""
        if self.stop.is_set():
            raise Stopped

    def say(self, words: str) -> None:
        """Tells beside the bar what is being done."""
        self.bar.set_postfix_str(words, refresh=False)
        self.bar.update(0)

    def measured(self, name: str, split: str = "test") -> np.ndarray:
        """The images of a set that are measured, uint8 (n, h, w, c)."""
        return self.shelf.images(name, split)[: self.plan.images]

    def sample(self, name: str) -> np.ndarray:
        """The first of the images that are measured, where there is much to measure."""
        return self.measured(name)[: self.plan.sample]

    def like_letters(self, name: str) -> bool:
        """Whether the images of a set have the shape of the letters: those can stand beside them."""
        return self.measured(name).shape[1:] == self.measured("letters").shape[1:]

    def job(self, recipe: str, data: str, member: int = 0, rate: float | None = None) -> jobs.Job:
        """The training of a recipe on a data set; `member` of an ensemble, with a seed of its own."""
        return jobs.Job(recipe, data, self.seed + member, rate)

    def model(self, job: jobs.Job) -> keras.Model:
        """The trained model of a job."""
        self.check()
        if job.key not in self._models:
            self._models[job.key], self.records[job.key] = self._load(job) or self._train(job)
        return self._models[job.key]

    def copy(self, job: jobs.Job) -> keras.Model:
        """The trained model of a job, to train on: what is done to it does not change the job's."""
        self.model(job)
        return keras.saving.load_model(self.out / "models" / f"{job.key}.keras", compile=False)

    def record(self, job: jobs.Job) -> dict[str, Any]:
        """What the training of a job was: seconds, steps, images, weights."""
        self.model(job)
        return self.records[job.key]

    def log_prob(self, job: jobs.Job, name: str, images: np.ndarray | None = None) -> np.ndarray:
        """log p(x) in nats (n,) of a test set, or of `images`, which `name` then names, under the model of a job."""
        model = self.model(job)
        if (job.key, name) not in self._log_probs:
            self.say(f"{job.key}: log p of {name}")
            x = self.measured(name) if images is None else images
            self._log_probs[job.key, name] = ood.log_prob(model, x)
            self.check()
        return self._log_probs[job.key, name]

    def fit(
        self,
        name: str,
        model: keras.Model,
        batches: tf.data.Dataset,
        seconds: float,
        peak: float,
        watch: Callable[[training.Budget], None] | None = None,
        **optimizer: Any,
    ) -> dict[str, Any]:
        """Trains for some seconds, with the bar, and returns the record of it.

        Args:
          name: what is trained.
          model: compiled already where its loss is not the likelihood.
          batches: without end, of `training.batches`.
          seconds: of training, tracing included.
          peak: the highest learning rate.
          watch: is called after each step; the clock stands still meanwhile.
          optimizer: further arguments of `training.adam`.

        Raises:
          Stopped: Ctrl-C came before the time was over.
        """
        schedule = training.WarmUpCosine(peak)
        budget = training.Budget(seconds, schedule, progress=False, stop=self.stop)
        if model.compiled:
            model.optimizer = training.adam(schedule, **optimizer)
        else:
            model.compile(optimizer=training.adam(schedule, **optimizer))  # the loss is minus log p
        training.fit(model, batches, budget, _Watch(self, name, budget, watch))
        if budget.spent < 1:
            raise Stopped
        return {"seconds": round(budget.elapsed, 2), "steps": budget.step}

    def _train(self, job: jobs.Job) -> tuple[keras.Model, dict[str, Any]]:
        self.say(job.key)
        keras.utils.set_random_seed(job.seed)  # whatever was trained before
        started = time.monotonic()
        model, record = jobs.RECIPES[job.recipe](self, job)
        record |= {"weights": model.count_params(), "wall_seconds": round(time.monotonic() - started, 2)}
        folder = output.writable_folder(self.out / "models")
        with output.whole(folder / f"{job.key}.keras") as part:
            model.save(part)
        output.write_json(folder / f"{job.key}.json", record)
        return model, record

    def _load(self, job: jobs.Job) -> tuple[keras.Model, dict[str, Any]] | None:
        model, record = (self.out / "models" / f"{job.key}.{suffix}" for suffix in ("keras", "json"))
        if not (model.is_file() and record.is_file()):
            return None
        self.say(f"{job.key}: read")
        try:
            return keras.saving.load_model(model, compile=False), json.loads(record.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None  # damaged: trained again


class _Watch(keras.callbacks.Callback):
    """Tells beside the bar how long this training has taken, and lets somebody look at the model."""

    def __init__(self, lab: Lab, name: str, budget: training.Budget, watch: Callable[[training.Budget], None] | None):
        super().__init__()
        self.lab, self.name, self.budget, self.watch = lab, name, budget, watch

    def on_train_begin(self, logs=None):
        self._look()

    def on_train_batch_end(self, batch, logs=None):
        self._look()
        if self.budget.step % training.RECENT_STEPS == 0:
            self.lab.say(f"{self.name}: {self.budget.elapsed:.0f} of {self.budget.seconds:.0f} s of training")

    def _look(self) -> None:
        if self.watch:
            started = time.monotonic()
            self.watch(self.budget)
            self.budget.started += time.monotonic() - started
