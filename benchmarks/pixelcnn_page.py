"""The page and the picture of the benchmark of PixelCNN, from its numbers."""

from pathlib import Path

import numpy as np

from benchmarks.table import markdown

PICTURES = 10  # in a row


def page(results: dict) -> str:
    learning, same = results["learning"], results["identical"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    met = "yes" if learning["met"] else "**no**"
    pixels = ", ".join(f"{us} at {size}" for size, us in results["per_pixel_us"].items())
    return "\n".join(
        [
            "# PixelCNN",
            "",
            "`make bench` writes this page, `pixelcnn.json` and `pixelcnn.png`.",
            "",
            "## Learning MNIST",
            "",
            f"The full training set, {learning['minutes']} minutes on the clock,",
            f"{learning['cpu_minutes']} of processors, the points of the curve included:",
            f"{learning['updates']:,} updates, {learning['examples']:,} images seen, {learning['weights']:,} weights.",
            "",
            f"| bits/dim on {learning['test_images']:,} test images | s.e. | bar | met |",
            "|---|---|---|---|",
            f"| {learning['bits_per_dim']} | {learning['standard_error']} | {learning['bar']} | {met} |",
            "",
            f"The curve, on the first {learning['subset']} of them:",
            "",
            "| minutes | updates | bits/dim |",
            "|---|---|---|",
            *(f"| {p['minutes']} | {p['updates']:,} | {p['bits_per_dim']} |" for p in learning["curve"]),
            "",
            "![The curve, and what the model draws](pixelcnn.png)",
            "",
            "## Drawing",
            "",
            "Times in milliseconds, medians over rounds in which the programs run in turn; the ratio is the median of",
            "the ratios of each round.",
            "",
            markdown(results["rows"]),
            "",
            *(f"- {r['name']}, against {r['peer']}: {r['note']}." for r in results["rows"] if "note" in r),
            f"- Microseconds for a pixel of all images: {pixels}.",
            "- The same images, to the last pixel, as by a pass of the whole network for each pixel, with what was",
            "  learned: " + ", ".join(f"{part:.0%} in {dtype}" for dtype, part in same.items()) + ".",
            "",
            f"{versions}; {results['device']}.",
            "",
        ]
    )


def plot(results: dict, images: np.ndarray, path: Path) -> None:
    """The curve, and below it images (n, h, w, 1) in rows."""
    from matplotlib.figure import Figure

    learning = results["learning"]
    figure = Figure(figsize=(9, 6), layout="constrained")
    curve, pictures = figure.subplots(2, 1)
    minutes, bits = zip(*((p["minutes"], p["bits_per_dim"]) for p in learning["curve"]), strict=True)
    curve.plot(minutes, bits, "o-", color="tab:blue", label=f"the first {learning['subset']} test images")
    curve.plot([learning["minutes"]], [learning["bits_per_dim"]], "s", color="tab:red", label="all test images")
    curve.axhline(learning["bar"], color="k", linestyle=":", label="bar")
    curve.set(xlabel="minutes", ylabel="bits/dim")
    curve.legend(frameon=False)
    rows = [np.hstack(images[i : i + PICTURES, ..., 0]) for i in range(0, len(images), PICTURES)]
    pictures.imshow(np.vstack(rows), cmap="gray_r")
    pictures.axis("off")
    figure.savefig(path, dpi=80)
