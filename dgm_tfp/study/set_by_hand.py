"""Likelihood against a variance that is set by hand: nothing but the variance differs, and theory is known.

Under the law itself, N(128, 40^2) for each of D pixels, E_q log p - E_p log p is D / 2 (1 - std^2 / 40^2) nats.
"""

from dgm_tfp import ood, plots
from dgm_tfp.ood.second_order_table import Row, SecondOrderTable
from dgm_tfp.study import gaussian, rows
from dgm_tfp.study.experiment import Drawing, Outcome
from dgm_tfp.study.lab import Lab
from dgm_tfp.study.paradox import summary


def run(lab: Lab, name: str) -> Outcome:
    """A row for each standard deviation: does a constant-volume Glow prefer the sets of smaller variance?"""
    job = lab.job("gaussian_pixels", gaussian.NAME)
    model = lab.model(job)
    own = gaussian.images(lab.plan.images, gaussian.STD, lab.seed + 1)
    sets = {f"std {std}": gaussian.images(lab.plan.images, std, lab.seed + 1 + std) for std in gaussian.STDS}
    found = ood.second_order_table(model, own, sets, examples=lab.plan.images)
    inside = lab.log_prob(job, f"std {gaussian.STD}", own)
    table = []
    for row in found.rows:
        lab.check()
        note = f"measured {row.measured.mean:+.1f} nats; formula {row.formula:+.1f}, whole expansion {row.total:+.1f}"
        names = ("cv_glow", f"Gaussian pixels, std {gaussian.STD}", row.name)
        outside = lab.log_prob(job, row.name, sets[row.name])
        more = {"note": note, "training": summary(lab, job), "resamples": lab.plan.resamples}
        table.append(rows.measured(name, names, "likelihood", inside, outside, **more))
    return Outcome(table, {}, found.to_json())


def draw(outcome: Outcome) -> dict[str, Drawing]:
    """The prediction as a curve, the model's likelihood on it."""
    held = [
        Row(**{key: row[key] for key in Row._fields} | {"measured": ood.Mean(**row["measured"])})
        for row in outcome.facts["rows"]
    ]
    table = SecondOrderTable(outcome.facts["std_p"], held)
    words = (f"{row.name}: {row.total:+.0f} predicted, {row.measured.mean:+.0f} measured" for row in held)
    return {
        "variance": Drawing(
            plots.variance_curve(table, title="Gaussian pixels"),
            f"The predicted difference against the standard deviation as a curve, and points. {'; '.join(words)}.",
            f"A constant-volume Glow trained on independent Gaussian pixels of standard deviation {gaussian.STD}, and "
            f"sets that differ in nothing but theirs. Signs right: {table.signs('total'):.0%}.",
        )
    }
