"""Maps errors to gRPC status codes and messages."""

import logging
import uuid
from collections.abc import Mapping
from concurrent.futures import CancelledError

import grpc

from codec.errors import (
    BundleError,
    InvalidInput,
    Overloaded,
    RecordError,
    ResiduumError,
    UnknownModel,
)

_LOG = logging.getLogger(__name__)
# Messages travel in HTTP/2 headers, 8 KiB at most, where a character can take 12 bytes.
_MAX_CHARACTERS = 600


class AdminOnly(ResiduumError):
    """The RPC is available on the admin port only."""


class ExceedsRequest(InvalidInput):
    """The item and those before it exceed the limits of a request; another request may have it."""


_CODES: Mapping[type[BaseException], grpc.StatusCode] = {
    InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    RecordError: grpc.StatusCode.DATA_LOSS,
    UnknownModel: grpc.StatusCode.NOT_FOUND,
    BundleError: grpc.StatusCode.FAILED_PRECONDITION,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    AdminOnly: grpc.StatusCode.PERMISSION_DENIED,
    CancelledError: grpc.StatusCode.CANCELLED,
}


def status_of(error: BaseException) -> tuple[grpc.StatusCode, str]:
    """Status code and message for the client.

    An unexpected error is logged under a request id; the client gets the id, never the details.
    """
    for kind in type(error).__mro__:
        if kind in _CODES:
            return _CODES[kind], str(error)[:_MAX_CHARACTERS] or "cancelled by the client"
    request_id = uuid.uuid4().hex[:12]
    _LOG.error("request %s failed", request_id, exc_info=error)
    return (
        grpc.StatusCode.INTERNAL,
        f"internal error; the server log has details under {request_id}",
    )


def item_status(error: ResiduumError) -> tuple[grpc.StatusCode, str]:
    """Like `status_of`, for an item of a partial request."""
    code, message = status_of(error)
    exceeds = isinstance(error, ExceedsRequest)
    return (grpc.StatusCode.RESOURCE_EXHAUSTED if exceeds else code), message


def code_name(number: int) -> str:
    """The name of a status code, for example INVALID_ARGUMENT."""
    return next(code.name for code in grpc.StatusCode if code.value[0] == number)
