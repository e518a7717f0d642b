"""Errors to gRPC statuses: the one table, and the one place where a sentence meets the wire."""

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
# Statuses travel in HTTP/2 headers, 8 KiB at most, where a character may take 12 bytes.
_MAX_CHARACTERS = 600


class AdminOnly(ResiduumError):
    """The call is answered on the admin port alone."""


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
    """Code and sentence for the caller.

    What was not foreseen is logged under a request id, and the caller learns that id and no more.
    """
    for kind in type(error).__mro__:
        if kind in _CODES:
            return _CODES[kind], str(error)[:_MAX_CHARACTERS] or "the caller has gone"
    request_id = uuid.uuid4().hex[:12]
    _LOG.error("request %s failed", request_id, exc_info=error)
    return grpc.StatusCode.INTERNAL, f"internal error; the server's log has it as {request_id}"
