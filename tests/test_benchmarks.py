"""The runner of the benchmarks: its rows, and what it does with a worker that fails. Nothing here is timed."""

import sys
import time

import numpy as np
import pytest

from benchmarks import interleave, table
from benchmarks.interleave import fastest, rounds, timed
from benchmarks.worker import Worker, WorkerError

SERVER = """
import os, time
from benchmarks.worker import serve

def noisy():
    print("a library says hello", flush=True)
    return {"ms": 2.5}

def failing():
    raise ValueError("no such\\nflow")

serve({
    "train": noisy,
    "fail": failing,
    "die": lambda: os._exit(3),
    "hang": lambda: time.sleep(60),
    "words": lambda: {"ms": "fast"},
    "nothing": lambda: {},
})
"""


@pytest.fixture
def worker(request):
    worker = Worker("toy", [sys.executable, "-c", SERVER], patience=getattr(request, "param", 30))
    yield worker
    worker.close()


def test_a_worker_answers_and_its_prints_do_not_get_in_the_way(worker):
    assert rounds({"toy": worker.program("train")}, count=2, warmup=1) == {"toy": [2.5, 2.5]}


def test_a_worker_that_fails_tells_why_and_goes_on(worker):
    with pytest.raises(WorkerError, match=r"^toy: failed when asked to fail: ValueError: no such flow$"):
        worker.ask("fail")
    with pytest.raises(WorkerError, match="failed when asked to dance: KeyError"):
        worker.ask("dance")
    assert worker.program("train")() == 2.5


def test_a_worker_that_dies(worker):
    with pytest.raises(WorkerError, match=r"toy: ended with code 3 when asked to die\. It said nothing"):
        worker.ask("die")
    with pytest.raises(WorkerError, match="toy: ended with code 3 when asked to train"):
        worker.ask("train")


def test_a_worker_that_dies_at_the_start_has_its_last_words_told():
    worker = Worker("toy", [sys.executable, "-c", "import sys; sys.exit('no module named flows')"])
    with pytest.raises(
        WorkerError, match=r"ended with code 1 when asked to train\. Its last words: no module named flows"
    ):
        worker.ask("train")
    worker.close()


@pytest.mark.parametrize("worker", [1], indirect=True)
def test_a_worker_that_hangs_is_ended(worker):
    with pytest.raises(WorkerError, match="toy: gave no answer in 1 s when asked to hang"):
        worker.ask("hang")


@pytest.mark.parametrize("do", ["words", "nothing"])
def test_a_time_that_is_none(worker, do):
    with pytest.raises(WorkerError, match=f"when asked to {do}; expected its time in ms"):
        worker.program(do)()


@pytest.mark.parametrize("line", ["nonsense", "[1, 2]"])
def test_an_answer_that_is_no_object(line):
    worker = Worker("toy", [sys.executable, "-c", f"input(); print('{line}', flush=True); input()"])
    with pytest.raises(WorkerError, match=r"answered '.*' when asked to train; expected a JSON object"):
        worker.ask("train")
    worker.close()


def test_a_program_that_is_not_there():
    with pytest.raises(WorkerError, match="toy: cannot start /no/such/python: No such file"):
        Worker("toy", ["/no/such/python"])


def test_each_round_runs_every_program_once_and_no_program_is_always_first(monkeypatch):
    monkeypatch.setattr(interleave, "PAUSE", 0)
    calls = []
    programs = {name: lambda i=i: calls.append(i) or float(i) for i, name in enumerate("abc")}
    times = rounds(programs, count=29, warmup=1)
    assert times == {name: [float(i)] * 29 for i, name in enumerate("abc")}
    by_round = np.reshape(calls, (30, 3))
    assert (np.sort(by_round, axis=1) == np.arange(3)).all()
    assert (np.bincount(by_round[:, 0], minlength=3) > 5).all()
    rounds(programs, count=29, warmup=1)
    assert calls[90:] == calls[:90]


def test_a_program_is_timed_in_milliseconds():
    assert 20 <= rounds({"nap": timed(lambda: time.sleep(0.02) or 0)}, count=1, warmup=0)["nap"][0] < 10_000


def test_the_ratio_is_the_median_of_the_ratios_of_each_round():
    row = table.row("step", [1.0, 30.0, 4.0], "peer", [2.0, 10.0, 10.0], bar=0.5)
    assert (row["ratio"], row["met"], row["rounds"]) == (0.5, True, 3)
    assert (row["ours_ms"], row["peer_ms"]) == (4.0, 10.0)


def test_the_fastest_peer_is_the_one_that_counts():
    times = {"ours": [3.0, 3.0, 3.0], "slow": [9.0, 9.0, 9.0], "quick": [2.0, 2.0, 50.0]}
    assert fastest(times) == "quick"
    row = table.against_the_fastest("step", times, bar=0.8)
    assert (row["peer"], row["ratio"], row["met"]) == ("quick", 1.5, False)
    assert row["all_ms"] == {"ours": 3.0, "slow": 9.0, "quick": 2.0}


def test_a_missed_bar_stays_in_the_table_and_the_plot(tmp_path):
    rows = [table.row("kept", [1.0], "peer", [2.0], bar=0.8), table.row("missed", [1.0], "peer", [1.0], bar=0.8)]
    kept, missed = table.markdown(rows).splitlines()[-2:]
    assert kept == "| kept | 1.0 | peer | 2.0 | 0.5 | 0.8 | yes |"
    assert missed == "| missed | 1.0 | peer | 1.0 | 1.0 | 0.8 | **no**: 1.25 of the bar |"
    table.plot(rows, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
