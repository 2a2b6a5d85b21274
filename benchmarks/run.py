"""Runs every benchmark and writes results.json, results.md and results.png beside this file: `make bench`.

A ratio is the median over rounds of ours / peer's, the two run one after the other in each round, so that a slow moment
of the machine slows both. On a machine where other programs compute the numbers mean nothing.
"""

import json
import os
import platform
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks import glow, growth, products, vectors
from benchmarks.peers import NEAR, PYTHON
from benchmarks.report import report
from benchmarks.table import plot
from benchmarks.worker import WorkerError
from dgm_tfp import commands

FOLDER = Path(__file__).parent


def main() -> None:
    if not PYTHON.exists():
        sys.exit(f"{PYTHON.parents[1].name} is missing: run `make bench`, which makes it.")
    try:
        start = time.monotonic()
        results = measure()
        results["minutes"] = round((time.monotonic() - start) / 60)
    except WorkerError as error:
        sys.exit(f"a peer failed: {error}")
    (FOLDER / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (FOLDER / "results.md").write_text(report(results))
    plot(results["rows"], FOLDER / "results.png")
    print(report(results))


def measure() -> dict:
    """Every row, and what is needed to read them."""
    trace = glow.trace_row()  # first: a process that has made many graphs traces more slowly
    own = [*glow.plain_rows(), glow.convolutions_row()]
    glow_rows, glow_peers = glow.peer_rows()
    maf_rows, maf_peers = vectors.rows("maf")
    real_nvp_rows, real_nvp_peers = vectors.rows("real_nvp")
    return {
        "rows": [*maf_rows, *real_nvp_rows, *glow_rows, *own, trace],
        "growth": growth.table(),
        "product": products.table(),
        "peers": {"MAF": maf_peers, "RealNVP": real_nvp_peers, "Glow": glow_peers},
        "versions": commands.versions() | maf_peers["zuko"]["versions"],
        "device": f"{platform.machine()}, {commands.device()}",
        "threads": os.cpu_count(),
        "near": NEAR,
    }


if __name__ == "__main__":
    main()
