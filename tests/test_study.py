"""The study of the paper: a tiny one from end to end, what it keeps, what it refuses, what it says of missing data."""

import dataclasses
import json
import re
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

import dgm_tfp_cli
from dgm_tfp import data as datasets
from dgm_tfp import profiles
from dgm_tfp.data import prepared
from dgm_tfp.study import catalogue, changed, command, findings, jobs, ledger, paper, plan, rows, why
from dgm_tfp.study.classifier import rotate
from dgm_tfp.study.shelf import Shelf

GREYS = ("fashion_mnist", "mnist")
COLOURS = ("cifar10", "svhn_cropped", "celeb_a", "downsampled_imagenet/32x32", "cifar100")
TINY = plan.Plan(
    images=40,
    sample=40,
    seconds=dict.fromkeys(jobs.RECIPES, 0.1),
    pixelcnn={"filters": 4, "blocks": 2, "head": 4},
    pixelcnn_batch=8,
    members=2,
    small={"filters": 2, "blocks": 1, "head": 2},
    backgrounds=(("background", 0.3), ("small_background", 0.0)),
    directions=3,
    points=3,
    resamples=20,
)


class TinyShelf(Shelf):
    """Small images of each kind: 4x4 pieces of the real ones, and noise for the colours."""

    absent = COLOURS

    def find(self, name):
        if name in self.absent or name not in (*GREYS, "letters", *COLOURS):
            return None
        kind = "embedded" if name in (*GREYS, "letters") else "tfds"
        return datasets.Source(name, kind, Path("."), "a test's")

    def _data(self, name, split):
        if (name, split) not in self._read:
            rng = np.random.default_rng(len(name))
            if name in GREYS:
                images, labels = datasets.embedded.load(name, split)
                images = images[:300, 12:16, 12:16]
            else:
                shape = (4, 4, 1) if name == "letters" else (4, 4, 3)
                images, labels = rng.integers(256, size=(300, *shape)).astype(np.uint8), np.zeros(300, np.uint8)
            self._read[name, split] = datasets.Data(images, labels[:300])
        return self._read[name, split]


@pytest.fixture
def small(monkeypatch):
    """The study with a tiny plan and tiny images."""
    monkeypatch.setattr(command, "Shelf", TinyShelf)
    monkeypatch.setitem(plan.PLANS, "smoke", TINY)
    tiny = dataclasses.replace(profiles.PROFILES["smoke"], steps=1, filters=8, batch_size=16)
    monkeypatch.setitem(profiles.PROFILES, "smoke", tiny)


def run(*argv) -> int:
    return dgm_tfp_cli.main(["ood-study", "--profile", "smoke", "--quiet", *map(str, argv)])


def report(out) -> dict:
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def test_a_second_run_trains_nothing_and_other_settings_are_refused(small, tmp_path, capsys, monkeypatch):
    out = tmp_path / "study"
    assert run("--only", "glow,terms", "--out", out) == 0
    first = report(out)
    held = {path: path.stat().st_mtime_ns for path in (out / "models").iterdir()}
    assert len(held) == 2

    def refuse(lab, job):
        raise AssertionError(f"{job.key} was trained again")

    monkeypatch.setitem(jobs.RECIPES, "glow", refuse)
    (out / "experiments" / "terms.json").unlink()  # killed before it was written: its model is there
    assert run("--only", "glow,terms", "--out", out) == 0
    assert {path: path.stat().st_mtime_ns for path in (out / "models").iterdir()} == held
    for before, after in zip(first["rows"], report(out)["rows"], strict=True):
        assert before == after

    capsys.readouterr()
    assert run("--only", "glow", "--out", out, "--seed", 5) == 2
    assert "holds a study with another seed: 0 there, 5 here" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("")
    assert run("--out", tmp_path / "other") == 2
    assert "is not empty and holds no study" in capsys.readouterr().err


def test_data_that_arrive_later_are_used(small, tmp_path, monkeypatch):
    out = tmp_path / "study"
    assert run("--only", "glow", "--out", out) == 0
    colour = [row for row in report(out)["rows"] if row["train"] == "cifar10"]
    assert [row["note"] for row in colour] == ["not run here: cifar10 and svhn_cropped are not on this machine"]
    assert colour[0]["auroc"] is None
    assert colour[0]["paper"] == 0.07
    monkeypatch.setattr(TinyShelf, "absent", ())
    assert run("--only", "glow", "--out", out) == 0
    assert all(row["auroc"] is not None for row in report(out)["rows"])
    monkeypatch.setattr(TinyShelf, "absent", ("cifar10",))  # gone again: what was measured stays
    assert run("--only", "glow", "--out", out) == 0
    assert all(row["auroc"] is not None for row in report(out)["rows"])


