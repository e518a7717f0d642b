"""The error of this package for problems that the user can solve: data, options, a run folder."""

from codec.errors import ResiduumError


class TrainingError(ResiduumError):
    """Training cannot start or continue; `str(error)` is one complete sentence for the user."""


class UsageError(TrainingError):
    """An option of a command is wrong, whatever the data and the run: exit status 2."""
