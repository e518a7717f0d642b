"""gRPC statuses to errors with a finished sentence."""

from dataclasses import dataclass

import grpc
import pytest

from residuum_client import errors
from residuum_client.transport.failures import fails_every_call, from_rpc

STATUS = grpc.StatusCode


@dataclass(frozen=True)
class Failure:
    status: grpc.StatusCode
    sentence: str | None
    trailers: tuple[tuple[str, str | bytes], ...] = ()

    def code(self) -> grpc.StatusCode:
        return self.status

    def details(self) -> str | None:
        return self.sentence

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        return self.trailers


def error_of(status: grpc.StatusCode, sentence: str | None, items: int = 1):
    return from_rpc(Failure(status, sentence), target="host:1", timeout=2.5, items=items)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (STATUS.INVALID_ARGUMENT, errors.InvalidInput),
        (STATUS.DATA_LOSS, errors.RecordError),
        (STATUS.NOT_FOUND, errors.UnknownModel),
        (STATUS.FAILED_PRECONDITION, errors.BundleError),
        (STATUS.UNAUTHENTICATED, errors.Unauthenticated),
        (STATUS.PERMISSION_DENIED, errors.PermissionDenied),
        (STATUS.RESOURCE_EXHAUSTED, errors.Overloaded),
        (STATUS.UNAVAILABLE, errors.Unavailable),
        (STATUS.DEADLINE_EXCEEDED, errors.DeadlineExceeded),
    ],
)
def test_each_status_has_its_error_with_the_servers_sentence(status, kind):
    error = error_of(status, "so says the server")
    assert type(error) is kind
    assert str(error) == "so says the server"


@pytest.mark.parametrize("status", [STATUS.INTERNAL, STATUS.UNIMPLEMENTED, STATUS.UNKNOWN])
def test_any_other_status_is_a_server_error(status):
    error = error_of(status, "request 12")
    assert type(error) is errors.ServerError
    assert str(error) == f"host:1 failed with {status.name}: request 12"


@pytest.mark.parametrize(
    ("value", "delay"), [("1500", 1.5), ("0", 0.0), ("-1", None), ("soon", None), (b"7", None)]
)
def test_an_overloaded_server_says_when_to_come_back(value, delay):
    trailers = (("other", "9"), ("grpc-retry-pushback-ms", value))
    failure = Failure(STATUS.RESOURCE_EXHAUSTED, "image 2: busy", trailers)
    error = from_rpc(failure, target="host:1", timeout=2.5)
    assert isinstance(error, errors.Overloaded)
    assert error.retry_delay == delay
    assert error.at("image", 9).retry_delay == error.alone().retry_delay == delay
    assert str(error.alone()) == "busy"


def test_an_index_is_taken_from_the_servers_sentence():
    error = error_of(STATUS.DATA_LOSS, "record 3: cut short")
    assert (error.index, error.reason) == (3, "cut short")


def test_an_index_can_be_that_of_a_longer_list():
    error = error_of(STATUS.DATA_LOSS, "record 3: cut short").at("record", 203)
    assert type(error) is errors.RecordError
    assert (str(error), error.index) == ("record 203: cut short", 203)
    assert error.reason == "cut short"


def test_a_sentence_without_an_index_is_unchanged():
    error = error_of(STATUS.INVALID_ARGUMENT, "quality is 99, the model has levels 0..16")
    assert (error.index, error.reason) == (None, str(error))


@pytest.mark.parametrize(
    "status", [STATUS.NOT_FOUND, STATUS.UNIMPLEMENTED, STATUS.FAILED_PRECONDITION]
)
def test_some_statuses_do_not_depend_on_the_images(status):
    assert fails_every_call(Failure(status, "no"))
    assert not fails_every_call(Failure(STATUS.INTERNAL, "no"))


@pytest.mark.parametrize(
    ("details", "end"),
    [
        (
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: "
            "Failed to connect to remote host: Connection refused",
            "connection refused",
        ),
        (
            "errors resolving host:1: [field:hostname lookup error:address lookup failed for "
            "host:1: Domain name not found]",
            "the name is unknown",
        ),
        (
            "failed to connect to all addresses; last error: UNAVAILABLE: ipv4:1: Ssl handshake "
            "failed (TSI_PROTOCOL_FAILURE)",
            "the TLS handshake failed",
        ),
        (
            "failed to connect to all addresses; last error: UNAVAILABLE: reset",
            "the connection was lost",
        ),
        (
            "failed to connect to all addresses; last error: UNKNOWN: unix:/nope: "
            "Failed to connect to remote host: No such file or directory",
            "there is no such socket",
        ),
        ("Socket closed", "the connection was lost"),
        ("Cancelling all calls", "the connection was lost"),
    ],
)
def test_a_failed_connection_names_the_address_once_and_the_reason(details, end):
    assert str(error_of(STATUS.UNAVAILABLE, details)) == f"no server answers at host:1: {end}"


def test_an_address_that_grpc_does_not_take_is_nobody_elses_fault():
    details = "Failed to create channel to 'ipv4:a:1':the target uri is not valid: ipv4:a:1"
    error = error_of(STATUS.UNKNOWN, details)
    assert type(error) is errors.InvalidInput
    assert str(error).startswith("gRPC does not accept the address 'host:1'; expected HOST:PORT")
    assert fails_every_call(Failure(STATUS.UNKNOWN, details))


def test_grpcs_own_deadline_names_the_time():
    error = error_of(STATUS.DEADLINE_EXCEEDED, "Deadline Exceeded")
    assert str(error) == "no answer from host:1 within 2.5 s"


@pytest.mark.parametrize(("items", "index"), [(1, 0), (2, None)])
def test_a_message_too_large_is_not_taken_for_overload(items, index):
    details = "SERVER: Received message larger than max (5242880 vs. 4194304)"
    error = error_of(STATUS.RESOURCE_EXHAUSTED, details, items)
    assert type(error) is errors.InvalidInput
    assert "5242880 bytes, the server takes at most 4194304" in str(error)
    assert error.index == index


def test_a_response_too_large_is_not_taken_for_a_request_too_large():
    details = "Stream removed (CLIENT: Received message larger than max (9 vs. 4))"
    error = error_of(STATUS.RESOURCE_EXHAUSTED, details)
    assert str(error) == "the response has 9 bytes, this client takes at most 4"


def test_an_error_without_a_sentence_names_the_status():
    assert str(error_of(STATUS.NOT_FOUND, None)) == "host:1 answered NOT_FOUND"
    assert "no reason" in str(error_of(STATUS.INTERNAL, ""))
