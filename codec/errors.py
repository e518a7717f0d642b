"""Everything that can go wrong, told apart by whose fault it is.

    ResiduumError
    ├── InvalidInput    the caller gave an image, a record count or an option that cannot be taken
    ├── RecordError     the record is damaged, truncated, or was made by another model
    ├── ArchiveError    the archive is damaged, cut short, in use, or of another model
    ├── UnknownModel    no such model is loaded
    ├── BundleError     the bundle is incomplete, damaged or of another format
    └── Overloaded      too much work is queued; the same call may succeed later

`str(error)` is one finished sentence for the person at fault: what was found, what was expected.
"""


class ResiduumError(Exception):
    """Root of all errors that this software raises on purpose."""


class InvalidInput(ResiduumError):
    """The caller's image or option cannot be taken."""


class RecordError(ResiduumError):
    """The record is damaged, truncated, or was made by another model."""


class ArchiveError(ResiduumError):
    """The archive is damaged, cut short, in use, or of another model."""


class UnknownModel(ResiduumError):
    """No model of this name and version is loaded."""


class BundleError(ResiduumError):
    """The bundle is incomplete, damaged or of another format."""


class Overloaded(ResiduumError):
    """Too much work is queued already; the same call may succeed later."""
