"""The second-order analysis of one model against many sets: predicted beside measured, signs and ranks."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

from dgm_tfp.errors import InputError
from dgm_tfp.models import Glow
from dgm_tfp.ood.changed import moments
from dgm_tfp.ood.metrics import Mean
from dgm_tfp.ood.second_order import Analysis, formula

#: The columns that predict the measured difference: `Row`'s attributes of these names.
PREDICTIONS = ("formula", "diagonal", "covariance", "total", "secant")


class Row(NamedTuple):
    """E_q log p - E_p log p for one q, in nats: what each level of detail predicts, and what is measured.

    Attributes:
      name: of q.
      std: the root mean variance of a dimension of q, in levels.
      formula: the paper's, for a constant-volume Glow; not a number for another model.
      diagonal: 1/2 sum_d H_dd (sigma^2_q,d - sigma^2_p,d): the model's own Hessian, variances alone.
      covariance: 1/2 Tr{H (Sigma_q - Sigma_p)}: with the covariances of pixels.
      first_order: g^T (E_q x - E_p x), dropped in the paper by its equal means.
      mean_shift: 1/2 (E_q x - E_p x)^T H (E_q x - E_p x), dropped as well.
      secant: the whole expansion with secants in place of derivatives: the kinks of ReLU networks count.
      measured: with its standard error.
    """

    name: str
    std: float
    formula: float
    diagonal: float
    covariance: float
    first_order: float
    mean_shift: float
    secant: float
    measured: Mean

    @property
    def total(self) -> float:
        """covariance + first_order + mean_shift: the whole expansion, means not assumed equal."""
        return self.covariance + self.first_order + self.mean_shift

    @property
    def decides(self) -> str:
        """The greatest in size of the three terms of the total: which one decides the sign."""
        return max(("covariance", "first_order", "mean_shift"), key=lambda term: abs(getattr(self, term)))


class SecondOrderTable(NamedTuple):
    """The rows, and how well a column of predictions does."""

    std_p: float
    rows: list[Row]

    def signs(self, prediction: str = "formula") -> float:
        """The part of the rows whose predicted sign is the measured one."""
        predicted, measured = self._columns(prediction)
        return float(np.mean(np.sign(predicted) == np.sign(measured)))

    def rank_correlation(self, prediction: str = "formula") -> float:
        """Spearman's, of predicted with measured differences."""
        return float(scipy.stats.spearmanr(*self._columns(prediction)).statistic)

    def to_markdown(self) -> str:
        """The rows, then for each column of predictions the signs it gets right and its rank correlation."""
        names = ("formula", "diagonal", "covariance", "first_order", "mean_shift", "total", "secant")
        lines = [f"| q | std | {' | '.join(names)} | measured | decides |", "|---" * (len(names) + 4) + "|"]
        for row in self.rows:
            values = " | ".join(f"{getattr(row, name):+.1f}" for name in names)
            measured = f"{row.measured.mean:+.1f} ± {row.measured.se:.1f}"
            lines.append(f"| {row.name} | {row.std:.1f} | {values} | {measured} | {row.decides} |")
        for title, judge in (("signs right", self.signs), ("rank correlation", self.rank_correlation)):
            cells = [f"{judge(name):.2f}" if name in PREDICTIONS else "" for name in names]
            lines.append(f"| {title} | | {' | '.join(cells)} | | |")
        return "\n".join(lines) + "\n"

    def to_json(self) -> dict[str, Any]:
        """The same as plain numbers, names and lists."""
        rows = [{**row._asdict(), "measured": row.measured._asdict(), "total": row.total} for row in self.rows]
        judged = {
            name: {"signs": self.signs(name), "rank_correlation": self.rank_correlation(name)} for name in PREDICTIONS
        }
        return {"std_p": self.std_p, "rows": rows, "predictions": judged}

    def _columns(self, prediction: str) -> tuple[np.ndarray, np.ndarray]:
        if prediction not in PREDICTIONS:
            raise InputError(f"there is no prediction {prediction!r}; expected one of {', '.join(PREDICTIONS)}.")
        return (
            np.array([getattr(row, prediction) for row in self.rows]),
            np.array([row.measured.mean for row in self.rows]),
        )


def second_order_table(
    model: Any,
    p: np.ndarray,
    sets: Mapping[str, np.ndarray],
    examples: int = 500,
    probes: int | None = None,
    reach: float = 0.1,
) -> SecondOrderTable:
    """The second-order analysis of `model` for p against each of `sets`.

    Args:
      model, p, examples, probes, reach: see `hessian_second_order`. `formula` needs a constant-volume Glow.
      sets: a name and images of each q.
    """
    analysis = Analysis(model, p, examples, probes, reach)
    constant_volume = isinstance(model, Glow) and model.coupling == "additive" and model.logit_alpha is None
    rows = []
    for name, q in sets.items():
        terms = analysis.of(q)
        of_q = moments(q)
        rows.append(
            Row(
                name=name,
                std=of_q.std,
                formula=formula(model, analysis.moments, of_q) if constant_volume else float("nan"),
                diagonal=terms.diagonal.mean,
                covariance=terms.covariance.mean,
                first_order=terms.first_order,
                mean_shift=terms.mean_shift,
                secant=terms.secant.mean,
                measured=terms.measured,
            )
        )
    return SecondOrderTable(analysis.moments.std, rows)
