"""The peers of one row: each in the mode that is fastest on this machine, found by trying them all.

A peer on PyTorch is a process for each of its modes; TFP's stands in this process.
"""

import json
import os
import statistics
from collections.abc import Callable
from pathlib import Path

from benchmarks import tfp_flows
from benchmarks.interleave import fastest, rounds
from benchmarks.table import rounded
from benchmarks.worker import Worker, WorkerError

PYTHON = Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"
TRIALS = 5  # rounds to choose a mode by
NEAR = 0.05  # by how much the number of parameters may differ from ours

Programs = dict[str, Callable[[], float]]


def _actions(model: str, mode: str) -> tuple[str, ...]:
    """What a mode of PyTorch's changes. Sampling from MAF is not compiled: PyTorch writes out a loop's 315 passes."""
    if mode == "fused Adam":
        return ("train",)
    if mode == "torch.compile" and model == "maf":
        return ("train", "log_prob")
    return ("train", "log_prob", "sample")


def torch_worker(task: dict, mode: str) -> Worker:
    """A process for one of `peers_torch.main`'s tasks, with as many threads as TensorFlow takes."""
    task = {**task, "mode": mode, "threads": os.cpu_count()}
    return Worker(f"{task['flow']}, {mode}", [str(PYTHON), "-m", "benchmarks.peers_torch", json.dumps(task)])


class Peers:
    """The programs of the peers of one model, and an account of them.

    Args:
      model: "maf", "real_nvp" or "glow", for the names in `torch_flows.FLOWS`.
      sizes: the arguments of the functions there.
      x: the examples that ours gets too, of shape (batch, ...).
      parameters: of ours.
      libraries: and the modes to try.
    """

    def __init__(self, model: str, sizes: dict, x, parameters: int, libraries: dict[str, tuple[str, ...]]):
        self.model, self.sizes, self.x = model, sizes, x
        self.workers: list[Worker] = []
        self.account: dict[str, dict] = {}
        self.modes: dict[str, dict[str, Programs]] = {}  # library, mode, action
        for library, modes in libraries.items():
            self.account[library], self.modes[library] = {"tried": {}, "chosen": {}, "failed": {}}, {}
            for mode in modes:
                try:
                    about, programs = self._tfp(mode) if library == "TFP" else self._torch(library, mode)
                except WorkerError as error:
                    self.account[library]["failed"][mode] = str(error)
                    continue
                if abs(about["parameters"] / parameters - 1) > NEAR:
                    raise WorkerError(
                        f"{library} {model} has {about['parameters']} parameters, and ours {parameters}: not the same."
                    )
                self.account[library].update(about)
                self.modes[library][mode] = programs

    def _torch(self, library: str, mode: str) -> tuple[dict, Programs]:
        flow = f"{library} {self.model}"
        task = {"flow": flow, "sizes": self.sizes, "batch": len(self.x), "bytes": self.model == "glow"}
        worker = torch_worker(task, mode)
        self.workers.append(worker)
        return worker.ask("about"), {action: worker.program(action) for action in _actions(self.model, mode)}

    def _tfp(self, mode: str) -> tuple[dict, Programs]:
        peer = tfp_flows.Peer(getattr(tfp_flows, self.model), **self.sizes, x=self.x, xla=mode == "XLA")
        return peer.about(), peer.programs

    def best(self, action: str, trials: int = TRIALS) -> Programs:
        """A program for each library, in the mode that does `action` fastest here.

        A mode that fails is left out, and the account tells of it.
        """
        chosen = {}
        for library, modes in self.modes.items():
            account, working = self.account[library], {}
            for mode, programs in modes.items():
                if action not in programs:
                    continue
                try:
                    programs[action]()  # compiles
                    working[mode] = programs[action]
                except WorkerError as error:
                    account["failed"][f"{action}, {mode}"] = str(error)
            if not working:
                raise WorkerError(f"{library} {self.model}: no mode can {action}: {account['failed']}")
            title = f"{library} {self.model} {action}, its modes"
            chosen[library] = fastest_mode(working, action, account, title, trials)
        return chosen

    def __enter__(self) -> "Peers":
        return self

    def __exit__(self, *_) -> None:
        for worker in self.workers:
            worker.close()


def fastest_mode(
    programs: Programs, action: str, account: dict, title: str, trials: int = TRIALS
) -> Callable[[], float]:
    """Of the programs of several modes the fastest here; what was tried and chosen goes into the account."""
    times = rounds(programs, trials, warmup=1, title=title)
    account["tried"][action] = {mode: rounded(statistics.median(ms)) for mode, ms in times.items()}
    mode = account["chosen"][action] = fastest(times)
    return programs[mode]
