"""Which status code and message a client gets for each error."""

from concurrent.futures import CancelledError

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo

from codec.errors import (
    BundleError,
    InvalidInput,
    Overloaded,
    RecordError,
    ResiduumError,
    UnknownModel,
)
from service.status import AdminOnly, Busy, Failure, failure_of

CODE = grpc.StatusCode


class Special(InvalidInput):
    """An error that is not in the table, but its parent class is."""


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (InvalidInput, CODE.INVALID_ARGUMENT),
        (Special, CODE.INVALID_ARGUMENT),
        (RecordError, CODE.DATA_LOSS),
        (UnknownModel, CODE.NOT_FOUND),
        (BundleError, CODE.FAILED_PRECONDITION),
        (Overloaded, CODE.RESOURCE_EXHAUSTED),
        (AdminOnly, CODE.PERMISSION_DENIED),
    ],
)
def test_each_error_has_its_code_and_keeps_its_message(kind, code):
    assert failure_of(kind("what was found")) == Failure(code, "what was found")


def test_a_call_cancelled_by_its_client_is_cancelled():
    assert failure_of(CancelledError()) == Failure(CODE.CANCELLED, "cancelled by the client")


@pytest.mark.parametrize("kind", [ValueError, KeyError, MemoryError, ResiduumError])
def test_an_unexpected_error_is_logged_under_an_id_and_hidden_from_the_client(kind, caplog):
    failure = failure_of(kind("a secret path"))
    message = failure.message
    assert failure.code is CODE.INTERNAL
    assert "secret" not in message
    request_id = message.rsplit(" ", 1)[1]
    assert request_id in caplog.text
    assert "a secret path" in caplog.text


def test_a_message_fits_the_headers_of_http():
    failure = failure_of(InvalidInput("\u00e9" * 10_000))
    assert failure.code is CODE.INVALID_ARGUMENT
    assert len(failure.message) == 600


@pytest.mark.parametrize(("seconds", "milliseconds"), [(0.0, 10), (0.25, 250), (100.0, 5000)])
def test_a_refused_call_may_be_repeated_after_the_expected_time_within_bounds(
    seconds, milliseconds
):
    failure = failure_of(Busy("busy", "deadline", seconds))
    assert (failure.code, failure.reason) == (CODE.RESOURCE_EXHAUSTED, "deadline")
    assert failure.retry_milliseconds == milliseconds
    info = RetryInfo()
    (detail,) = failure.status().details
    assert detail.Unpack(info)
    assert info.retry_delay.ToMilliseconds() == milliseconds
