"""The trainings of the study: a recipe for each kind of model. Each is run once and shared by the experiments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import keras

from dgm_tfp import training
from dgm_tfp.models import Flow, registry
from dgm_tfp.study import network
from dgm_tfp.study.curve import Curve
from dgm_tfp.study.plan import OTHER

if TYPE_CHECKING:
    from dgm_tfp.study.lab import Lab


@dataclass(frozen=True)
class Job:
    """A training: what is trained, on what data, with which seed."""

    recipe: str
    data: str
    seed: int

    @property
    def key(self) -> str:
        """Its name, also of its files."""
        return f"{self.recipe}-{self.data.replace('/', '_')}-{self.seed}"


def likelihood_model(lab: Lab, job: Job, name: str, **options: Any) -> tuple[keras.Model, dict[str, Any]]:
    """A model of the registry, of the profile's size, trained by maximum likelihood."""
    fit_set = lab.shelf.images(job.data, "train")
    model = registry.build(name, "images", fit_set.shape[1:], lab.profile, options, job.seed)
    if isinstance(model, Flow):
        model.adapt(fit_set)
    curve = Curve(lab, job, model) if job.recipe == "glow" and job.data in OTHER and job.seed == lab.seed else None
    batches = training.batches(fit_set, lab.profile.batch_size, job.seed)
    record = lab.fit(job.key, model, batches, lab.plan.seconds[job.recipe], registry.entry(name).peak, watch=curve)
    return model, record | {"images": len(fit_set), "curve": curve.points if curve else []}


RECIPES: dict[str, Callable[[Lab, Job], tuple[keras.Model, dict[str, Any]]]] = {
    "glow": partial(likelihood_model, name="glow"),
    "cv_glow": partial(likelihood_model, name="glow", coupling="additive"),
    "vae": partial(likelihood_model, name="vae"),
    "pixelcnn": partial(likelihood_model, name="pixelcnn"),
    "classifier": network.recipe,
}
