"""What a comparison asks for many times is computed once."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
Answer = TypeVar("Answer")

_memory: ContextVar[dict[tuple, tuple[Any, tuple]] | None] = ContextVar("memory", default=None)


@contextmanager
def remembering() -> Iterator[None]:
    """Within this block a `remembered` function is computed once for the same arguments, told apart by identity.

    The models and arrays among them must not change meanwhile.
    """
    token = _memory.set({})
    try:
        yield
    finally:
        _memory.reset(token)


def remembered(function: Callable[P, Answer]) -> Callable[P, Answer]:
    """Makes a function of positional arguments answer from memory within `remembering`; elsewhere it is as it was."""

    @functools.wraps(function)
    def answer(*args: P.args, **kwargs: P.kwargs) -> Answer:
        memory = _memory.get()
        if memory is None or kwargs:
            return function(*args, **kwargs)
        key = (function, *map(id, args))
        if key not in memory:
            memory[key] = (
                function(*args, **kwargs),
                args,
            )  # the arguments are held: an identity is unique among the living
        return memory[key][0]

    return answer
