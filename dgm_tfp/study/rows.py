"""A row of the study's table: one score of one model on one pair of data sets."""

from typing import Any

import numpy as np

from dgm_tfp import bits, ood
from dgm_tfp.study import paper

#: What every row has; None where there is no number, and `note` then says why.
KEYS = (
    *("experiment", "model", "train", "test", "score", "auroc", "low", "high"),
    *("paper", "source", "bits_per_dim", "paper_bits_per_dim", "prefers", "paper_prefers", "why", "note", "training"),
)

Row = dict[str, Any]

#: Over a row that the published numbers are not beside: they are of another one, whose names it shares.
UNPUBLISHED: Row = {"paper": None, "source": None, "paper_bits_per_dim": None}


def row(experiment: str, model: str, train: str, test: str, score: str, **more: Any) -> Row:
    """A row with every key; what is known from the paper is looked up."""
    known = paper.lookup(model, train, test, score)
    found = {
        "paper": known.auroc,
        "source": known.source,
        "paper_bits_per_dim": known.bits_per_dim,
        "paper_prefers": known.prefers,
    }
    first = {"experiment": experiment, "model": model, "train": train, "test": test, "score": score}
    return dict.fromkeys(KEYS) | first | found | more


def measured(
    experiment: str, names: tuple[str, str, str], score: str, inside: np.ndarray, outside: np.ndarray, **more: Any
) -> Row:
    """The row of a score that was measured.

    Args:
      experiment: its name.
      names: of the model, the set it was trained on, the other set.
      score: its name.
      inside, outside: scores (n,), (m,) of test images of both sets, higher for what is more in-distribution.
      more: further keys; `resamples` of the bootstrap.
    """
    resamples = more.pop("resamples", 500)
    return row(experiment, *names, score, **estimate(ood.auroc(inside, outside, resamples=resamples)) | more)


def estimate(auroc: ood.Interval) -> Row:
    """The keys of a row that an AUROC fills."""
    return {"auroc": auroc.value, "low": auroc.low, "high": auroc.high, "prefers": prefers(auroc.low, auroc.high)}


def missing(experiment: str, names: tuple[str, str, str], score: str, absent: list[str]) -> Row:
    """The row of what could not be run, because data are not at hand."""
    note = f"not run here: {' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not on this machine"
    return row(experiment, *names, score, note=note)


def prefers(low: float, high: float) -> str:
    """Which of the two sets the score finds more in-distribution, as far as the 95 % interval of the AUROC tells."""
    return "other" if high < 0.5 else "own" if low > 0.5 else "undecided"


def bits_per_dim(log_probs: dict[str, np.ndarray], event_size: int) -> dict[str, dict[str, float]]:
    """Mean bits per dimension of each set with its standard error."""
    return {name: ood.mean(bits.bits_per_dim(values, event_size))._asdict() for name, values in log_probs.items()}
