"""Errors for problems that the user can solve, in data, options and runs; how they are shown."""

from codec.errors import ResiduumError


class TrainingError(ResiduumError):
    """Training cannot start or continue; `str(error)` is one complete sentence for the user."""


class UsageError(TrainingError):
    """An option of a command is wrong, whatever the data and the run: exit status 2."""


def printable(text: str) -> str:
    """One line of a message, without what a terminal would act on; paths may hold anything."""
    return "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )
