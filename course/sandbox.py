"""A process of its own for one submission: its folders, its environment, its limits, and its end with all it started.

This keeps honest mistakes of one submission away from the others. It is no prison: see the instructor's guide.
"""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from course.nbgrader_course import QUIET
from course.project import here

KEPT = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")  # of the environment; what a system may need to start Python
POLL = 0.05  # seconds
# jsonschema would build a grammar of internationalized addresses, which no notebook is checked against: half a second.
START = "import sys; sys.modules['rfc3987_syntax'] = None; from course.grade_one import main; main(sys.argv[1])"


class Stopped(Exception):
    """The process was ended: "timeout", "out of memory" or "interrupted"."""


def environment(folder: Path) -> dict[str, str]:
    """All that a submission's process knows of the machine: where Python is, and folders of its own."""
    folders = {
        "HOME": "home",
        "IPYTHONDIR": "home/ipython",
        "JUPYTER_CONFIG_DIR": "home/jupyter",
        "JUPYTER_DATA_DIR": "home/jupyter",
        "JUPYTER_RUNTIME_DIR": "home/jupyter",
        "KERAS_HOME": "home/keras",
        "MPLCONFIGDIR": "home/matplotlib",
        "TEMP": "tmp",
        "TMP": "tmp",
        "TMPDIR": "tmp",
        "XDG_CACHE_HOME": "home/cache",
        "XDG_CONFIG_HOME": "home/config",
        "XDG_DATA_HOME": "home/data",
    }
    for name in set(folders.values()):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        **{name: str(folder / path) for name, path in folders.items()},
        **QUIET,
        "CUDA_VISIBLE_DEVICES": "-1",  # the smoke profile is made for a CPU, and several run at a time
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONPATH": str(here().root),  # for the grader; it takes it away before the notebook starts
    }


def run(folder: Path, seconds: float, megabytes: int, stop: threading.Event) -> int:
    """Runs `course.grade_one` on `folder` and returns its exit code, or raises `Stopped`.

    Whatever it started and left behind is ended too.
    """
    end = time.monotonic() + seconds
    weigh = 0.0
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", START, str(folder)],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.PIPE,  # it closes when this process dies in whatever way: see grade_one.end_with_parent
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            while True:
                try:
                    return process.wait(POLL)
                except subprocess.TimeoutExpired:
                    pass
                if stop.is_set():
                    raise Stopped("interrupted")
                if time.monotonic() > end:
                    raise Stopped("timeout")
                if time.monotonic() > weigh + 0.5:
                    weigh = time.monotonic()
                    if memory(process.pid) > megabytes * 1_000_000:
                        raise Stopped("out of memory")
        finally:
            end_all(process.pid, folder)
            process.wait()
            if process.stdin:
                process.stdin.close()


def tree(pid: int) -> list[psutil.Process]:
    """A process and what it started, also in sessions of their own as Jupyter's kernels are."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def memory(pid: int) -> int:
    """Bytes that a process and what it started hold."""
    total = 0
    for process in tree(pid):
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


def end_all(pid: int, folder: Path) -> None:
    """Kills a process, what it started, and what lives on with `folder` as its home though its parent is gone."""
    for _ in range(5):  # what starts while we look is met the next time
        found = [process for process in [*tree(pid), *_at_home(folder)] if process.pid != os.getpid()]
        if not found:
            return
        for process in found:
            try:
                process.kill()
            except psutil.Error:
                continue
        psutil.wait_procs(found, timeout=1)


def _at_home(folder: Path) -> list[psutil.Process]:
    home = str(folder / "home")
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("HOME") == home:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found
