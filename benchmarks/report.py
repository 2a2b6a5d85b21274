"""results.md: the table, how sampling grows, what each peer is, and how to repeat it."""

from benchmarks import growth
from benchmarks.table import markdown

ABOUT = """# Benchmarks

`make bench` writes this page, `results.json` and `results.png`. It makes `.venv-peers` for the peers on PyTorch
(`peers-constraints.txt`), and takes about {minutes} minutes on two cores. Let nothing else compute meanwhile: OpenMP's
threads wait for each other by spinning, and PyTorch slows down many times when it has to share a core.

Times in milliseconds, medians over rounds; in each round every program runs once, in turn, and the ratio is the median
of the ratios of each round. The bar is the ratio that we want to stay under. Ours is what a person calls: the step
of `fit` with its metrics, `log_prob`, `sample`; with the defaults, or with `compile(jit_compile=True)` where that is
faster. All in float32, with Adam, the same batch, network
widths and number of threads. A peer on PyTorch runs in a process of its own and takes its time itself.

"""

PEERS = """
## The peers

Each mode of a peer, and of ours, is tried on each task for some rounds, and the fastest is timed in the table.
PyTorch scores and samples in `inference_mode`, what is compiled in `no_grad`. Before that a peer shows that it is the
same model: its parameters are within {near:.0%} of ours in number, its log-densities finite, and data to noise and back
is the data.
"""


def report(results: dict) -> str:
    """The page, from what `run.measure` returned."""
    return "\n".join(
        [
            ABOUT.format(minutes=results["minutes"]),
            markdown(results["rows"]),
            "",
            "![Ratios and bars](results.png)",
            "",
            *[f"- {row['name']}: {_all(row['all_ms'])}." for row in results["rows"] if "all_ms" in row],
            *[f"- {row['name']}, against {row['peer']}: {row['note']}." for row in results["rows"] if "note" in row],
            _growth(results["growth"]),
            PEERS.format(near=results["near"]),
            _peers(results),
            _product(results["product"]),
            _versions(results),
            "",
        ]
    )


def _all(medians: dict) -> str:
    return ", ".join(f"{program} {ms}" for program, ms in medians.items())


def _growth(table: dict) -> str:
    columns = list(next(iter(table.values())))
    lines = [
        "",
        "## How sampling from MAF grows with the dimensions",
        "",
        f"Medians in milliseconds for {growth.BATCH} samples, {growth.STEPS} layers of 2x512; ours of "
        f"{growth.ROUNDS} rounds, the others of one.",
        "",
        "| | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    return "\n".join([*lines, *[f"| {name} | {' | '.join(map(str, row.values()))} |" for name, row in table.items()]])


def _peers(results: dict) -> str:
    lines = ["| model | peer | parameters | task | all its modes, ms | timed |", "|---|---|---|---|---|---|"]
    for model, peers in results["peers"].items():
        for peer, account in peers.items():
            for action, mode in account.get("chosen", {}).items():
                tried = ", ".join(f"{name} {ms}" for name, ms in account["tried"][action].items())
                tried += "".join(
                    f", {name.removeprefix(f'{action}, ')} fails"
                    for name in account["failed"]
                    if name == "torch.compile" or name.startswith(f"{action}, ")
                )
                lines.append(f"| {model} | {peer} | {account['parameters']:,} | {action} | {tried} | {mode} |")
    return "\n".join(lines)


def _product(table: dict) -> str:
    times = ", ".join(f"{ms} ms in {name}" for name, ms in table.items())
    return (
        "\nThe libraries stand on different matrix products: one of (1024, 512) by (512, 512) takes here "
        f"{times}. A part of each ratio to a peer on PyTorch is that; none of the ratio to TFP."
    )


def _versions(results: dict) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return f"\n{versions}; {results['device']}, {results['threads']} threads."
