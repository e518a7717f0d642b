"""Everything that can go wrong, told apart by whose fault it is.

    ResiduumError
    ├── InvalidInput      the caller's image, record count or option cannot be taken
    ├── RecordError       the record is damaged, truncated, or was made by another model
    ├── ArchiveError      the archive is damaged, cut short, in use, or of another model
    ├── UnknownModel      the server holds no such model
    ├── BundleError       the model's bundle is damaged, or lacks what the call needs
    ├── Overloaded        the server has too much to do; the same call may succeed later
    ├── Unavailable       no server answers there, or it is shutting down
    ├── DeadlineExceeded  no answer within the time that the caller allowed
    ├── ServerError       the server failed, or its answer makes no sense
    └── NotInstalled      offline use, without what it needs

`str(error)` is one finished sentence: the server's own wherever it sent one.
"""

import re
from typing import Protocol, Self

import grpc


class ResiduumError(Exception):
    """Root of all errors that this library raises.

    `index` is the place, in the list that the caller gave, of the image or record at fault, or
    None; `reason` is the sentence without that place.
    """

    def __init__(self, sentence: str, *, index: int | None = None) -> None:
        super().__init__(sentence)
        self.index = index

    @property
    def reason(self) -> str:
        """The sentence without a leading `image 3: ` or `record 3: `."""
        return str(self) if self.index is None else _PLACE.sub("", str(self))

    @classmethod
    def placed(cls, sentence: str, *, first: int) -> Self:
        """The error of a sentence that counts from the `first` element of a longer list."""
        place = _PLACE.match(sentence)
        if place is None:
            return cls(sentence)
        index = first + int(place["index"])
        return cls(f"{place['kind']} {index}: {sentence[place.end() :]}", index=index)


class InvalidInput(ResiduumError):
    """The caller's image or option cannot be taken."""


class RecordError(ResiduumError):
    """The record is damaged, truncated, or was made by another model."""


class ArchiveError(ResiduumError):
    """The archive is damaged, cut short, in use, or of another model."""


class UnknownModel(ResiduumError):
    """The server holds no model of this name and version."""


class BundleError(ResiduumError):
    """The model's bundle is damaged, or lacks what the call needs."""


class Overloaded(ResiduumError):
    """The server has too much to do; the same call may succeed later."""


class Unavailable(ResiduumError):
    """No server answers at the address, or it is shutting down."""


class DeadlineExceeded(ResiduumError):
    """No answer came within the time that the caller allowed."""


class ServerError(ResiduumError):
    """The server failed, or its answer makes no sense."""


class NotInstalled(ResiduumError):
    """Offline use was asked for, but what it needs is not installed."""


class RpcFailure(Protocol):
    """What a failed call of either gRPC interface, threads or asyncio, says about itself."""

    def code(self) -> grpc.StatusCode:
        """The status."""

    def details(self) -> str | None:
        """The sentence."""


_BY_STATUS: dict[grpc.StatusCode, type[ResiduumError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInput,
    grpc.StatusCode.DATA_LOSS: RecordError,
    grpc.StatusCode.NOT_FOUND: UnknownModel,
    grpc.StatusCode.FAILED_PRECONDITION: BundleError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}
_PLACE = re.compile(r"^(?P<kind>image|record) (?P<index>\d+): ")
# Sentences of gRPC itself, not of our server, under a status that both use.
_TRANSPORT = re.compile(
    r"connections to all backends failing|failed to connect|errors? resolving|DNS resolution"
    r"|empty address list|Socket closed|Stream removed|recvmsg|sendmsg|Connection reset|Broken pipe"
    r"|GOAWAY|Cancelling all calls|Endpoint closing|keepalive|ping timeout|Channel closed",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(r"larger than max \((\d+) vs\. (\d+)\)")


def from_rpc(failure: RpcFailure, *, target: str, timeout: float, first: int = 0) -> ResiduumError:
    """The error of a failed call whose message began with the caller's `first` element."""
    details = failure.details() or ""
    kind = _BY_STATUS.get(failure.code(), ServerError)
    if kind is Overloaded and (sizes := _TOO_LARGE.search(details)):
        return _too_large(*sizes.groups(), in_answer="CLIENT:" in details, first=first)
    if kind is Unavailable and _TRANSPORT.search(details):
        return Unavailable(f"no server answers at {target}: {_last(details)}")
    if kind is DeadlineExceeded and details in ("", "Deadline Exceeded"):
        return DeadlineExceeded(f"no answer from {target} within {timeout:g} s")
    if kind is ServerError:
        return ServerError(
            f"{target} failed with {failure.code().name}: {details or 'no reason given'}"
        )
    return kind.placed(details or f"{target} answered {failure.code().name}", first=first)


def _too_large(size: str, limit: str, *, in_answer: bool, first: int) -> ResiduumError:
    """gRPC answers too large a message with the status of overload, yet waiting would not help.

    Only a message of one image gets that large: the packing sees to it.
    """
    if in_answer:
        return InvalidInput(f"the answer has {size} bytes, this client takes at most {limit}")
    sentence = f"image {first}: makes a message of {size} bytes, the server takes at most {limit}"
    return InvalidInput(sentence, index=first)


def _last(details: str) -> str:
    """`connections to all backends failing; last error: UNKNOWN: ipv4:…` without its head."""
    return re.sub(r"^.*last error: (?:[A-Z_]+: )?", "", details)
