"""Programs timed in turn: in every round each runs once, so that a slow moment of the machine slows all of them.

The order changes from round to round: the first after a pause may find another clock and other caches than the last.
"""

import random
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
from tqdm import tqdm

PAUSE = 0.02  # seconds. OpenMP's threads spin for some milliseconds after their work, beside the next program's


def rounds(
    programs: Mapping[str, Callable[[], float]], count: int, warmup: int = 3, title: str = "rounds"
) -> dict[str, list[float]]:
    """Milliseconds of each program in each round; the order within a round is shuffled, the same in every run.

    Args:
      programs: each runs once and returns its milliseconds: a function made by `timed`, or a `worker.Worker.program`.
      count: how many rounds.
      warmup: rounds before those, which do not count.
      title: of the progress bar.
    """
    times: dict[str, list[float]] = {name: [] for name in programs}
    order, shuffler = list(programs), random.Random(0)
    for i in tqdm(range(warmup + count), desc=title, mininterval=1):
        shuffler.shuffle(order)
        for name in order:
            time.sleep(PAUSE)
            milliseconds = programs[name]()
            if i >= warmup:
                times[name].append(milliseconds)
    return times


def timed(function: Callable) -> Callable[[], float]:
    """A program that runs `function` in this process, until the numbers that it returns are there."""

    def program() -> float:
        start = time.perf_counter()
        _wait_for(function())
        return 1000 * (time.perf_counter() - start)

    return program


def _wait_for(result) -> None:
    parts = result.values() if isinstance(result, dict) else result if isinstance(result, tuple | list) else [result]
    for part in parts:
        np.asarray(part)


def fastest(times: Mapping[str, list[float]]) -> str:
    """The name with the least median."""
    return min(times, key=lambda name: statistics.median(times[name]))
