"""What the numbers say, in words: sentences that are chosen by looking at the rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dgm_tfp.study.rows import Row
from dgm_tfp.study.why import PREFERENCE

LIKELIHOODS = ("glow", "reversed", "vae", "pixelcnn", "constant_volume")
Facts = Mapping[str, Mapping[str, Any]]


def findings(table: Sequence[Row], facts: Facts) -> list[str]:
    """A sentence for each question that the rows answer.

    Args:
      table: all rows.
      facts: of each experiment by name.
    """
    measured = [row for row in table if row["auroc"] is not None]
    sentences = [sentence for ask in QUESTIONS for sentence in ask(measured, facts)]
    absent = len(table) - len(measured)
    return [*sentences, f"{absent} rows have no number; their notes say why."] if absent else sentences


def _likelihoods(table: Sequence[Row], facts: Facts) -> Iterator[str]:
    for row in table:
        if row["experiment"] in LIKELIHOODS:
            yield f"{_pair(row)}, by likelihood: {_verdict(row)}{_beside_paper(row)}."


def _terms(table: Sequence[Row], facts: Facts) -> Iterator[str]:
    for row in table:
        if row["experiment"] == "terms":
            yield f"{_pair(row)}, by {row['score']} alone: {_verdict(row)}."


def _iterations(table: Sequence[Row], facts: Facts) -> Iterator[str]:
    rows = [row for row in table if row["experiment"] == "iterations"]
    for pair in dict.fromkeys(map(_pair, rows)):
        points = [row for row in rows if _pair(row) == pair and row["steps"] > 0]
        if points:
            best = max(points, key=lambda row: row["auroc"])
            helps = "would help" if best["low"] > 0.5 else "would not help"
            yield f"{pair}: at best an AUROC of {best['auroc']:.3f} at step {best['steps']:,}; stopping early {helps}."


def _contrast(table: Sequence[Row], facts: Facts) -> Iterator[str]:
    rows = [row for row in table if row["experiment"] == "changed"]
    for kind in dict.fromkeys(row["test"].split(", ")[-1] for row in rows):
        of_kind = [row for row in rows if row["test"].endswith(kind)]
        more = sum(row["prefers"] == "other" for row in of_kind)
        yield f"Images changed to {kind}: {more} of {len(of_kind)} models find them likelier than as they were."


def _second_order(table: Sequence[Row], facts: Facts) -> Iterator[str]:
    found = facts.get("second_order")
    if found:
        n = len(found["pairs"])
        for name, title in (("formula", "The paper's second-order formula"), ("total", "The whole expansion")):
            quality = found["predictions"][name]
            yield (
                f"{title} has the sign right for {round(quality['signs'] * n)} of {n} pairs, rank correlation "
                f"{quality['rank_correlation']:.2f}."
            )


def _ensemble(table: Sequence[Row], facts: Facts) -> Iterator[str]:
    for pair, found in facts.get("ensemble", {}).items():
        yield (
            f"{len(found['auroc'])} trainings of the Glow, {pair}: AUROC {min(found['auroc']):.3f} to "
            f"{max(found['auroc']):.3f}, standard deviation {found['std']:.3f}."
        )


def _detection(table: Sequence[Row], facts: Facts) -> Iterator[str]:
    rows = [row for row in table if row["experiment"] in ("detection", "ratio") and row["score"] != "likelihood"]
    rows += [row for row in table if row["experiment"] == "detection" and row["model"] == "glow exposed"]
    for train, test in dict.fromkeys((row["train"], row["test"]) for row in rows):
        here = [row for row in rows if (row["train"], row["test"]) == (train, test)]
        works = sorted((row for row in here if row["prefers"] == "own"), key=lambda row: -row["auroc"])
        fails = [row for row in here if row["prefers"] != "own"]
        words = "; ".join(f"{row['score']} of {row['model']} {row['auroc']:.3f}" for row in works) or "none"
        rest = "; ".join(f"{row['score']} of {row['model']} {row['auroc']:.3f}" for row in fails) or "none"
        yield f"{train} told from {test}. Better than a coin: {words}. Not: {rest}."


def _classifier(table: Sequence[Row], facts: Facts) -> Iterator[str]:
    curve = facts.get("classifier", {}).get("curve")
    if curve:
        worst = max(curve, key=lambda point: point["error"])
        yield (
            f"A classifier of upright digits is wrong on {worst['error']:.0%} of those turned by {worst['degrees']} "
            f"degrees, with a mean confidence of {worst['confidence']:.2f}."
        )


QUESTIONS: tuple[Callable[[Sequence[Row], Facts], Iterator[str]], ...] = (
    _likelihoods,
    _terms,
    _iterations,
    _contrast,
    _second_order,
    _ensemble,
    _detection,
    _classifier,
)


def _pair(row: Row) -> str:
    return f"{row['model']} trained on {row['train']}, told from {row['test']}"


def _verdict(row: Row) -> str:
    return f"{PREFERENCE[row['prefers']]} (AUROC {row['auroc']:.3f}, {row['low']:.3f} to {row['high']:.3f})"


def _beside_paper(row: Row) -> str:
    if not row["paper_prefers"]:
        return ""
    if row["prefers"] == row["paper_prefers"]:
        return ", as in the paper"
    return f", unlike the paper, whose model {PREFERENCE[row['paper_prefers']]}"
