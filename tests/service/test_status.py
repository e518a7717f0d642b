"""Which status code and message a client gets for each error."""

from concurrent.futures import CancelledError

import grpc
import pytest

from codec.errors import (
    BundleError,
    InvalidInput,
    Overloaded,
    RecordError,
    ResiduumError,
    UnknownModel,
)
from service.status import AdminOnly, status_of

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
    assert status_of(kind("what was found")) == (code, "what was found")


def test_a_call_cancelled_by_its_client_is_cancelled():
    assert status_of(CancelledError()) == (CODE.CANCELLED, "cancelled by the client")


@pytest.mark.parametrize("kind", [ValueError, KeyError, MemoryError, ResiduumError])
def test_an_unexpected_error_is_logged_under_an_id_and_hidden_from_the_client(kind, caplog):
    code, message = status_of(kind("a secret path"))
    assert code is CODE.INTERNAL
    assert "secret" not in message
    request_id = message.rsplit(" ", 1)[1]
    assert request_id in caplog.text
    assert "a secret path" in caplog.text


def test_a_message_fits_the_headers_of_http():
    code, message = status_of(InvalidInput("\u00e9" * 10_000))
    assert code is CODE.INVALID_ARGUMENT
    assert len(message) == 600