def test_the_other_pairs_run_where_their_data_are(small, tmp_path, monkeypatch):
    """As TFDS's own names call them; that `data.load` reads them is in test_folders.py."""
    monkeypatch.setattr(TinyShelf, "absent", ("celeb_a",))
    assert run("--only", "other_pairs", "--out", tmp_path / "study") == 0
    found = {(row["train"], row["test"]): row for row in report(tmp_path / "study")["rows"]}
    assert list(found) == list(plan.OTHER_PAIRS)
    assert found["celeb_a", "svhn_cropped"]["note"] == "not run here: celeb_a is not on this machine"
    assert found["celeb_a", "svhn_cropped"]["paper"] == 0.15
    for test in ("cifar10", "cifar100", "svhn_cropped"):
        assert found["downsampled_imagenet/32x32", test]["auroc"] is not None
    assert len(list((tmp_path / "study" / "models").glob("*.keras"))) == 1  # one model for three tests


def test_ctrl_c_keeps_what_is_finished(small, tmp_path, capsys, monkeypatch):
    out = tmp_path / "study"
    recipe = jobs.RECIPES["cv_glow"]
    monkeypatch.setitem(plan.PLANS, "smoke", dataclasses.replace(TINY, seconds={**TINY.seconds, "cv_glow": 60}))

    def interrupted(lab, job):
        signal.raise_signal(signal.SIGINT)
        return recipe(lab, job)

    monkeypatch.setitem(jobs.RECIPES, "cv_glow", interrupted)
    assert run("--only", "glow,constant_volume,terms", "--out", out) == 130
    assert "interrupted" in capsys.readouterr().err
    found = report(out)
    assert found["partial"]
    assert {row["experiment"] for row in found["rows"]} == {"glow"}
    assert not list((out / "models").glob("cv_glow*"))
    assert "Partial" in (out / "report.html").read_text(encoding="utf-8")
    assert run("--only", "glow,terms", "--out", out) == 0
    assert {row["experiment"] for row in report(out)["rows"]} == {"glow", "terms"}


def test_an_experiment_that_fails_does_not_stop_the_others(small, tmp_path, capsys, monkeypatch):
    def diverges(lab, job):
        raise command.InputError("training diverged after 3 steps")

    monkeypatch.setitem(jobs.RECIPES, "glow", diverges)
    assert run("--only", "glow,moments", "--out", tmp_path / "study") == 2
    assert "glow failed: training diverged after 3 steps" in capsys.readouterr().err
    assert set(report(tmp_path / "study")["seconds"]) == {"moments"}


@pytest.mark.slow
def test_every_experiment_runs_on_the_greys_alone(small, tmp_path, capsys):
    out = tmp_path / "study"
    assert run("--out", out) == 0
    found = report(out)
    assert found["unfinished"] == []
    assert {row["experiment"] for row in found["rows"]} == set(catalogue.CATALOGUE) - {"moments"}
    ours = [row for row in found["rows"] if row["train"] not in COLOURS]
    assert len(ours) < len(found["rows"])
    assert all(row["auroc"] is not None for row in ours)
    assert all("not run here" in row["note"] for row in found["rows"] if row["train"] in COLOURS)
    detectors = {row["score"] for row in ours if row["experiment"] == "detection"}
    assert {"typicality", "typicality of 10", "waic", "input_complexity png", "input_complexity webp"} <= detectors
    assert any(row["model"] == "glow exposed" for row in ours)
    ratios = {row["score"]: row for row in ours if row["experiment"] == "ratio" and row["test"] == "letters"}
    best = max(ratios, key=lambda score: ratios[score]["auroc"])
    assert len(ratios) == 2
    assert best == f"likelihood_ratio, {found['facts']['ratio']['chosen']}"
    for row in found["rows"]:
        assert set(rows.KEYS) <= set(row)
        if row["auroc"] is None:
            assert row["note"].startswith("not run here: ")
        else:
            assert 0 <= row["low"] <= row["auroc"] <= row["high"] <= 1
            assert row["prefers"] in why.PREFERENCE
    assert found["profile"] == "smoke"
    assert {"tensorflow", "device"} <= set(found["versions"])
    assert set(found["seconds"]) == set(catalogue.CATALOGUE)
    assert not found["partial"]
    glow = next(row for row in found["rows"] if row["experiment"] == "glow")
    assert glow["paper_bits_per_dim"] == [2.958, 1.833]
    assert glow["training"]["images"] == 300
    printed = capsys.readouterr().out
    assert f"AUROC {glow['auroc']:.3f}" in printed

    pairs = found["facts"]["second_order"]["pairs"]
    assert len(pairs) >= 6
    assert {np.sign(pair["measured"]) for pair in pairs} == {-1.0, 1.0}

    page = (out / "report.html").read_text(encoding="utf-8")
    pictures = list((out / "figures").iterdir())
    assert page.count('src="data:image/png;base64,') == len(pictures) > 4
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert not re.search('alt=""', page)
    compared = page.split("Paper, ours, why they differ")[1].split("</table>")[0]
    assert compared.count("<th>glow, likelihood</th><td>fashion_mnist → mnist</td>") == 1  # of several experiments
    assert "No published AUROC of it is known here." in compared


