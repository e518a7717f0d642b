"""Retries, encryption and strange answers, at a server that fails on purpose."""

import itertools
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
from processes import finished

from residuum_client import (
    Client,
    Compressed,
    DeadlineExceeded,
    InvalidInput,
    Overloaded,
    ServerError,
    Unavailable,
)
from residuum_client.schedule import IN_FLIGHT
from residuum_client.v1 import codec_pb2, images_pb2
from residuum_client.v1.codec_pb2_grpc import (
    CodecServiceServicer,
    add_CodecServiceServicer_to_server,
)

pytestmark = pytest.mark.slow

SMALL = [np.zeros((4, 4), np.uint8)]
# One message beyond gRPC's default buffer for retries.
LARGE = [np.zeros((900, 1000), np.uint8)]

Answer = Callable[[codec_pb2.EncodeRequest, grpc.ServicerContext], codec_pb2.EncodeResponse]


class Encoder(CodecServiceServicer):
    """Answers Encode with a function."""

    def __init__(self, answer: Answer) -> None:
        self.Encode = answer


@contextmanager
def serving(
    answer: Answer, credentials: grpc.ServerCredentials | None = None, max_bytes: int = 1 << 22
) -> Iterator[str]:
    """A server on a free port; its address."""
    options = [("grpc.max_receive_message_length", max_bytes)]
    server = grpc.server(ThreadPoolExecutor(4), options=options)
    add_CodecServiceServicer_to_server(Encoder(answer), server)
    if credentials is None:
        port = server.add_insecure_port("localhost:0")
    else:
        port = server.add_secure_port("localhost:0", credentials)
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(None).wait()


def one_each(request: codec_pb2.EncodeRequest, _: object) -> codec_pb2.EncodeResponse:
    return codec_pb2.EncodeResponse(records=[b"record"] * request.pixels.count)


def failing(status: grpc.StatusCode, times: int) -> Answer:
    """Fails the given number of times, then answers."""
    calls = iter(range(times))

    def answer(request, context):
        if next(calls, None) is not None:
            context.abort(status, "too busy")
        return one_each(request, context)

    return answer


@pytest.mark.parametrize("images", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    "status", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE]
)
def test_overload_and_unavailability_are_retried(images, status):
    with serving(failing(status, 2)) as target, Client(target, model="m") as client:
        assert client.encode(images) == [b"record"]


def test_lasting_overload_raises_the_servers_sentence():
    answer = failing(grpc.StatusCode.RESOURCE_EXHAUSTED, 100)
    with (
        serving(answer) as target,
        Client(target, model="m") as client,
        pytest.raises(Overloaded, match=r"^image 0: too busy$"),
    ):
        client.encode(SMALL)


def test_other_failures_are_not_retried():
    with (
        serving(failing(grpc.StatusCode.INTERNAL, 1)) as target,
        Client(target, model="m") as client,
    ):
        with pytest.raises(ServerError, match="INTERNAL: too busy"):
            client.encode(SMALL)
        assert client.encode(SMALL) == [b"record"]


def test_an_image_too_large_for_the_server_is_named():
    with (
        serving(one_each, max_bytes=1000) as target,
        Client(target, model="m") as client,
        pytest.raises(InvalidInput, match=r"^image 1: makes a message of 9000") as caught,
    ):
        client.encode([*SMALL, *LARGE])
    assert caught.value.index == 1


def test_a_late_answer_is_a_deadline_exceeded():
    def never(request, context):
        over = threading.Event()
        context.add_callback(over.set)
        over.wait(30)
        return one_each(request, context)

    with (
        serving(never) as target,
        Client(target, model="m", timeout=0.1) as client,
        pytest.raises(DeadlineExceeded, match=rf"^image 0: no answer from {target} within 0\.1 s$"),
    ):
        client.encode(SMALL)


def test_the_deadline_is_per_message(monkeypatch):
    """The clock by which gRPC sets deadlines advances by 1,000 s with every message."""
    left = []
    begin, messages = time.time(), itertools.count()
    clock = SimpleNamespace(
        time=lambda: begin + 1000 * next(messages), perf_counter=time.perf_counter
    )
    monkeypatch.setattr("grpc._channel.time", clock)

    def answer(request, context):
        left.append(context.time_remaining())
        return one_each(request, context)

    with serving(answer) as target, Client(target, model="m", timeout=500) as client:
        assert len(client.encode(LARGE * 8)) == 8
    assert [round(seconds / 1000 - 0.4) for seconds in sorted(left)] == list(range(8))


def test_messages_are_sent_in_parallel():
    together = threading.Barrier(IN_FLIGHT)

    def meeting(request, context):
        together.wait(8)
        return one_each(request, context)

    with serving(meeting) as target, Client(target, model="m") as client:
        assert len(client.encode(LARGE * IN_FLIGHT)) == IN_FLIGHT


def test_a_response_of_the_wrong_length_is_a_server_error():
    def short(request, context):
        return codec_pb2.EncodeResponse(records=[])

    with (
        serving(short) as target,
        Client(target, model="m") as client,
        pytest.raises(ServerError, match="0 results for 1 items"),
    ):
        client.encode(SMALL)


