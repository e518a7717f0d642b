"""Checks of configuration values; the message is shown to the user."""

from __future__ import annotations

from training.errors import TrainingError


def require(condition: bool, message: str) -> None:
    """Raise TrainingError with the message unless the condition holds."""
    if not condition:
        raise TrainingError(message)


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise TrainingError unless the value is one of the choices."""
    require(value in choices, f"{name} is '{value}'; it can be {', '.join(choices)}")
