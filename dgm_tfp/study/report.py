"""The report of the study: rows, figures, and one page that holds them all."""

import base64
import html
import json
from pathlib import Path
from string import Template
from typing import Any

from dgm_tfp import commands, output, plots
from dgm_tfp.study import ledger
from dgm_tfp.study.catalogue import CATALOGUE
from dgm_tfp.study.findings import findings
from dgm_tfp.study.rows import Row
from dgm_tfp.study.why import PREFERENCE, why


def write(out: Path, settings: dict[str, Any], sources: dict[str, str], partial: bool) -> None:
    """Writes report.json, the figures and report.html from the experiments that are finished in the folder.

    Args:
      out: the folder.
      settings: of `study.json`.
      sources: where each data set came from.
      partial: the run was interrupted.
    """
    held = {name: found for name in CATALOGUE if (found := ledger.finished(out, name))}
    table = [row | {"why": why(row)} for outcome, _, _ in held.values() for row in outcome.rows]
    facts = {name: outcome.facts for name, (outcome, _, _) in held.items()}
    result = {
        "partial": partial or len(held) < len(CATALOGUE),
        "unfinished": [name for name in CATALOGUE if name not in held],
        "findings": findings(table, facts),
        "rows": table,
        "facts": facts,
        "seconds": {name: seconds for name, (_, seconds, _) in held.items()},
        "total_seconds": round(sum(seconds for _, seconds, _ in held.values()), 1),
        "profile": settings["profile"],
        "settings": settings,
        "sources": sources,
        "versions": commands.versions() | {"device": commands.device()},
    }
    output.write_json(out / "report.json", result)  # first: a second Ctrl-C finds it written
    pictures = {}
    for name, (outcome, _, _) in held.items():
        pictures[name] = ""
        for file, drawing in CATALOGUE[name].draw(outcome).items():
            path = out / "figures" / f"{file.replace('/', '_')}.png"
            drawing.figure.savefig(path, dpi=plots.DPI)
            pictures[name] += _figure(path, drawing.alt, drawing.caption)
    (out / "report.html").write_text(_page(result, pictures), encoding="utf-8")


def text(out: Path) -> str:
    """What the report says, as plain text."""
    result = json.loads((out / "report.json").read_text(encoding="utf-8"))
    lines = [f"- {finding}" for finding in result["findings"]]
    lines.append(
        f"{result['total_seconds']:.0f} s of experiments, all runs together; {len(result['rows'])} rows in report.json"
    )
    if result["partial"]:
        lines.append(f"PARTIAL: not finished are {', '.join(result['unfinished']) or 'none'}.")
    return "\n".join(lines)


def _page(result: dict[str, Any], pictures: dict[str, str]) -> str:
    sections = "".join(
        f'<section id="{name}"><h2>{html.escape(CATALOGUE[name].title)}</h2>'
        f"<p>{html.escape(CATALOGUE[name].question)} "
        f"<small>{result['seconds'][name]:.0f} s.</small></p>"
        + _table([row for row in result["rows"] if row["experiment"] == name])
        + shown
        + "</section>"
        for name, shown in pictures.items()
    )
    unfinished = ", ".join(result["unfinished"])
    return Template(_PAGE).substitute(
        partial=f"<p><strong>Partial. Not finished: {html.escape(unfinished)}.</strong></p>" if unfinished else "",
        findings="".join(f"<li>{html.escape(finding)}</li>" for finding in result["findings"]),
        compared=_compared(_published(result["rows"])),
        contents=" · ".join(f'<a href="#{name}">{html.escape(CATALOGUE[name].title)}</a>' for name in pictures),
        sections=sections,
        profile=html.escape(result["profile"]),
        device=html.escape(result["versions"]["device"]),
        seconds=f"{result['total_seconds']:.0f}",
        details=html.escape(json.dumps({k: v for k, v in result.items() if k != "rows"}, indent=1, ensure_ascii=False)),
    )


