"""Checks of configuration values; the message is shown to the user.

What a single field can be is part of its type: a `Literal` of choices, or a number with a `Bound`.
Rules about several fields are in the class that has them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from training.errors import TrainingError


class Bound(NamedTuple):
    """Which values a number can have: a condition, and its words."""

    expected: str
    holds: Callable[[Any], bool]


_NOT_NEGATIVE = Bound("0 or more", lambda value: value >= 0)

Count = Annotated[int, _NOT_NEGATIVE]
PositiveCount = Annotated[int, Bound("at least 1", lambda value: value >= 1)]
Channels = Annotated[int, Bound("1 or 3", lambda value: value in (1, 3))]
NotNegative = Annotated[float, _NOT_NEGATIVE]
Positive = Annotated[float, Bound("a positive number", lambda value: value > 0)]
BelowOne = Annotated[float, Bound("a number in [0, 1)", lambda value: 0 <= value < 1)]
Probability = Annotated[float, Bound("a number in [0, 1]", lambda value: 0 <= value <= 1)]
Fraction = Annotated[float, Bound("a number in (0, 1)", lambda value: 0 < value < 1)]


def require(condition: bool, message: str) -> None:
    """Raises TrainingError with the message unless the condition holds."""
    if not condition:
        raise TrainingError(message)


def check_fields(config: object, prefix: str = "") -> None:
    """Raises TrainingError for the first field whose value its type does not allow."""
    for name, kind in get_type_hints(type(config), include_extras=True).items():
        value = getattr(config, name)
        if get_origin(kind) is Literal:
            choices = get_args(kind)
            require(
                value in choices, f"{prefix}{name} is '{value}'; it can be {', '.join(choices)}"
            )
        for bound in getattr(kind, "__metadata__", ()):
            if isinstance(bound, Bound):
                require(bound.holds(value), f"{prefix}{name} is {value}; {bound.expected} expected")