def test_the_list_names_experiments_and_what_they_miss(small, capsys):
    assert run("--list") == 0
    printed = capsys.readouterr().out
    for name in catalogue.CATALOGUE:
        assert re.search(f"^{name} ", printed, re.MULTILINE)
    assert "not on this machine: cifar10, svhn_cropped\n" in printed


def test_an_unknown_experiment(small, tmp_path, capsys):
    assert run("--only", "glow,clasifier", "--out", tmp_path / "study") == 2
    assert "there is no experiment 'clasifier'. Did you mean classifier?" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


def test_a_shelf_never_downloads(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(prepared, "download", lambda name: pytest.fail(f"{name} was downloaded"))
    needed = dict.fromkeys(name for experiment in catalogue.CATALOGUE.values() for name in experiment.data)
    assert Shelf().missing(*needed) == [name for name in needed if name not in (*datasets.embedded.NAMES, "letters")]
    assert set(needed) <= set(datasets.NAMES)


def test_words_follow_the_numbers():
    names = ("glow", "cifar10", "svhn_cropped")
    low, high = np.zeros(100), np.ones(100)
    training = {"weights": 1000, "seconds": 5.0, "steps": 10, "images": 300}
    bits = {"own": {"mean": 5.0}, "other": {"mean": 6.0}}
    same = rows.measured("glow", names, "likelihood", low, high, training=training, bits_per_dim=bits)
    other = rows.measured("glow", names, "likelihood", high, low, training=training, bits_per_dim=bits)
    assert (same["prefers"], other["prefers"]) == ("other", "own")
    assert why.why(same).startswith("The same direction.")
    assert "ANOTHER DIRECTION: ours prefers its own set" in why.why(other)
    assert "Ours is -0.070 from the published AUROC" in why.why(same)
    assert "fits its data less well, 5.00 bits/dim on its own test set against 3.46" in why.why(same)
    assert "1,000 weights" in why.why(same)
    assert "as in the paper" in findings.findings([same], {})[0]
    assert "unlike the paper, whose model prefers the other set" in findings.findings([other], {})[0]
    missing = rows.missing("glow", names, "likelihood", ["cifar10"])
    assert findings.findings([missing], {}) == ["1 rows have no number; their notes say why."]


def test_published_numbers_carry_their_source():
    for published in paper.PUBLISHED.values():
        assert published.source
        if published.auroc is not None:
            assert (published.auroc < 0.5) == (published.prefers == "other")
        if published.bits_per_dim:
            assert (published.bits_per_dim[1] < published.bits_per_dim[0]) == (published.prefers == "other")


def test_changed_images_of_colour_have_a_grey_version():
    x = np.random.default_rng(0).integers(256, size=(4, 4, 4, 3)).astype(np.uint8)
    assert set(changed.sets(x)) - set(changed.sets(x[..., :1])) == {"grey"}
    assert changed.sets(x)["contrast 0"].std(axis=0).max() == 0


def test_images_are_turned_anticlockwise():
    x = np.random.default_rng(0).integers(256, size=(2, 16, 16, 3)).astype(np.uint8)
    np.testing.assert_array_equal(rotate(x, 90), np.rot90(x, axes=(1, 2)))


def test_a_damaged_experiment_is_run_again(tmp_path):
    ledger.begin(tmp_path, {"seed": 0})
    ledger.save(tmp_path, "glow", ledger.Outcome([], {"a": np.arange(3)}, {}), 1.0, [])
    outcome, seconds, absent = ledger.finished(tmp_path, "glow")
    np.testing.assert_array_equal(outcome.arrays["a"], np.arange(3))
    assert (seconds, absent) == (1.0, [])
    (tmp_path / "experiments" / "glow.npz").write_bytes(b"PK")
    assert ledger.finished(tmp_path, "glow") is None


def test_interrupted_before_anything_it_writes_nothing(small, tmp_path):
    stop = threading.Event()
    stop.set()
    args = dgm_tfp_cli.parser().parse_args(["ood-study", "--profile", "smoke", "--out", str(tmp_path / "study")])
    assert command.study(args, stop)
    assert not (tmp_path / "study").exists()
