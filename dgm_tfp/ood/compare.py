"""All scores of all models on all pairs of data sets in one table."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from dgm_tfp import output
from dgm_tfp.errors import InputError
from dgm_tfp.ood.forest import forest
from dgm_tfp.ood.memory import remembering
from dgm_tfp.ood.metrics import Interval, auprc, auroc, fpr_at_95_tpr
from dgm_tfp.ood.score import NotApplicable, Score
from dgm_tfp.plots import Picture

METRICS = {"auroc": "AUROC", "auprc": "AUPRC", "fpr95": "FPR95"}


class Row(NamedTuple):
    """How well one score of one model tells `outside` from `inside`; `reason` says why there are no numbers."""

    score: str
    model: str
    inside: str
    outside: str
    auroc: Interval | None = None
    auprc: Interval | None = None
    fpr95: Interval | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON: an interval is {"value", "low", "high"}, what is not there is None."""
        return {
            name: value._asdict() if isinstance(value, Interval) else value for name, value in self._asdict().items()
        }


class Comparison(NamedTuple):
    """The rows, in the order of scores, models and data sets as they were given."""

    rows: list[Row]

    def to_markdown(self) -> str:
        """A table with the 95 % intervals in brackets; under it why a number is missing."""
        lines = [
            f"| score | model | in | out | {' | '.join(METRICS.values())} |",
            "|---|---|---|---|" + "---:|" * len(METRICS),
        ]
        for row in self.rows:
            names = (name.replace("|", "\\|") for name in row[:4])
            numbers = (_cell(getattr(row, metric)) for metric in METRICS)
            lines.append(f"| {' | '.join([*names, *numbers])} |")
        reasons = dict.fromkeys(f"{row.score}, {row.model}: {row.reason}" for row in self.rows if row.reason)
        return "\n".join(lines + [""] * bool(reasons) + [f"- {reason}" for reason in reasons]) + "\n"

    def to_json(self) -> str:
        """The rows as a JSON list, see `Row.to_dict`."""
        return json.dumps([row.to_dict() for row in self.rows], indent=2, ensure_ascii=False, allow_nan=False)

    def save(self, path: Path | str) -> None:
        """Writes {"rows": [...]} to a JSON file, whole or not at all."""
        output.write_json(Path(path), {"rows": [row.to_dict() for row in self.rows]})

    def plot(self, metric: str = "auroc") -> Picture:
        """A forest plot: a panel per pair of data sets, a line per score and model with its interval."""
        if metric not in METRICS:
            raise InputError(f"there is no metric {metric!r}; expected one of {', '.join(METRICS)}.")
        models = {row.model for row in self.rows}
        panels: dict[str, dict[str, Interval | None]] = {}
        for row in self.rows:
            label = f"{row.score}, {row.model}" if len(models) > 1 else row.score
            panels.setdefault(f"{row.inside} → {row.outside}", {})[label] = getattr(row, metric)
        return forest(panels, xlabel=METRICS[metric], chance=0.5 if metric == "auroc" else None)


def compare(
    models: Mapping[str, Any],
    datasets: Mapping[str, np.ndarray],
    scores: Mapping[str, Score],
    resamples: int = 500,
    seed: int = 0,
    progress: bool = False,
) -> Comparison:
    """Computes every score of every model on every data set, and how well it tells each other set from the first.

    log p of a model and a data set is computed once, however many scores use it.

    Args:
      models: by name; a list of models, an ensemble, for `waic`.
      datasets: by name; the first is in-distribution, held out from the training.
      scores: by name: `score(model, x)`, with `functools.partial` where it needs more.
      resamples, seed: of the bootstrap, see `auroc`.
      progress: show a bar.

    Returns:
      A row per score, model and other data set, without numbers where a score does not exist for a model.

    Raises:
      InputError: fewer than two data sets.
    """
    if len(datasets) < 2:
        raise InputError(f"compare got {len(datasets)} data sets; expected the one inside and at least one outside.")
    inside, *others = datasets
    rows = []
    bar = tqdm(total=len(scores) * len(models), unit="score", disable=not progress)
    with bar, remembering():
        for score_name, score in scores.items():
            for model_name, model in models.items():
                bar.set_postfix_str(f"{score_name}, {model_name}")
                rows += _rows(score_name, score, model_name, model, datasets, inside, others, resamples, seed)
                bar.update()
    return Comparison(rows)


def _rows(score_name, score, model_name, model, datasets, inside, others, resamples, seed) -> list[Row]:
    empty = [Row(score_name, model_name, inside, outside) for outside in others]
    try:
        values = {name: _values(score, model, images) for name, images in datasets.items()}
    except NotApplicable as reason:
        return [row._replace(reason=str(reason)) for row in empty]
    measured = []
    for row in empty:
        pair = values[row.inside], values[row.outside]
        measured.append(
            row._replace(
                auroc=auroc(*pair, resamples, seed),
                auprc=auprc(*pair, resamples, seed),
                fpr95=fpr_at_95_tpr(*pair, resamples, seed),
            )
        )
    return measured


def _values(score: Score, model: Any, images: np.ndarray) -> np.ndarray:
    values = np.asarray(score(model, images), np.float64)
    if missing := int(np.isnan(values).sum()):
        raise NotApplicable(f"{missing} of {len(values)} values are NaN.")
    return values


def _cell(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
