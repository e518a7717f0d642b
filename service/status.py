"""Maps errors to gRPC status codes and messages."""

import logging
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import NoReturn

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from codec.errors import (
    BundleError,
    InvalidInput,
    Overloaded,
    RecordError,
    ResiduumError,
    UnknownModel,
)
from service.call import Call, current_call

_LOG = logging.getLogger(__name__)
# Messages travel in HTTP/2 headers, 8 KiB at most, where a character can take 12 bytes.
_MAX_CHARACTERS = 600
# Bounds of the time after which a refused call may be repeated, seconds.
_SHORTEST_RETRY, _LONGEST_RETRY = 0.01, 5.0


class AdminOnly(ResiduumError):
    """The RPC is available on the admin port only."""


class Busy(Overloaded):
    """Overloaded; `reason` is a label of the metric `refusals`, the seconds are when to retry."""

    def __init__(self, sentence: str, reason: str, retry_seconds: float) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.retry_seconds = retry_seconds


class Unavailable(ResiduumError):
    """What would answer is gone or not ready; the same call may succeed later."""


class ExceedsRequest(InvalidInput):
    """The item and those before it exceed the limits of a request; another request may have it."""


_CODES: Mapping[type[BaseException], grpc.StatusCode] = {
    InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    RecordError: grpc.StatusCode.DATA_LOSS,
    UnknownModel: grpc.StatusCode.NOT_FOUND,
    BundleError: grpc.StatusCode.FAILED_PRECONDITION,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    AdminOnly: grpc.StatusCode.PERMISSION_DENIED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    CancelledError: grpc.StatusCode.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """What a client gets for an error; `reason` and `retry_seconds` are those of `Busy`."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    retry_seconds: float | None = None

    def status(self) -> Status:
        """As a message, with RetryInfo for a call that was refused."""
        status = Status(code=self.code.value[0], message=self.message)
        if self.retry_seconds is not None:
            delay = Duration()
            delay.FromMilliseconds(self.retry_milliseconds)
            status.details.add().Pack(RetryInfo(retry_delay=delay))
        return status

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """What a call that was refused ends with: when it may be repeated, in both usual forms."""
        return (
            ("grpc-retry-pushback-ms", str(self.retry_milliseconds)),
            ("grpc-status-details-bin", self.status().SerializeToString()),
        )

    @property
    def retry_milliseconds(self) -> int:
        """How long a client should wait before it repeats a call that was refused."""
        return round(1000 * min(max(self.retry_seconds or 0.0, _SHORTEST_RETRY), _LONGEST_RETRY))


def failure_of(error: BaseException) -> Failure:
    """Status code and message for the client.

    An unexpected error is logged under the id of the call, which the client gets, never details.
    """
    for kind in type(error).__mro__:
        if kind in _CODES:
            message = str(error)[:_MAX_CHARACTERS] or "cancelled by the client"
            if isinstance(error, Busy):
                return Failure(_CODES[kind], message, error.reason, error.retry_seconds)
            return Failure(_CODES[kind], message)
    request_id = (current_call() or Call()).request_id
    _LOG.error("request %s failed", request_id, exc_info=error)
    return Failure(
        grpc.StatusCode.INTERNAL,
        f"internal error; the server log has details under {request_id}",
    )


def abort(context: grpc.ServicerContext, failure: Failure) -> NoReturn:
    """Ends a call, and says when one that was refused may be repeated."""
    if failure.retry_seconds is not None:
        context.set_trailing_metadata(failure.trailing_metadata())
    context.abort(failure.code, failure.message)


def item_status(error: ResiduumError) -> tuple[grpc.StatusCode, str]:
    """Code and message for an item of a partial request."""
    failure = failure_of(error)
    exceeds = isinstance(error, ExceedsRequest)
    return (grpc.StatusCode.RESOURCE_EXHAUSTED if exceeds else failure.code), failure.message


def code_name(number: int) -> str:
    """The name of a status code, for example INVALID_ARGUMENT."""
    return next(code.name for code in grpc.StatusCode if code.value[0] == number)
