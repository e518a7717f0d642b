"""Small servers of the real services, which answer with a function."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from processes import finished

from residuum_client.v1 import codec_pb2
from residuum_client.v1.codec_pb2_grpc import (
    CodecServiceServicer,
    add_CodecServiceServicer_to_server,
)

Answer = Callable[[codec_pb2.EncodeRequest, grpc.ServicerContext], codec_pb2.EncodeResponse]


class Encoder(CodecServiceServicer):
    """Answers Encode with a function."""

    def __init__(self, answer: Answer) -> None:
        self.Encode = answer


def one_each(request: codec_pb2.EncodeRequest, _: object) -> codec_pb2.EncodeResponse:
    return codec_pb2.EncodeResponse(records=[b"record"] * request.pixels.count)


@contextmanager
def serving(
    answer: Answer,
    credentials: grpc.ServerCredentials | None = None,
    port: int = 0,
    add: Callable[[grpc.Server], None] = lambda server: None,
) -> Iterator[str]:
    """A server on a free port; its address."""
    server = grpc.server(ThreadPoolExecutor(4))
    add_CodecServiceServicer_to_server(Encoder(answer), server)
    add(server)
    if credentials is None:
        port = server.add_insecure_port(f"127.0.0.1:{port}")
    else:
        port = server.add_secure_port(f"127.0.0.1:{port}", credentials)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@dataclass
class Guard:
    """Answers only calls with this metadata, and keeps what the others had."""

    name: str
    value: str | bytes
    refused: list[object] = field(default_factory=list)

    def __call__(self, request, context):
        given = dict(context.invocation_metadata()).get(self.name)
        if given != self.value:
            self.refused.append(given)
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is unknown")
        return one_each(request, context)


@dataclass(frozen=True)
class Pair:
    """PEM files of a certificate and its key."""

    certificate: Path
    key: Path

    def contents(self) -> tuple[bytes, bytes]:
        return self.key.read_bytes(), self.certificate.read_bytes()


class Authority:
    """Certifies servers of this machine and clients, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self.own = self._pair("ca", "-x509", "-days", "2", "-subj", "/CN=test authority")

    @staticmethod
    def is_possible() -> bool:
        return shutil.which("openssl") is not None

    def certify(self, name: str) -> Pair:
        """A certificate for this machine, of this name."""
        names = ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        signed = ["-x509", "-CA", str(self.own.certificate), "-CAkey", str(self.own.key)]
        return self._pair(name, *signed, "-days", "2", *names)

    def _pair(self, name: str, *options: str) -> Pair:
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        files = ["-keyout", str(pair.key), "-out", str(pair.certificate)]
        done = finished(["openssl", "req", *curve, *options, *files])
        assert done.returncode == 0, done.stderr
        return pair
