"""Errors for problems that the user can solve, in data, options and runs; how they are shown."""

from codec.errors import ResiduumError


class TrainingError(ResiduumError):
    """Training cannot start or continue; `str(error)` is one complete sentence for the user."""


class UsageError(TrainingError):
    """An option of a command is wrong, whatever the data and the run: exit status 2."""
