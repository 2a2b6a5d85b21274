"""The page of the benchmark of memory, from its numbers."""

import numpy as np

MODES = ("store", "recompute")
BARS = {"slope": 0.25, "time": 1.5, "gradients": 1e-4}


def markdown(result: dict) -> str:
    peaks, gradients = result["peak"], result["gradients"]
    store, recompute = (slope(peaks[mode], "step_mb") for mode in MODES)
    xla = {mode: slope(result["xla"][mode], "step_mb") for mode in MODES}
    rows = [
        (f"growth of the step: {recompute:.2f} MB a step of flow against {store:.2f}", recompute / store, "slope"),
        (
            f"the same under XLA: {xla['recompute']:.2f} MB against {xla['store']:.2f}",
            xla["recompute"] / xla["store"],
            "slope",
        ),
        *(
            (f"time, steps {t['steps']}: {t['recompute_ms']} ms against {t['store_ms']}", t["ratio"], "time")
            for t in result["time"]
        ),
        *(
            (f"gradient, {what}: relative difference", gradients[moment]["float32"]["whole"], "gradients")
            for moment, what in (("adapted", "adapted"), ("trained", f"after {gradients['trained_steps']} steps"))
        ),
    ]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return "\n".join(
        [
            "# Memory of a training step",
            "",
            f"{result['setting']}. `python -m benchmarks.memory` writes this and `memory.json`, on Linux.",
            "Times are medians of interleaved runs, and the median of their ratios.",
            "",
            "| what | measured | bar | met |",
            "|---|---|---|---|",
            *(f"| {w} | {v:.3g} | {BARS[b]} | {'yes' if v <= BARS[b] else '**no**'} |" for w, v, b in rows),
            "",
            *peak_table(peaks),
            "",
            *gradient_table(gradients),
            "",
            f"{versions}; {result['machine']}.",
            "",
        ]
    )


def peak_table(peaks: dict) -> list[str]:
    columns = [(mode, what) for what in ("step_mb", "graph_mb", "process_mb") for mode in MODES]
    lines = [
        "## Where the memory of the process goes",
        "",
        "In MB. *Step*: how far resident memory rises in a training step. *Graph*: what stays from tracing and from a",
        "first step with one image: nodes, not activations, whatever the batch. *Process*: the peak, with the",
        "libraries and the model. *Weights*: with gradients and moments of Adam, the same in both modes.",
        "",
        "| steps a scale | weights | " + " | ".join(f"{mode}: {what[:-3]}" for mode, what in columns) + " |",
        "|" + "---|" * (len(columns) + 2),
    ]
    for i, first in enumerate(peaks["store"]):
        values = " | ".join(str(peaks[mode][i][what]) for mode, what in columns)
        lines.append(f"| {first['steps']} | {first['weights_mb']} | {values} |")
    growth = " | ".join(f"{slope(peaks[mode], what):.2f}" for mode, what in columns)
    return [*lines, f"| growth a step | {slope(peaks['store'], 'weights_mb'):.2f} | {growth} |"]


def gradient_table(gradients: dict) -> list[str]:
    lines = [
        f"## Gradients, {gradients['steps']} steps a scale",
        "",
        "Norms of differences over norms of gradients: of all weights as one vector, and of each weight. The",
        "derivative of a ReLU jumps: where its input is within rounding of zero the way back may find it on the other",
        "side, and the weights of that coupling feel it. So does the rounding of float32 itself.",
        "",
        "| what | moment | whole | greatest of a weight | median of the weights |",
        "|---|---|---|---|---|",
    ]
    for moment in ("adapted", "trained"):
        for what, value in gradients[moment].items():
            name = what if "against" in what else f"recompute against store, {what}"
            cells = " | ".join(f"{value[key]:.1e}" for key in ("whole", "greatest", "median"))
            lines.append(f"| {name} | {moment} | {cells} |")
    return lines


def slope(peaks: list[dict], what: str) -> float:
    """MB a step of flow: of the least-squares line through the values against the depths."""
    return float(np.polyfit([peak["steps"] for peak in peaks], [peak[what] for peak in peaks], 1)[0])
