"""The errors of this library.

    ResiduumError
    ├── InvalidInput      an image, a number of records or an option is invalid
    ├── RecordError       the record is damaged, cut short, or was made by another model
    ├── ArchiveError      the archive is damaged, cut short, in use, or of another model
    ├── UnknownModel      the server has no such model
    ├── BundleError       the bundle of the model is damaged, or lacks what the call needs
    ├── Unauthenticated   the server does not know the token or certificate, or there is none
    ├── PermissionDenied  the token or certificate does not allow the call
    ├── Overloaded        the server is busy; the same call may succeed later
    ├── Unavailable       no server answers at the address, or it is shutting down
    ├── DeadlineExceeded  no response within the timeout
    ├── ServerError       the server failed, or its response makes no sense
    └── NotInstalled      offline use without the extra `offline`

`str(error)` is one sentence: the server's own wherever it sent one.
"""

import re
from typing import Self, TypeVar

_PLACE = re.compile(r"^(?P<kind>image|record) (?P<index>\d+): ")


class ResiduumError(Exception):
    """Base class of all errors of this library.

    `index` is the position of the image or record at fault in the list that the caller gave, or
    None. `str(error)` is one sentence, which starts with that position.
    """

    def __init__(self, sentence: str, *, index: int | None = None) -> None:
        super().__init__(sentence)
        self.index = index

    @property
    def reason(self) -> str:
        """The sentence without a leading `image 3: ` or `record 3: `."""
        return str(self) if self.index is None else _PLACE.sub("", str(self))

    def at(self, noun: str, index: int) -> Self:
        """The same error of the image or record (`noun`) at this index of a list."""
        return self._placed(f"{noun} {index}: {self.reason}", index)

    def alone(self) -> Self:
        """The same error of the only image or record of a call, without its index."""
        return self._placed(self.reason, None)

    def _placed(self, sentence: str, index: int | None) -> Self:
        return type(self)(sentence, index=index)


class InvalidInput(ResiduumError):
    """An image, a number of records or an option is invalid."""


class RecordError(ResiduumError):
    """The record is damaged, cut short, or was made by another model."""


class ArchiveError(ResiduumError):
    """The archive is damaged, cut short, in use, or of another model."""


class UnknownModel(ResiduumError):
    """The server has no model of this name and version."""


class BundleError(ResiduumError):
    """The bundle of the model is damaged, or lacks what the call needs."""


class Unauthenticated(ResiduumError):
    """The server does not know the token or the certificate of the client, or there is none."""


class PermissionDenied(ResiduumError):
    """The token or the certificate of the client does not allow the call."""


class Overloaded(ResiduumError):
    """The server is busy; the same call may succeed later.

    `retry_delay` is after how many seconds the server asks for the next attempt; None if it does
    not say.
    """

    def __init__(
        self, sentence: str, *, index: int | None = None, retry_delay: float | None = None
    ) -> None:
        super().__init__(sentence, index=index)
        self.retry_delay = retry_delay

    def _placed(self, sentence: str, index: int | None) -> Self:
        return type(self)(sentence, index=index, retry_delay=self.retry_delay)


class Unavailable(ResiduumError):
    """No server answers at the address, it is shutting down, or the client is closed."""


class DeadlineExceeded(ResiduumError):
    """No response came within the timeout."""


class ServerError(ResiduumError):
    """The server failed, or its response makes no sense."""


class NotInstalled(ResiduumError):
    """Offline use needs the extra `offline`, which is not installed."""


E = TypeVar("E", bound=ResiduumError)


def from_sentence(kind: type[E], sentence: str) -> E:
    """The error with this sentence, and with the index of a leading `image 3: ` or `record 3: `."""
    place = _PLACE.match(sentence)
    return kind(sentence, index=None if place is None else int(place["index"]))
