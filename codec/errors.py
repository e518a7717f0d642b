"""All errors that this software raises on purpose.

    ResiduumError
    ├── InvalidInput    an image, a number of records or an option is not accepted
    ├── RecordError     the record is damaged, truncated, or belongs to another model
    ├── ArchiveError    the archive is damaged, truncated, in use, or belongs to another model
    ├── UnknownModel    no model of this name and version is loaded
    ├── BundleError     the bundle is incomplete, damaged, or has another format
    └── Overloaded      too much work is queued; the same call may succeed later

`str(error)` is a sentence for the user: what was found and what was expected.
"""

from typing import Self


class ResiduumError(Exception):
    """Base class of all errors that this software raises on purpose."""

    def at(self, what: str, index: int) -> Self:
        """The same error with the number of the item that caused it: "image 3: ..."."""
        return type(self)(f"{what} {index}: {self}")


class InvalidInput(ResiduumError):
    """An image, a number of records or an option is not accepted."""


class RecordError(ResiduumError):
    """The record is damaged, truncated, or belongs to another model."""


class ArchiveError(ResiduumError):
    """The archive is damaged, truncated, in use, or belongs to another model."""


class UnknownModel(ResiduumError):
    """No model of this name and version is loaded."""


class BundleError(ResiduumError):
    """The bundle is incomplete, damaged, or has another format."""


class Overloaded(ResiduumError):
    """Too much work is queued; the same call may succeed later."""


def printable(text: str) -> str:
    """One line of a message, without what a terminal would act on; paths may hold anything."""
    return "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )
