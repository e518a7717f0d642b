"""Files on their way through a model: each is read once, and has one outcome."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from residuum_client.commands.inputs import Content
from residuum_client.errors import ResiduumError

R = TypeVar("R")
C = TypeVar("C", bound=Content)
# Turns the bytes of files into one outcome each, in order: a result, or why there is none.
Call = Callable[[Iterable[bytes]], Iterable[R | ResiduumError]]


def outcomes(contents: Iterable[C], call: Call[R]) -> Iterator[tuple[C, R | ResiduumError]]:
    """Each file with its outcome, in order and in constant memory; `call` may read ahead.

    The outcome of a file that cannot be read is its error. Raises ResiduumError if the fault is not
    in a single file.
    """
    reading: deque[C] = deque()

    def read_ahead() -> Iterator[bytes]:
        for content in contents:
            reading.append(content)
            if content.error is None:
                yield content.data

    for outcome in call(read_ahead()):
        yield from _unreadable(reading)
        yield reading.popleft(), outcome
    yield from _unreadable(reading)


def _unreadable(reading: deque[C]) -> Iterator[tuple[C, ResiduumError]]:
    """Takes the files before the next one with bytes."""
    while reading and (error := reading[0].error) is not None:
        yield reading.popleft(), error
