"""Errors and the statuses they become."""

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
    """An error that the table does not name, but whose parent it does."""


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
def test_each_error_has_its_code_and_keeps_its_sentence(kind, code):
    assert status_of(kind("what was found")) == (code, "what was found")


def test_a_caller_who_has_gone_is_cancelled():
    assert status_of(CancelledError())[0] is CODE.CANCELLED


@pytest.mark.parametrize("kind", [ValueError, KeyError, MemoryError, ResiduumError])
def test_the_unforeseen_is_logged_under_an_id_and_told_to_nobody(kind, caplog):
    code, sentence = status_of(kind("a secret path"))
    assert code is CODE.INTERNAL
    assert "secret" not in sentence
    request_id = sentence.rsplit(" ", 1)[1]
    assert request_id in caplog.text
    assert "a secret path" in caplog.text


def test_a_sentence_fits_the_headers_of_http():
    code, sentence = status_of(InvalidInput("\u00e9" * 10_000))
    assert code is CODE.INVALID_ARGUMENT
    assert len(sentence) == 600
