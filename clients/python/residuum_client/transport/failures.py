"""Failed calls: the error of each status of gRPC, with a finished sentence."""

import os
import re
from collections.abc import Iterable
from typing import Any, Protocol

import grpc

from residuum_client.errors import (
    BundleError,
    DeadlineExceeded,
    InvalidInput,
    Overloaded,
    PermissionDenied,
    RecordError,
    ResiduumError,
    ServerError,
    Unauthenticated,
    Unavailable,
    UnknownModel,
    from_sentence,
)
from residuum_client.transport.address import EXPECTED, check_targets, proxy_in_the_way


class RpcFailure(Protocol):
    """The error of a failed call, of `grpc` or `grpc.aio`."""

    def code(self) -> grpc.StatusCode:
        """The gRPC status."""

    def details(self) -> str | None:
        """The sentence of the server or of gRPC."""

    def trailing_metadata(self) -> Iterable[Any] | None:
        """Names and values that the server sent at the end of the call."""


STATUS = grpc.StatusCode
_BY_STATUS: dict[grpc.StatusCode, type[ResiduumError]] = {
    STATUS.INVALID_ARGUMENT: InvalidInput,
    STATUS.DATA_LOSS: RecordError,
    STATUS.NOT_FOUND: UnknownModel,
    STATUS.FAILED_PRECONDITION: BundleError,
    STATUS.UNAUTHENTICATED: Unauthenticated,
    STATUS.PERMISSION_DENIED: PermissionDenied,
    STATUS.RESOURCE_EXHAUSTED: Overloaded,
    STATUS.UNAVAILABLE: Unavailable,
    STATUS.DEADLINE_EXCEEDED: DeadlineExceeded,
}
_BY_NUMBER = {status.value[0]: kind for status, kind in _BY_STATUS.items()}
# Statuses of a call that would fail in the same way with any other images or records.
_OF_EVERY_CALL = frozenset(
    (
        STATUS.NOT_FOUND,
        STATUS.FAILED_PRECONDITION,
        STATUS.UNIMPLEMENTED,
        STATUS.UNAUTHENTICATED,
        STATUS.PERMISSION_DENIED,
    )
)
# Sentences of gRPC itself, not of the server, with a status that both use.
_TRANSPORT = re.compile(
    r"connections to all backends failing|failed to connect|errors? resolving|DNS resolution"
    r"|empty address list|Socket closed|Stream removed|recvmsg|sendmsg|Connection reset|Broken pipe"
    r"|GOAWAY|Cancelling all calls|Endpoint closing|keepalive|ping timeout|Channel closed"
    r"|HTTP proxy",
    re.IGNORECASE,
)
# Parts of these sentences, the first that is found, and what they mean.
_REASONS = {
    r"resolv|DNS|empty address": "the name is unknown",
    r"refused": "connection refused",
    r"No such file": "there is no such socket",
    r"unreachable|no route": "the network is unreachable",
    r"timed out|timeout": "the connection timed out",
    r"WRONG_VERSION_NUMBER": "it uses no TLS; leave out the credentials",
    r"CERTIFICATE_VERIFY_FAILED|Hostname Verification": (
        "its certificate is not trusted, or is for another name"
    ),
    r"handshake|certificate|\bSSL": "the TLS handshake failed",
    r"(backends failing|failed to connect).*Socket closed": (
        "it closed the connection; with TLS it needs credentials, with mutual TLS also a "
        "certificate of the client that it trusts"
    ),
    r"": "the connection was lost",
}
# What gRPC says, with the status UNKNOWN, of an address in a scheme that does not take it.
_NO_ADDRESS = "the target uri is not valid"
# In milliseconds; gRPC's own retries wait that long, too.
_PUSHBACK = "grpc-retry-pushback-ms"
_TOO_LARGE = re.compile(r"larger than max \((\d+) vs\. (\d+)\)")


def fails_every_call(failure: RpcFailure) -> bool:
    """Whether the call would fail in the same way with any other images or records."""
    return failure.code() in _OF_EVERY_CALL or _NO_ADDRESS in (failure.details() or "")


def from_rpc(failure: RpcFailure, *, target: str, timeout: float, items: int = 0) -> ResiduumError:
    """The error of a failed call with a number of images or records."""
    details = failure.details() or ""
    kind = _BY_STATUS.get(failure.code(), ServerError)
    if _NO_ADDRESS in details:
        return InvalidInput(f"gRPC does not accept the address {target!r}; {EXPECTED}")
    if kind is Overloaded and (sizes := _TOO_LARGE.search(details)):
        return _too_large(*sizes.groups(), in_response="CLIENT:" in details, items=items)
    if kind is Unavailable and _TRANSPORT.search(details):
        return Unavailable(f"no server answers at {target}: {_reason(details)}{_proxy(target)}")
    if kind is DeadlineExceeded and details in ("", "Deadline Exceeded"):
        return DeadlineExceeded(f"no answer from {target} within {timeout:g} s{_proxy(target)}")
    if kind is ServerError:
        return ServerError(
            f"{target} failed with {failure.code().name}: {details or 'no reason given'}"
        )
    error = from_sentence(kind, details or f"{target} answered {failure.code().name}")
    if isinstance(error, Overloaded):
        error.retry_delay = _retry_delay(failure)
    return error


def of_item(code: int, message: str) -> ResiduumError:
    """The error of one item of a partial response."""
    return _BY_NUMBER.get(code, ServerError)(message or f"failed with the status {code}")


def _too_large(size: str, limit: str, *, in_response: bool, items: int) -> ResiduumError:
    """The error of a message that is too large.

    gRPC reports it as overload, but it would fail again; with one image, that one is to blame.
    """
    index = 0 if items == 1 else None
    if in_response:
        sentence = f"the response has {size} bytes, this client takes at most {limit}"
    else:
        sentence = f"makes a message of {size} bytes, the server takes at most {limit}"
    return InvalidInput(sentence, index=index)


def _retry_delay(failure: RpcFailure) -> float | None:
    """Seconds that the server asks to wait; None if it does not, or asks for no other attempt."""
    for name, value in failure.trailing_metadata() or ():
        if name == _PUSHBACK and isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value[:9]) / 1000
    return None


def _proxy(target: str) -> str:
    """Names the proxy in the way to one of the addresses, if there is any."""
    proxies = (proxy_in_the_way(one, os.environ) for one in check_targets(target))
    proxy = next(filter(None, proxies), "")
    return f"; {proxy}" if proxy else ""


def _reason(details: str) -> str:
    """Why a connection failed, without gRPC's internals and without the address."""
    return next(plain for pattern, plain in _REASONS.items() if re.search(pattern, details, re.I))
