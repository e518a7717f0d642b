"""Outcomes: for each item of a list its result, or the error that this item alone caused.

A step over a list takes the items that succeeded before it and puts its results in their places:

    prepared = [attempt(InvalidInput, prepare, image, spec) for image in images]
    records = merge(prepared, write(succeeded(prepared)), InvalidInput)
"""

from collections.abc import Callable, Iterable, Sequence
from typing import ParamSpec, TypeVar

from codec.errors import ResiduumError

T = TypeVar("T")
E = TypeVar("E", bound=ResiduumError)
P = ParamSpec("P")


def attempt(kind: type[E], function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | E:
    """The result of a call, or its error of this kind."""
    try:
        return function(*args, **kwargs)
    except kind as error:
        # The caught error would keep the frames that raised it, and the images in them, in memory.
        return type(error)(str(error))


def succeeded(outcomes: Sequence[T | ResiduumError]) -> list[T]:
    """The results without the errors."""
    return [one for one in outcomes if not isinstance(one, ResiduumError)]


def merge(outcomes: Sequence[object], results: Iterable[T | E], kind: type[E]) -> list[T | E]:
    """The errors of this kind among the outcomes, and for each other outcome the next result."""
    rest = iter(results)
    return [one if isinstance(one, kind) else next(rest) for one in outcomes]


def required(outcomes: Sequence[T | ResiduumError], noun: str) -> list[T]:
    """The results. Raises the first error, if any, with its place: "image 3: ..."."""
    for index, one in enumerate(outcomes):
        if isinstance(one, ResiduumError):
            raise one.at(noun, index)
    return succeeded(outcomes)
