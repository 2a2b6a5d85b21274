"""The report of `dgm-tfp ood`: a table, a JSON file, figures, and a page that shows them."""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

import numpy as np

from dgm_tfp import plots
from dgm_tfp.models import Decomposition

FIGURES = {
    "histogram.png": "How likely the model finds images that it was trained on, others of the same kind, and those of "
    "the other data set. A detector of strange images needs the last to lie on the left.",
    "volume.png": "The two terms of log p(x). On a grey line their sum is constant.",
    "samples.png": "Drawn from the model.",
}


def labels(result: dict) -> dict[str, str]:
    """What the three sets are called in tables and legends."""
    train, other = names(result)
    return {"train": f"{train} (train)", "test": f"{train} (test)", "ood": f"{other} (other)"}


def names(result: dict) -> tuple[str, str]:
    """The names of the two data sets; of a person's own file the last part of the path."""
    return result["titles"]["train"], result["titles"]["test"]


def write_figures(
    folder: Path,
    result: dict,
    log_probs: Mapping[str, np.ndarray],
    parts: Mapping[str, Decomposition] | None,
    samples: np.ndarray | None,
) -> list[str]:
    """Writes the figures that there can be, and takes away those of an earlier report. Returns their names.

    Args:
      log_probs: of each set.
      parts: log p(z) and log-volume of each set, where the model is a flow.
      samples: images drawn from the model, where it draws.
    """
    legend = labels(result)
    title = f"{result['model']['name']} trained on {names(result)[0]}: AUROC {result['auroc']['value']:.2f}"
    figures = {"histogram.png": plots.histogram({legend[role]: log_probs[role] for role in legend}, title=title)}
    if parts:
        figures["volume.png"] = plots.volume_scatter({legend[role]: part for role, part in parts.items()})
    if samples is not None:
        figures["samples.png"] = plots.sheet(samples)
    for name in FIGURES:
        if name in figures:
            figures[name].savefig(folder / name, dpi=plots.DPI)
        else:
            (folder / name).unlink(missing_ok=True)
    return list(figures)


def unit(result: dict) -> tuple[str, str, int]:
    """The key of the means that a table shows, their unit, and how many decimals."""
    return ("bits_per_dim", "bits/dim", 3) if "bits_per_dim" in result else ("log_prob", "log p, nats", 1)


def table(result: dict) -> str:
    """The table of bits per dimension and the AUROC as plain text."""
    key, head, digits = unit(result)
    lines = [f"{'':28} {head:>8}  standard error"]
    for role, name in labels(result).items():
        value = result[key][role]
        lines.append(f"{name:28} {value['mean']:{len(head)}.{digits}f}  {value['se']:14.{digits}f}")
    auroc = result["auroc"]
    lines.append(
        f"\nAUROC of detecting {names(result)[1]} by low likelihood: "
        f"{auroc['value']:.3f}, 95 % interval {auroc['low']:.3f} to {auroc['high']:.3f}\n{verdict(result)}"
    )
    seconds = result["seconds"]
    trained = (
        "with a model trained before" if result["model"]["path"] else f"of which {seconds['training']:.0f} s training"
    )
    lines.append(f"{seconds['total']:.0f} s, {trained}")
    if result["partial"]:
        lines.append("PARTIAL: the training was interrupted.")
    return "\n".join(lines)


def verdict(result: dict) -> str:
    """One sentence on what the AUROC says, no more than its interval allows."""
    auroc, (train, other) = result["auroc"], names(result)
    if auroc["high"] < 0.5:
        return f"The model trained on {train} finds {other} more likely than its own test set: the paradox."
    if auroc["low"] > 0.5:
        return f"The model trained on {train} finds {other} less likely than its own test set."
    return f"By likelihood the model trained on {train} does not tell {other} from its own test set."


def write_html(folder: Path, result: dict, written: Sequence[str]) -> None:
    """report.html: one file, with the pictures that were `written` inside."""
    key, head, digits = unit(result)
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{result[key][role]['mean']:.{digits}f}</td>"
        f"<td>{result[key][role]['se']:.{digits}f}</td><td>{result['images'][role]}</td></tr>"
        for role, name in labels(result).items()
    )
    figures = "".join(
        f'<figure><img src="data:image/png;base64,{base64.b64encode((folder / name).read_bytes()).decode()}" '
        f'alt="{html.escape(caption)}"><figcaption>{html.escape(caption)}</figcaption></figure>'
        for name, caption in FIGURES.items()
        if name in written
    )
    page = Template(_PAGE).substitute(
        title=html.escape(" and ".join(names(result))),
        partial="<p><strong>Partial: the training was interrupted.</strong></p>" if result["partial"] else "",
        verdict=html.escape(verdict(result)),
        head=head,
        rows=rows,
        sources="<br>".join(
            html.escape(f"{name}: {note}") for name, note in zip(names(result), result["sources"].values(), strict=True)
        ),
        figures=figures,
        test=html.escape(names(result)[1]),
        details=html.escape(json.dumps(result, indent=2, ensure_ascii=False)),
        **{key: f"{value:.3f}" for key, value in result["auroc"].items()},
    )
    (folder / "report.html").write_text(page, encoding="utf-8")


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; } th, td { padding: .3rem .8rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child { text-align: left; font-weight: normal; } img { max-width: 100%; } figure { margin: 2rem 0; }
figcaption { color: #555; font-size: .9rem; } pre { font-size: .8rem; overflow-x: auto; }
</style>
<h1>$title</h1>
$partial
<p>$verdict AUROC of detecting $test by low likelihood: <strong>$value</strong>, 95 % interval $low to $high.</p>
<table><tr><th></th><th>$head</th><th>standard error</th><th>images</th></tr>$rows</table>
<p><small>$sources</small></p>
$figures
<details><summary>All numbers, settings and versions (report.json)</summary><pre>$details</pre></details>
</html>
"""
