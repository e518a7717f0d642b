"""Jobs: the images or records of calls, and the slices in which they are computed."""

import math
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from codec.errors import ResiduumError

# Most seconds for which the order of calls looks ahead. A call that can wait longer is as urgent as
# one with this deadline: it is overtaken, but not for ever.
PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Task:
    """What is computed: `run` maps items to one outcome each.

    Items of jobs with equal `key` are computed together. Tasks with an equal `cost_key` cost about
    the same for an item of the same size.
    """

    key: Hashable
    cost_key: tuple[str, ...]
    run: Callable[[Sequence[Any]], Sequence[Any]]


@final
class Reply:
    """The outcomes of a job, or its error, for the one thread that waits for them.

    A bare lock: a Future would wake its thread twice, which costs more than to compute an image.
    """

    def __init__(self) -> None:
        self._missing = threading.Lock()
        self._missing.acquire()
        self._value: list[Any] | BaseException = []

    def set(self, value: list[Any] | BaseException) -> None:
        """Ends the wait."""
        self._value = value
        self._missing.release()

    def done(self) -> bool:
        """Whether there is a result."""
        return not self._missing.locked()

    def result(self, timeout: float = -1) -> list[Any]:
        """The outcomes, as soon as they are there; -1 waits for ever. Raises the error."""
        if not self._missing.acquire(timeout=timeout):
            raise TimeoutError
        self._missing.release()
        if isinstance(self._value, BaseException):
            raise self._value
        return self._value


@dataclass(slots=True, eq=False, kw_only=True)
class Job:
    """The items of a call, and the outcomes of those that are computed.

    `pixels` are the sizes of the items; `deadline`, `arrived` and `started`, when the first items
    were taken, are moments of the queue's clock.
    With `first_error_only`, an item with an error ends the job.
    """

    task: Task
    items: Sequence[Any]
    pixels: Sequence[int]
    deadline: float = math.inf
    first_error_only: bool = False
    still_wanted: Callable[[], bool] = lambda: True
    arrived: float = 0.0
    started: float = math.inf
    outcomes: list[Any] = field(default_factory=list)
    reply: Reply = field(default_factory=Reply)
    taken: int = 0
    pixels_left: int = 0

    def __post_init__(self) -> None:
        self.pixels_left = sum(self.pixels)

    @property
    def urgency(self) -> float:
        """The moment by which jobs are ordered."""
        return min(self.deadline, self.arrived + PATIENCE)

    @property
    def items_left(self) -> int:
        """Number of items that are in no slice yet."""
        return len(self.items) - self.taken

    def take(self, count: int) -> "Part":
        """The next `count` items."""
        part = Part(self, self.taken, self.taken + count)
        self.taken = part.stop
        self.pixels_left -= part.pixels
        return part

    def add(self, outcomes: Sequence[Any]) -> None:
        """Adds the outcomes of a part; the last ones end the job."""
        self.outcomes.extend(outcomes)
        failed = self.first_error_only and any(isinstance(o, ResiduumError) for o in outcomes)
        if failed or len(self.outcomes) == len(self.items):
            self.taken = len(self.items)
            self.pixels_left = 0
            self.reply.set(self.outcomes)

    def fail(self, error: BaseException) -> None:
        """Ends the job with an error."""
        self.taken = len(self.items)
        self.pixels_left = 0
        self.reply.set(error)


@dataclass(frozen=True, slots=True)
class Part:
    """Some items of a job, in a slice."""

    job: Job
    start: int
    stop: int

    @property
    def items(self) -> Sequence[Any]:
        """The items."""
        return self.job.items[self.start : self.stop]

    @property
    def pixels(self) -> int:
        """Their pixels together."""
        return sum(self.job.pixels[self.start : self.stop])


@dataclass(frozen=True, slots=True)
class Slice:
    """Parts of jobs with one task, which are computed together."""

    task: Task
    parts: list[Part]
    images: int
    pixels: int
    started: float
    expected: float
    """seconds"""
