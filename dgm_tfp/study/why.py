"""How a row differs from what is published of it, and why, as far as the numbers of both tell."""

from dgm_tfp.study.rows import Row

PREFERENCE = {"other": "prefers the other set", "own": "prefers its own set", "undecided": "tells neither"}


def why(row: Row) -> str:
    """Sentences on a row that something is published of; its note on any other."""
    if row["source"] is None or row["auroc"] is None:
        return row["note"] or ""
    return " ".join(part for part in (_direction(row), _distance(row), _fit(row), _training(row), row["note"]) if part)


def _direction(row: Row) -> str:
    if not row["paper_prefers"]:
        return ""
    if row["prefers"] == row["paper_prefers"]:
        return "The same direction."
    return (
        f"ANOTHER DIRECTION: ours {PREFERENCE[row['prefers']]}, the published one {PREFERENCE[row['paper_prefers']]}."
    )


def _distance(row: Row) -> str:
    if row["paper"] is None:
        return "No published AUROC of it is known here."
    if row["low"] <= row["paper"] <= row["high"]:
        return "The published AUROC lies within our interval."
    return f"Ours is {row['auroc'] - row['paper']:+.3f} from the published AUROC, which lies outside our interval."


def _fit(row: Row) -> str:
    if not (row["paper_bits_per_dim"] and row["bits_per_dim"]):
        return ""
    ours, published = row["bits_per_dim"]["own"]["mean"], row["paper_bits_per_dim"][0]
    fits = "fits its data less well" if ours > published else "fits its data at least as well"
    gap = row["bits_per_dim"]["own"]["mean"] - row["bits_per_dim"]["other"]["mean"]
    published_gap = published - row["paper_bits_per_dim"][1]
    return (
        f"Ours {fits}, {ours:.2f} bits/dim on its own test set against {published:.2f}; the other set has "
        f"{gap:+.2f} bits/dim less with ours, {published_gap:+.2f} with theirs."
    )


def _training(row: Row) -> str:
    training = row["training"]
    if not training:
        return ""
    return (
        f"Ours: {training['weights']:,} weights, {training['seconds']:.0f} s and {training['steps']:,} steps of "
        f"training on {training['images']:,} images; theirs: larger networks, trained far longer on the whole sets."
    )