def test_a_server_that_knows_no_partial_requests_gets_the_others_again():
    def answer(request, context):
        data = request.pixels.data
        if 9 in data:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"image {data.index(9) // 16}: is 9")
        return one_each(request, context)

    images = [np.full((4, 4), 9 if i in (3, 30) else 0, np.uint8) for i in range(40)]
    with serving(answer) as target, Client(target, model="m") as client:
        with pytest.raises(InvalidInput, match=r"^image 3: is 9$"):
            client.encode(images)
        assert client.encode(images[4:30]) == [b"record"] * 26


def test_items_that_fail_by_themselves_are_in_the_response():
    def answer(request, context):
        count = request.pixels.count
        assert request.partial
        return codec_pb2.EncodeResponse(
            records=[b"record"] * (count - 1),
            qualities=[1] * (count - 1),
            evidence_bytes=[0] * (count - 1),
            errors=[images_pb2.ItemError(index=1, code=3, message="is wrong")],
        )

    with serving(answer) as target, Client(target, model="m") as client:
        outcomes = list(client.compress_each(SMALL * 3))
    assert [type(one) for one in outcomes] == [Compressed, InvalidInput, Compressed]
    assert str(outcomes[1]) == "image 1: is wrong"


def test_a_stream_left_early_cancels_its_calls():
    waiting, cancelled = threading.Semaphore(0), threading.Semaphore(0)

    def answer(request, context):
        over = threading.Event()
        context.add_callback(over.set)
        if any(request.pixels.data[:1]):
            return one_each(request, context)
        waiting.release()
        if over.wait(30):
            cancelled.release()
        return one_each(request, context)

    with serving(answer) as target, Client(target, model="m", timeout=60) as client:
        stream = client.encode_stream([LARGE[0] + 1, *LARGE * 8])
        next(stream)
        assert all(waiting.acquire(timeout=30) for _ in range(IN_FLIGHT - 1))
        stream.close()
        assert all(cancelled.acquire(timeout=20) for _ in range(IN_FLIGHT - 1))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """The key and the certificate of localhost."""
    if shutil.which("openssl") is None:
        pytest.skip("makes its certificate with openssl")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    done = finished(["openssl", "req", "-x509", "-days", "2", *curve, *names, *files])
    assert done.returncode == 0, done.stderr
    return key.read_bytes(), certificate.read_bytes()


@pytest.fixture
def encrypted(certificate: tuple[bytes, bytes]) -> Iterator[str]:
    """The address of a server with TLS."""
    with serving(one_each, grpc.ssl_server_credentials([certificate])) as target:
        yield target


def test_a_connection_can_be_encrypted(encrypted: str, certificate: tuple[bytes, bytes]):
    trusted = grpc.ssl_channel_credentials(root_certificates=certificate[1])
    with Client(encrypted, model="m", credentials=trusted) as client:
        assert client.encode(SMALL) == [b"record"]


def failure(target: str, **options: object) -> str:
    """Why the server at an address cannot be reached."""
    with Client(target, model="m", **options) as client, pytest.raises(Unavailable) as caught:
        client.encode(SMALL)
    return str(caught.value).removeprefix(f"no server answers at {target}: ")


def test_a_server_with_tls_is_asked_without_it(encrypted: str):
    assert failure(encrypted).startswith("it closed the connection; with TLS it needs credentials")


def test_a_server_without_tls_is_asked_with_it():
    with serving(one_each) as target:
        assert failure(target, credentials=grpc.ssl_channel_credentials()) == (
            "it uses no TLS; leave out the credentials"
        )


def test_a_certificate_is_not_trusted_or_of_another_name(
    encrypted: str, certificate: tuple[bytes, bytes]
):
    sentence = "its certificate is not trusted, or is for another name"
    assert failure(encrypted, credentials=grpc.ssl_channel_credentials()) == sentence
    trusted = grpc.ssl_channel_credentials(root_certificates=certificate[1])
    address = encrypted.replace("localhost", "127.0.0.1")
    assert failure(address, credentials=trusted) == sentence


@pytest.mark.parametrize("name", ["grpc_proxy", "https_proxy", "http_proxy"])
def test_a_proxy_that_is_in_the_way_is_named(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(name, "http://user:secret@127.0.0.1:9")
    assert failure("server.example:50051") == (
        f"connection refused; {name} is set, so the proxy 127.0.0.1:9 was asked; "
        "no_proxy=server.example leaves it out"
    )


def test_a_proxy_that_never_answers_is_named(monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        place = f"127.0.0.1:{proxy.getsockname()[1]}"
        monkeypatch.setenv("http_proxy", f"http://{place}")
        with (
            Client("server.example:50051", model="m", timeout=0.3) as client,
            pytest.raises(DeadlineExceeded, match=f"within 0.3 s; http_proxy is set.*{place}"),
        ):
            client.encode(SMALL)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "dns:///localhost"])
def test_no_proxy_is_asked_for_this_machine(host: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with serving(one_each) as target:
        address = target.replace("localhost", host)
        with Client(address, model="m") as client:
            assert client.encode(SMALL) == [b"record"]
