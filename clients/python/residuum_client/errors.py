"""The errors of this library.

    ResiduumError
    ├── InvalidInput      an image, a number of records or an option is invalid
    ├── RecordError       the record is damaged, cut short, or was made by another model
    ├── ArchiveError      the archive is damaged, cut short, in use, or of another model
    ├── UnknownModel      the server has no such model
    ├── BundleError       the bundle of the model is damaged, or lacks what the call needs
    ├── Overloaded        the server is busy; the same call may succeed later
    ├── Unavailable       no server answers at the address, or it is shutting down
    ├── DeadlineExceeded  no response within the timeout
    ├── ServerError       the server failed, or its response makes no sense
    └── NotInstalled      offline use without the extra `offline`

`str(error)` is one sentence: the server's own wherever it sent one.
"""

import re
from typing import Protocol, TypeVar

import grpc


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


class Overloaded(ResiduumError):
    """The server is busy; the same call may succeed later."""


class Unavailable(ResiduumError):
    """No server answers at the address, it is shutting down, or the client is closed."""


class DeadlineExceeded(ResiduumError):
    """No response came within the timeout."""


class ServerError(ResiduumError):
    """The server failed, or its response makes no sense."""


class NotInstalled(ResiduumError):
    """Offline use needs the extra `offline`, which is not installed."""


E = TypeVar("E", bound=ResiduumError)


class RpcFailure(Protocol):
    """The error of a failed call, of `grpc` or `grpc.aio`."""

    def code(self) -> grpc.StatusCode:
        """The gRPC status."""

    def details(self) -> str | None:
        """The sentence of the server or of gRPC."""


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
# Sentences of gRPC itself, not of the server, with a status that both use.
_TRANSPORT = re.compile(
    r"connections to all backends failing|failed to connect|errors? resolving|DNS resolution"
    r"|empty address list|Socket closed|Stream removed|recvmsg|sendmsg|Connection reset|Broken pipe"
    r"|GOAWAY|Cancelling all calls|Endpoint closing|keepalive|ping timeout|Channel closed",
    re.IGNORECASE,
)
# Parts of these sentences, the first that is found, and what they mean.
_REASONS = {
    r"resolv|DNS|empty address": "the name is unknown",
    r"refused": "connection refused",
    r"unreachable|no route": "the network is unreachable",
    r"timed out|timeout": "the connection timed out",
    r"handshake|certificate|\bSSL": "the TLS handshake failed",
    r"": "the connection was lost",
}
_TOO_LARGE = re.compile(r"larger than max \((\d+) vs\. (\d+)\)")


def from_rpc(failure: RpcFailure, *, target: str, timeout: float, first: int = 0) -> ResiduumError:
    """The error of a failed call; its message starts with the caller's element `first`."""
    details = failure.details() or ""
    kind = _BY_STATUS.get(failure.code(), ServerError)
    if kind is Overloaded and (sizes := _TOO_LARGE.search(details)):
        return _too_large(*sizes.groups(), in_response="CLIENT:" in details, first=first)
    if kind is Unavailable and _TRANSPORT.search(details):
        return Unavailable(f"no server answers at {target}: {_reason(details)}")
    if kind is DeadlineExceeded and details in ("", "Deadline Exceeded"):
        return DeadlineExceeded(f"no answer from {target} within {timeout:g} s")
    if kind is ServerError:
        return ServerError(
            f"{target} failed with {failure.code().name}: {details or 'no reason given'}"
        )
    return with_index(kind, details or f"{target} answered {failure.code().name}", first=first)


def with_index(kind: type[E], sentence: str, *, first: int) -> E:
    """The error with this sentence, its index counted from the `first` element of a longer list."""
    place = _PLACE.match(sentence)
    if place is None:
        return kind(sentence)
    index = first + int(place["index"])
    return kind(f"{place['kind']} {index}: {sentence[place.end() :]}", index=index)


def is_of_one_element(error: ResiduumError) -> bool:
    """Whether a call with one image or record failed because of it, and others may succeed."""
    if isinstance(error, InvalidInput | RecordError):
        return error.index is not None
    return isinstance(error, Overloaded | DeadlineExceeded | ServerError)


def placed(error: E, noun: str, index: int) -> E:
    """The error of one image or record, at its index in the caller's list."""
    placed = type(error)(f"{noun} {index}: {error.reason}", index=index)
    placed.__cause__ = error.__cause__
    return placed


def _too_large(size: str, limit: str, *, in_response: bool, first: int) -> ResiduumError:
    """The error of a message that is too large.

    gRPC reports it as overload, but it would fail again. Only a message of one image can be that
    large, since images are packed into smaller messages.
    """
    if in_response:
        return InvalidInput(f"the response has {size} bytes, this client takes at most {limit}")
    sentence = f"image {first}: makes a message of {size} bytes, the server takes at most {limit}"
    return InvalidInput(sentence, index=first)


def _reason(details: str) -> str:
    """Why a connection failed, without gRPC's internals and without the address."""
    return next(plain for pattern, plain in _REASONS.items() if re.search(pattern, details, re.I))
