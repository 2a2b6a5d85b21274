"""`compare`: a small world whose table is known in advance."""

import json
from functools import partial

import numpy as np
import pytest

from dgm_tfp import ood
from dgm_tfp.errors import InputError

RNG = np.random.default_rng(0)
SETS = {"in": RNG.normal(0, 1, (40, 1)), "far": RNG.normal(9, 1, (30, 1)), "same": RNG.normal(0, 1, (50, 1))}


class Model:
    """A Gaussian that counts how often it was asked."""

    def __init__(self, mean=0.0):
        self.mean, self.asked = mean, 0

    def log_prob(self, x):
        self.asked += 1
        return -((x[:, 0] - self.mean) ** 2) / 2


def broken(model, x):
    return np.where(np.arange(len(x)) < 3, np.nan, 0.0)


@pytest.fixture
def scores():
    return {
        "likelihood": ood.likelihood,
        "typicality": partial(ood.typicality, train=SETS["in"]),
        "ratio": partial(ood.likelihood_ratio, background=Model(2.0)),
        "waic": ood.waic,
        "log p(z)": ood.log_p_z,
        "broken": broken,
    }


@pytest.fixture
def table(scores):
    return ood.compare({"one": Model(), "three": [Model(m) for m in (-1, 0, 1)]}, SETS, scores, resamples=50)


def test_a_row_for_every_score_model_and_other_set_in_order(table, scores):
    assert [(row.score, row.model, row.outside) for row in table.rows] == [
        (score, model, other) for score in scores for model in ("one", "three") for other in ("far", "same")
    ]
    assert {row.inside for row in table.rows} == {"in"}
    row = table.rows[0]
    pair = (Model().log_prob(SETS["in"]), Model().log_prob(SETS["far"]))
    assert row.auroc == ood.auroc(*pair, resamples=50)
    assert row.auprc == ood.auprc(*pair, resamples=50)
    assert row.fpr95 == ood.fpr_at_95_tpr(*pair, resamples=50)
    assert row.auroc.value == 1.0


def test_what_does_not_exist_stays_in_the_table_with_its_reason(table):
    missing = {(row.score, row.model): row.reason for row in table.rows if row.auroc is None}
    assert missing.keys() == {
        *((score, "three") for score in ("likelihood", "typicality", "ratio", "log p(z)", "broken")),
        *((score, "one") for score in ("waic", "log p(z)", "broken")),
    }
    assert missing["likelihood", "three"] == "an ensemble of 3 models has no one likelihood."
    assert "needs an ensemble" in missing["waic", "one"]
    assert "Model is no flow" in missing["log p(z)", "one"]
    assert missing["broken", "one"] == "3 of 40 values are NaN."
    assert all((row.reason is None) == (row.fpr95 is not None) for row in table.rows)


def test_log_p_of_a_model_and_a_set_is_computed_once_and_only_within_one_comparison(scores):
    model = Model()
    ood.compare({"one": model, "two": [model, Model(1.0)]}, SETS, scores, resamples=2)
    assert model.asked == len(SETS)
    ood.likelihood(model, SETS["in"])
    ood.likelihood(model, SETS["in"])
    assert model.asked == len(SETS) + 2  # outside of a comparison nothing is kept: the weights may change


def test_json_has_null_and_no_nan(table, tmp_path):
    path = tmp_path / "table.json"
    table.save(path)
    rows = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)["rows"]
    assert rows == json.loads(table.to_json())
    assert rows[0] == {
        "score": "likelihood",
        "model": "one",
        "inside": "in",
        "outside": "far",
        **{metric: getattr(table.rows[0], metric)._asdict() for metric in ("auroc", "auprc", "fpr95")},
        "reason": None,
    }
    assert rows[2]["auroc"] is None
    assert rows[2]["reason"]


def test_markdown_has_a_line_per_row_and_each_reason_once(table):
    lines = table.to_markdown().splitlines()
    assert lines[0] == "| score | model | in | out | AUROC | AUPRC | FPR95 |"
    first = table.rows[0].auroc
    assert lines[2].startswith(
        f"| likelihood | one | in | far | {first.value:.3f} [{first.low:.3f}, {first.high:.3f}] |"
    )
    assert lines[4] == "| likelihood | three | in | far | – | – | – |"
    assert len([line for line in lines if line.startswith("|")]) == 2 + len(table.rows)
    assert lines.count("- waic, one: WAIC needs an ensemble: a list of two or more models.") == 1
    assert "| a\\|b |" in ood.Comparison([ood.Row("a|b", "m", "i", "o")]).to_markdown()


def test_the_plot_shows_every_estimate_with_its_interval_and_chance(table, tmp_path):
    figure = table.plot()
    far, same = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["in → far", "in → same"]
    shown = ["likelihood, one", "typicality, one", "ratio, one", "waic, three"]
    assert [label.get_text() for label in far.get_yticklabels()] == shown
    rows = [row for row in table.rows if row.outside == "same" and row.auroc]
    chance, *lines = same.lines
    assert set(chance.get_xdata()) == {0.5}
    for y, (row, bar, point) in enumerate(zip(rows, lines[::2], lines[1::2], strict=True)):
        assert list(bar.get_xdata()) == [row.auroc.low, row.auroc.high]
        assert (list(point.get_xdata()), list(point.get_ydata())) == ([row.auroc.value], [y])
    figure.savefig(tmp_path / "forest.png")
    assert not [line for line in table.plot("fpr95").axes[0].lines if line.get_linestyle() == "--"]
    with pytest.raises(InputError, match="no metric 'accuracy'; expected one of auroc, auprc, fpr95"):
        table.plot("accuracy")


def test_compare_needs_two_sets():
    with pytest.raises(InputError, match="compare got 1 data sets"):
        ood.compare({"one": Model()}, {"in": SETS["in"]}, {"likelihood": ood.likelihood})


def test_the_bar_is_shown_when_asked_for(capsys):
    for progress in (False, True):
        ood.compare({"one": Model()}, SETS, {"likelihood": ood.likelihood}, resamples=2, progress=progress)
        assert ("likelihood, one" in capsys.readouterr().err) == progress
