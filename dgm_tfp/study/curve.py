"""Likelihood against training: two sets looked at while a model learns one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dgm_tfp import ood
from dgm_tfp.study.plan import OTHER

if TYPE_CHECKING:
    from dgm_tfp.models import Likelihood
    from dgm_tfp.study.jobs import Job
    from dgm_tfp.study.lab import Lab
    from dgm_tfp.training import Budget


class Curve:
    """Mean log p of the test images of a job's data and of the other set, and the AUROC, at moments of its training.

    `points` holds a dictionary for each moment, the first one before the first step. The moments are close to each
    other at the start, where much happens, and wide apart at the end.

    Args:
      lab: whose `fit` calls this object after each step.
      job, model: what is trained.
    """

    def __init__(self, lab: Lab, job: Job, model: Likelihood):
        names = (job.data, OTHER[job.data])
        self.model, self.resamples = model, lab.plan.resamples
        self.sets = {name: lab.sample(name) for name in names if not lab.shelf.missing(name)}
        self.moments = list(lab.plan.seconds[job.recipe] * np.linspace(0, 1, lab.plan.points) ** 2)
        self.points: list[dict[str, Any]] = []

    def __call__(self, budget: Budget) -> None:
        """Looks at the model when the next moment has come."""
        if not self.moments or budget.elapsed < self.moments[0]:
            return
        self.moments = [moment for moment in self.moments if moment > budget.elapsed]
        log_probs = {name: ood.log_prob(self.model, images) for name, images in self.sets.items()}
        point: dict[str, Any] = {"step": budget.step, "seconds": budget.elapsed}
        point["log_prob"] = {name: ood.mean(values)._asdict() for name, values in log_probs.items()}
        if len(log_probs) == 2:
            own, other = log_probs.values()
            point["auroc"] = ood.auroc(own, other, resamples=self.resamples)._asdict()
        self.points.append(point)