def _published(table: list[Row]) -> list[Row]:
    """The rows that something is published of, the first of those that several experiments have."""
    first: dict[tuple[str, ...], Row] = {}
    for row in table:
        if row["source"]:
            first.setdefault(tuple(row[key] for key in ("model", "train", "test", "score")), row)
    return list(first.values())


def _compared(table: list[Row]) -> str:
    """The table "paper, ours, why they differ"."""
    lines = [
        f"<tr><th>{_what(row)}</th><td>{_pair(row)}</td><td>{_paper(row)}</td><td>{_ours(row)}</td>"
        f'<td class="words">{html.escape(row["why"])} <small>{html.escape(row["source"])}.</small></td></tr>'
        for row in table
    ]
    return _lines(("model, score", "trained on → told from", "paper", "ours", "why they differ; source"), lines)


def _table(table: list[Row]) -> str:
    """All rows of an experiment."""
    lines = [
        f"<tr><th>{_what(row)}</th><td>{_pair(row)}</td><td>{_interval(row)}</td><td>{_bits(row)}</td>"
        f'<td class="words">{html.escape(row["note"] or "")}</td></tr>'
        for row in table
    ]
    return _lines(("model, score", "trained on → told from", "AUROC", "bits/dim", "note"), lines) if lines else ""


def _lines(head: tuple[str, ...], lines: list[str]) -> str:
    return "<table><tr>" + "".join(f"<th>{name}</th>" for name in head) + "</tr>" + "".join(lines) + "</table>"


def _what(row: Row) -> str:
    return html.escape(f"{row['model']}, {row['score']}")


def _pair(row: Row) -> str:
    return html.escape(f"{row['train']} → {row['test']}")


def _interval(row: Row) -> str:
    if row["auroc"] is None:
        return "–"
    return f"<strong>{row['auroc']:.3f}</strong> ({row['low']:.3f} to {row['high']:.3f})"


def _bits(row: Row) -> str:
    if not row["bits_per_dim"]:
        return "–"
    return ", ".join(f"{value['mean']:.2f}" for value in row["bits_per_dim"].values())


def _paper(row: Row) -> str:
    parts = [f"AUROC {row['paper']:.3f}"] if row["paper"] is not None else []
    if row["paper_bits_per_dim"]:
        parts.append("bits/dim " + ", ".join(f"{value:.2f}" for value in row["paper_bits_per_dim"]))
    parts += [PREFERENCE[row["paper_prefers"]]] if row["paper_prefers"] else []
    return "; ".join(parts) or "–"


def _ours(row: Row) -> str:
    if row["auroc"] is None:
        return html.escape(row["note"] or "–")
    bits = f"; bits/dim {_bits(row)}" if row["bits_per_dim"] else ""
    return f"AUROC {_interval(row)}{bits}; {PREFERENCE[row['prefers']]}"


def _figure(path: Path, alt: str, caption: str) -> str:
    picture = base64.b64encode(path.read_bytes()).decode()
    return (
        f'<figure><img src="data:image/png;base64,{picture}" alt="{html.escape(alt)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Do deep generative models know what they don't know?</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; font-size: .85rem; display: block; overflow-x: auto; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
th:first-child { font-weight: normal; } .words { min-width: 24rem; }
img { max-width: 100%; } figure { margin: 2rem 0; }
figcaption, small { color: #555; font-size: .9em; } pre { font-size: .8rem; overflow-x: auto; }
</style>
<h1>Do deep generative models know what they don't know?</h1>
$partial
<p>Nalisnick et al. (2019), run again: profile $profile, $device, $seconds s. An AUROC is the probability that a score
finds a random test image of the model's own set more in-distribution than one of the other set: 0.5 is a coin, less is
the paradox. Intervals are 95 %, by bootstrap over the images; they do not hold the chance of another training.
Bits/dim: the own set first.</p>
<h2>What was found</h2><ul>$findings</ul>
<h2>Paper, ours, why they differ</h2>$compared
<p>$contents</p>
$sections
<details><summary>Settings, versions, times, further numbers (report.json)</summary><pre>$details</pre></details>
</html>
"""
