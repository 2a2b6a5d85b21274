"""A program in another process and environment, which is told what to run and answers how long it took.

One JSON object a line each way. A request is {"do": NAME}; an answer is what the function of that name returned, or
{"error": WORDS}. The time of a round is taken inside the worker: the pipe is not part of it.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence


class WorkerError(Exception):
    """A worker died, hung, failed at what it was asked, or answered what is no answer."""


class Worker:
    """The runner's side: starts a process, asks it, ends it.

    Args:
      name: for messages.
      command: the program and its arguments.
      environment: variables for it, beside those of this process.
      patience: seconds to wait for an answer before the process is ended.

    Raises:
      WorkerError: the program cannot be started.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        patience: float = 300,
    ):
        self.name, self.patience = name, patience
        self.words = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it lives as long as the process
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.words,
                text=True,
                env={**os.environ, **(environment or {})},
            )
        except OSError as error:
            raise WorkerError(f"{name}: cannot start {command[0]}: {error.strerror}.") from error

    def ask(self, do: str) -> dict:
        """The answer to a request.

        Raises:
          WorkerError: there is none, or it tells of an error; in one line, with the last words of the process.
        """
        hung = threading.Event()
        timer = threading.Timer(self.patience, lambda: (hung.set(), self.process.kill()))
        timer.start()
        try:
            self.process.stdin.write(json.dumps({"do": do}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            self.process.kill()
            how = f"gave no answer in {self.patience} s" if hung.is_set() else f"ended with code {self.process.wait()}"
            raise WorkerError(f"{self.name}: {how} when asked to {do}. {self._last_words()}")
        try:
            answer = json.loads(line)
        except json.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            raise WorkerError(f"{self.name}: answered {line.strip()!r} when asked to {do}; expected a JSON object.")
        if "error" in answer:
            raise WorkerError(f"{self.name}: failed when asked to {do}: {answer['error']}")
        return answer

    def program(self, do: str) -> Callable[[], float]:
        """One round of what the worker calls `do`, for `interleave.rounds`: its milliseconds."""

        def run() -> float:
            answer = self.ask(do)
            milliseconds = answer.get("ms")
            if not isinstance(milliseconds, int | float) or not milliseconds > 0:
                raise WorkerError(f"{self.name}: answered {answer} when asked to {do}; expected its time in ms.")
            return milliseconds

        return run

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # it is dead
            self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.words.close()

    def _last_words(self) -> str:
        self.words.seek(0)
        lines = [line.strip() for line in self.words.read().splitlines() if line.strip()]
        return f"Its last words: {lines[-1]}" if lines else "It said nothing."


def serve(functions: Mapping[str, Callable[[], dict]]) -> None:
    """The worker's side: answers requests until the runner closes the pipe."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not get among the answers
    for line in sys.stdin:
        do = json.loads(line)["do"]
        try:
            answer = functions[do]()
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
