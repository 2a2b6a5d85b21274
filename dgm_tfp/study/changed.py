"""Images changed by hand: contrast scaled, colour or all detail taken away (figure 6b of Nalisnick et al., 2019)."""

from typing import Any

import numpy as np

from dgm_tfp import ood, plots
from dgm_tfp.ood.second_order import formula as predicted_by_variance
from dgm_tfp.study import rows
from dgm_tfp.study.experiment import Drawing, Outcome
from dgm_tfp.study.lab import Lab
from dgm_tfp.study.paradox import summary

DATA = ("fashion_mnist", "cifar10")
MODELS = ("glow", "cv_glow")
FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)  # of the contrast, about the mean image


def sets(x: np.ndarray) -> dict[str, np.ndarray]:
    """A name and images for each change of the images x, uint8 (n, h, w, c)."""
    changed = {f"contrast {factor:g}": ood.contrast(x, factor) for factor in FACTORS if factor != 1}
    if x.shape[-1] > 1:
        changed["grey"] = ood.grey(x)
    return changed | {"constant": ood.constant(len(x), x.shape[1:])}


def run(lab: Lab, name: str) -> Outcome:
    """How each kind of Glow likes changed images of its own test set, as far as its likelihood tells them."""
    table: list[rows.Row] = []
    facts: dict[str, Any] = {}
    for data in DATA:
        if absent := lab.shelf.missing(data):
            table += [rows.missing(name, (model, data, f"{data} changed"), "likelihood", absent) for model in MODELS]
            continue
        x = lab.sample(data)
        changed = sets(x)
        models: dict[str, Any] = {}
        facts[data] = models
        for model in MODELS:
            job = lab.job(model, data)
            own = lab.log_prob(job, f"{data}, {len(x)}", x)
            means = {"contrast 1": float(own.mean())}
            for kind, images in changed.items():
                other = lab.log_prob(job, f"{data}, {kind}", images)
                found, size = {"own": own, "other": other}, int(np.prod(x.shape[1:]))
                more: dict[str, Any] = {"bits_per_dim": rows.bits_per_dim(found, size), "training": summary(lab, job)}
                more["resamples"] = lab.plan.resamples
                table.append(rows.measured(name, (model, data, f"{data}, {kind}"), "likelihood", own, other, **more))
                means[kind] = float(other.mean())
            models[model] = {"log_prob": means}
            if model == "cv_glow":
                models[model]["formula"] = formula(lab.model(job), x)
    return Outcome(table, {}, facts)


def formula(model: Any, x: np.ndarray) -> dict[str, float]:
    """The paper's prediction of mean log p minus that of x itself, in nats, at each contrast."""
    of_x = ood.moments(x)
    return {
        f"contrast {factor:g}": predicted_by_variance(model, of_x, ood.moments(ood.contrast(x, factor)))
        for factor in FACTORS
    }


def draw(outcome: Outcome) -> dict[str, Drawing]:
    """Mean log p against contrast, measured and as the formula predicts it."""
    drawings = {}
    for data, models in outcome.facts.items():
        figure = plots.Picture(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.subplots()
        words = []
        for (model, found), color in zip(models.items(), (plots.COLORS[0], plots.COLORS[2]), strict=True):
            at_one = found["log_prob"]["contrast 1"]
            values = np.array([found["log_prob"][f"contrast {factor:g}"] - at_one for factor in FACTORS])
            axes.plot(FACTORS, values, "o-", color=color, label=f"{model}, measured")
            words.append(f"{model} gives {values[2]:+.0f} nats at contrast 0.5 and {values[-1]:+.0f} at 1.5")
            if "formula" in found:
                predicted = np.array([found["formula"][f"contrast {factor:g}"] for factor in FACTORS])
                axes.plot(FACTORS, predicted, "--", color=color, label=f"{model}, second order")
                words.append(f"the formula says {predicted[2]:+.0f} and {predicted[-1]:+.0f}")
        axes.axhline(0, color="0.7", linewidth=0.8)
        axes.set(xlabel="contrast", ylabel="mean log p(x) less that at contrast 1, nats", title=f"trained on {data}")
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        drawings[f"contrast-{data}"] = Drawing(
            figure,
            f"Curves of mean log p against contrast: {'; '.join(words)}.",
            "Test images whose distance from the mean image is scaled: the mean of each dimension stays, its variance "
            "is multiplied by the square of the contrast, apart from rounding and clipping.",
        )
    return drawings
