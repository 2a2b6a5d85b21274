"""Rows of ratios, and the table and the plot that are made of them."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path


def row(name: str, ours: Sequence[float], peer: str, theirs: Sequence[float], bar: float, note: str = "") -> dict:
    """A row: the median over rounds of ours / peer's, and whether it keeps to the bar.

    Args:
      name: what is timed.
      ours, theirs: milliseconds of each round, in the same order.
      peer: against what.
      bar: the ratio that we want to stay under.
      note: what else a reader should know.
    """
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return {
        "name": name,
        "ours_ms": rounded(statistics.median(ours)),
        "peer": peer,
        "peer_ms": rounded(statistics.median(theirs)),
        "ratio": round(ratio, 3),
        "bar": bar,
        "met": ratio <= bar,
        "rounds": len(ours),
        **({"note": note} if note else {}),
    }


def rounded(milliseconds: float) -> float:
    return round(milliseconds, 1)


def against_the_fastest(name: str, times: Mapping[str, Sequence[float]], bar: float) -> dict:
    """`row` of "ours" against the peer with the least median; the medians of all stand in it.

    Args:
      times: milliseconds of each round, of "ours" and of each peer.
    """
    medians = {program: rounded(statistics.median(values)) for program, values in times.items()}
    peer = min((program for program in times if program != "ours"), key=lambda program: medians[program])
    return {**row(name, times["ours"], peer, times[peer], bar), "all_ms": medians}


def markdown(rows: Sequence[dict]) -> str:
    """The table; a row that misses its bar stands out, and tells by how much."""
    lines = [
        "| what | ours, ms | peer | peer, ms | ratio | bar | met |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        met = "yes" if r["met"] else f"**no**: {r['ratio'] / r['bar']:.2f} of the bar"
        lines.append(
            f"| {r['name']} | {r['ours_ms']} | {r['peer']} | {r['peer_ms']} | {r['ratio']} | {r['bar']} | {met} |"
        )
    return "\n".join(lines)


def plot(rows: Sequence[dict], path: Path) -> None:
    """A bar for each ratio, on a logarithmic axis, with a mark at what it should stay under."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.42 * len(rows) + 1), layout="constrained")
    axes = figure.subplots()
    places = range(len(rows))[::-1]
    colours = ["tab:blue" if r["met"] else "tab:red" for r in rows]
    axes.barh(places, [r["ratio"] for r in rows], color=colours, height=0.6)
    axes.plot([r["bar"] for r in rows], places, "k|", markersize=14, markeredgewidth=2, label="bar")
    for place, r in zip(places, rows, strict=True):
        right = max(r["ratio"], r["bar"])
        axes.annotate(f"{r['ratio']:.2f}", (right, place), (6, 0), textcoords="offset points", va="center", size=8)
    axes.axvline(1, color="grey", linewidth=0.8, linestyle=":")
    axes.set_yticks(places, [f"{r['name']}\nagainst {r['peer']}" for r in rows], size=7)
    axes.set(xscale="log", xlabel="time, ours / peer's")
    axes.margins(x=0.12)
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path, dpi=80)
