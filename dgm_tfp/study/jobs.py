"""The trainings of the study: a recipe for each kind of model. Each is run once and shared by the experiments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from dgm_tfp import ood, training
from dgm_tfp.models import Flow, Glow, registry
from dgm_tfp.study import gaussian, network
from dgm_tfp.study.auxiliary import auxiliary
from dgm_tfp.study.curve import Curve
from dgm_tfp.study.plan import OTHER

if TYPE_CHECKING:
    from dgm_tfp.study.lab import Lab


@dataclass(frozen=True)
class Job:
    """A training: what is trained, on what data, with which seed, and of a background at which rate of mutation."""

    recipe: str
    data: str
    seed: int
    rate: float | None = None

    @property
    def key(self) -> str:
        """Its name, also of its files."""
        rate = "" if self.rate is None else f"-{self.rate:g}"
        return f"{self.recipe}-{self.data.replace('/', '_')}-{self.seed}{rate}"


Trained = tuple[keras.Model, dict[str, Any]]


def likelihood_model(lab: Lab, job: Job, name: str, **options: Any) -> Trained:
    """A model of the registry, of the profile's size, trained by maximum likelihood."""
    fit_set = lab.shelf.images(job.data, "train")
    model = registry.build(name, "images", fit_set.shape[1:], lab.profile, options, job.seed)
    if isinstance(model, Flow):
        model.adapt(fit_set)
    curve = Curve(lab, job, model) if job.recipe == "glow" and job.data in OTHER and job.seed == lab.seed else None
    batches = training.batches(fit_set, lab.profile.batch_size, job.seed)
    record = lab.fit(job.key, model, batches, lab.plan.seconds[job.recipe], registry.entry(name).peak, watch=curve)
    return model, record | {"images": len(fit_set), "curve": curve.points if curve else []}


def pixelcnn(lab: Lab, job: Job, small: bool = False) -> Trained:
    """A PixelCNN; with `job.rate` a background: each pixel of each batch is mutated, anew each time."""
    sizes = lab.plan.small if small else lab.plan.pixelcnn
    fit_set = lab.shelf.images(job.data, "train")
    model = registry.build("pixelcnn", "images", fit_set.shape[1:], lab.profile, dict(sizes), job.seed)
    batches = training.batches(fit_set, lab.plan.pixelcnn_batch, job.seed)
    if job.rate:
        batches = batches.enumerate().map(partial(_mutated, rate=job.rate, seed=job.seed))
    record = lab.fit(job.key, model, batches, lab.plan.seconds[job.recipe], PIXELCNN_PEAK)
    return model, record | {"images": len(fit_set)}


def exposed(lab: Lab, job: Job) -> Trained:
    """The Glow of the same data and seed, taught that auxiliary images are unlikely."""
    fit_set = lab.shelf.images(job.data, "train")
    model = lab.copy(Job("glow", job.data, job.seed))
    outside = auxiliary(lab, job.data, job.seed)
    found = ood.expose(
        model,
        fit_set,
        outside,
        seconds=lab.plan.seconds[job.recipe],
        batch_size=lab.profile.batch_size // 2,  # of each of the two
        seed=job.seed,
        progress=False,
        stop=lab.stop,
    )
    lab.check()
    return model, found._asdict() | {"images": len(fit_set) + len(outside)}


def gaussian_pixels(lab: Lab, job: Job) -> Trained:
    """A small constant-volume Glow of images whose variance was set by hand."""
    fit_set = gaussian.images(10 * lab.plan.images, gaussian.STD, job.seed)
    model = Glow(gaussian.SHAPE, levels=1, steps=2, filters=16, coupling="additive", seed=job.seed)
    model.adapt(fit_set)
    batches = training.batches(fit_set, lab.profile.batch_size, job.seed)
    record = lab.fit(job.key, model, batches, lab.plan.seconds[job.recipe], registry.entry("glow").peak)
    return model, record | {"images": len(fit_set)}


PIXELCNN_PEAK = 4e-3  # for batches of 8

RECIPES: dict[str, Callable[[Lab, Job], Trained]] = {
    "glow": partial(likelihood_model, name="glow"),
    "cv_glow": partial(likelihood_model, name="glow", coupling="additive"),
    "vae": partial(likelihood_model, name="vae"),
    "pixelcnn": pixelcnn,
    "background": pixelcnn,
    "small_background": partial(pixelcnn, small=True),
    "exposed": exposed,
    "classifier": network.recipe,
    "gaussian_pixels": gaussian_pixels,
}


def _mutated(i: tf.Tensor, x: tf.Tensor, rate: float, seed: int) -> tf.Tensor:
    mutated = tf.numpy_function(lambda i, x: ood.mutate(x, rate, (seed + 1) * 2**31 + int(i)), [i, x], x.dtype)
    return tf.ensure_shape(mutated, x.shape)
