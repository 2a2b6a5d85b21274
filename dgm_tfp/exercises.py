"""Checks of a lab's exercises: an expectation that fails is a sentence, not a traceback from deep inside.

    with check("Exercise 1"):  # prints a verdict, never raises
        expect(slope(3.0) == 0.5, "the slope of z = 0.5 x - 2.5 is 0.5 everywhere")

An exercise that raises NotImplementedError is not done yet. `graded` is the same for the grader: it raises.
The words are the notebook's, in its language; this module has none of its own.
"""

import contextlib
import traceback
from collections.abc import Iterator


class Wrong(AssertionError):
    """An expectation that failed. A notebook shows its one sentence and no traceback."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for it
        return [str(self)]


def expect(condition: object, message: str) -> None:
    """Raises `Wrong(message)` unless `condition` is true."""
    if not condition:
        raise Wrong(message)


@contextlib.contextmanager
def check(title: str) -> Iterator[None]:
    """Prints the verdict on the block: ✓ title, ✗ title with what is wrong, or … title while it is not done yet."""
    try:
        yield
    except NotImplementedError as error:
        print(f"… {title}: {error}")
    except Exception as error:
        print(f"✗ {title}: {_sentence(error)}")
    else:
        print(f"✓ {title}")


@contextlib.contextmanager
def graded(title: str) -> Iterator[None]:
    """Raises `Wrong` with one sentence where the block raises anything: no points."""
    try:
        yield
    except Exception as error:
        raise Wrong(f"{title}: {_sentence(error)}") from None


def _sentence(error: Exception) -> str:
    """The message of an expectation; of any other error also its type, and the line of the notebook it comes from."""
    if isinstance(error, Wrong | NotImplementedError):
        return str(error)
    text = f"{type(error).__name__}: {error}"
    cells = [frame for frame in traceback.extract_tb(error.__traceback__) if "ipykernel" in frame.filename]
    return f"{text}  ←  {cells[-1].line}" if cells and cells[-1].line else text
