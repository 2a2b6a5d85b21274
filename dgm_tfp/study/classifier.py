"""Confident classifiers: what a network that knows ten digits says of digits that lie on their side."""

import numpy as np
import scipy.ndimage

from dgm_tfp import plots
from dgm_tfp.study import rows
from dgm_tfp.study.experiment import Drawing, Outcome
from dgm_tfp.study.lab import Lab

DATA = "mnist"
ANGLES = tuple(range(0, 181, 15))  # degrees
SCORE = "confidence"
NOTE = "the label stays that of the upright digit, although a 6 that is turned by 180 degrees is a 9"


def rotate(x: np.ndarray, degrees: float) -> np.ndarray:
    """Images (n, h, w, c) turned anticlockwise, with bilinear interpolation; the corners are black."""
    return scipy.ndimage.rotate(x, degrees, axes=(2, 1), reshape=False, order=1)


def run(lab: Lab, name: str) -> Outcome:
    """Confidence and error of the classifier on digits at each angle."""
    if absent := lab.shelf.missing(DATA):
        return Outcome([rows.missing(name, ("cnn", DATA, f"{DATA} turned"), SCORE, absent)], {}, {})
    job = lab.job("classifier", DATA)
    model, x = lab.model(job), lab.measured(DATA)
    y = lab.shelf.labels(DATA, "test")[: len(x)]
    probabilities = {angle: model.predict(rotate(x, angle), batch_size=250, verbose=0) for angle in ANGLES}
    confidence = {angle: p.max(axis=1) for angle, p in probabilities.items()}
    table = [
        rows.measured(
            name,
            ("cnn", DATA, f"{DATA} turned by {angle} degrees"),
            SCORE,
            confidence[0],
            confidence[angle],
            note=NOTE,
            resamples=lab.plan.resamples,
        )
        for angle in ANGLES[1:]
    ]
    wrong = {angle: p.argmax(axis=1) != y for angle, p in probabilities.items()}
    curve = [
        {
            "degrees": angle,
            "confidence": float(confidence[angle].mean()),
            "error": float(wrong[angle].mean()),
            "confidence_where_wrong": float(confidence[angle][wrong[angle]].mean()) if wrong[angle].any() else None,
        }
        for angle in ANGLES
    ]
    return Outcome(table, {"digit": np.stack([rotate(x[:1], angle)[0] for angle in ANGLES])}, {"curve": curve})


def draw(outcome: Outcome) -> dict[str, Drawing]:
    """Confidence and error against the angle."""
    if not outcome.facts:
        return {}
    curve = outcome.facts["curve"]
    angle, sure, wrong = (np.array([point[key] for point in curve]) for key in ("degrees", "confidence", "error"))
    figure = plots.Picture(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(angle, sure, "o-", color=plots.COLORS[0], label="mean confidence")
    axes.plot(angle, 1 - wrong, "s--", color=plots.COLORS[2], label="right answers")
    axes.set(xlabel="degrees", ylabel="share", ylim=(0, 1.02), xticks=angle, title="A classifier of upright digits")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    worst = int(np.argmax(sure - (1 - wrong)))
    caption = "What a classifier says of digits that are turned: its mean confidence, and how often it is right."
    alt = (
        f"Two curves over the angle. Confidence goes from {sure[0]:.2f} upright to {sure.min():.2f} at its lowest, "
        f"right answers from {1 - wrong[0]:.2f} to {1 - wrong.max():.2f}; they are farthest apart at {angle[worst]} "
        f"degrees: {sure[worst]:.2f} and {1 - wrong[worst]:.2f}."
    )
    sheet = plots.sheet(outcome.arrays["digit"], columns=len(ANGLES))
    return {
        "classifier": Drawing(figure, alt, caption),
        "digit": Drawing(sheet, f"A digit, turned in steps of {ANGLES[1]} degrees.", "What it is shown."),
    }
