"""What the numbers say, in words: sentences that are chosen by looking at the rows."""

from collections.abc import Sequence

from dgm_tfp.study.rows import Row

PREFERENCE = {"other": "prefers the other set", "own": "prefers its own set", "undecided": "tells neither"}


def why(row: Row) -> str:
    """How a row differs from what is published of it, and why, as far as its own numbers tell."""
    if row["source"] is None or row["auroc"] is None:
        return row["note"] or ""
    return " ".join(part for part in (_sign(row), _size(row), _training(row)) if part)


def findings(table: Sequence[Row]) -> list[str]:
    """A sentence for each question of the paper that the rows answer."""
    sentences = []
    for row in table:
        if row["score"] == "likelihood" and row["auroc"] is not None and row["experiment"] in PARADOX:
            verdict = f"{PREFERENCE[row['prefers']]} (AUROC {row['auroc']:.3f}, {row['low']:.3f} to {row['high']:.3f})"
            what = f"{row['model']} trained on {row['train']}, told from {row['test']} by likelihood"
            sentences.append(f"{what}: {verdict}{_beside_paper(row)}.")
    absent = sum(row["auroc"] is None for row in table)
    if absent:
        sentences.append(f"{absent} rows have no number: their notes say why.")
    return sentences


PARADOX = ("glow", "reversed", "vae", "pixelcnn", "constant_volume")


def _beside_paper(row: Row) -> str:
    if not row["paper_prefers"]:
        return ""
    if row["prefers"] == row["paper_prefers"]:
        return ", as in the paper"
    return f", unlike the paper, whose model {PREFERENCE[row['paper_prefers']]}"


def _sign(row: Row) -> str:
    if not row["paper_prefers"]:
        return ""
    if row["prefers"] == row["paper_prefers"]:
        return "The same direction."
    return (
        f"ANOTHER DIRECTION: ours {PREFERENCE[row['prefers']]}, the published one {PREFERENCE[row['paper_prefers']]}."
    )


def _size(row: Row) -> str:
    parts = []
    if row["paper"] is None:
        parts.append("No AUROC of it is known here.")
    elif row["low"] <= row["paper"] <= row["high"]:
        parts.append("The published AUROC lies within our interval.")
    else:
        parts.append(f"Ours is {row['auroc'] - row['paper']:+.3f} from the published AUROC, outside our interval.")
    if row["paper_bits_per_dim"] and row["bits_per_dim"]:
        ours, published = row["bits_per_dim"]["own"]["mean"], row["paper_bits_per_dim"][0]
        fits = "fits its data less well" if ours > published else "fits its data at least as well"
        parts.append(f"Ours {fits}: {ours:.2f} bits/dim on its own test set against {published:.2f}.")
    return " ".join(parts)


def _training(row: Row) -> str:
    training = row["training"]
    if not training:
        return ""
    return (
        f"Ours has {training['weights']:,} weights and was trained for {training['seconds']:.0f} s, "
        f"{training['steps']:,} steps, on {training['images']:,} images; the published ones are larger and were "
        "trained for hours or days."
    )
