"""Servers that are slow, refuse, or go away while a command works."""

import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from PIL import Image

from residuum_client.__main__ import FAILED, main
from residuum_client.v1 import codec_pb2
from residuum_client.v1.codec_pb2_grpc import (
    CodecServiceServicer,
    add_CodecServiceServicer_to_server,
)

Reply = Callable[[bytes, grpc.ServicerContext], bytes]


class Encoder(CodecServiceServicer):
    """Makes a record of each file with a function that may also wait, or end the call."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def Encode(self, request, context):  # noqa: N802 - the name of the RPC
        records = [self.reply(file[-3:], context) for file in request.files.files]
        ones = [1] * len(records)
        return codec_pb2.EncodeResponse(records=records, qualities=ones, evidence_bytes=ones)


@contextmanager
def serving(reply: Reply) -> Iterator[list[str]]:
    """The options of a command for a server with this function."""
    server = grpc.server(ThreadPoolExecutor(16))
    add_CodecServiceServicer_to_server(Encoder(reply), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield ["--server", f"127.0.0.1:{port}", "--model", "m"]
    finally:
        server.stop(None).wait()


def wait_for_the_end(context: grpc.ServicerContext) -> None:
    over = threading.Event()
    context.add_callback(over.set)
    over.wait(60)


def make_inputs(folder: Path, count: int) -> Path:
    """Images whose files end in their own names, so that neighbours differ."""
    folder.mkdir()
    image = io.BytesIO()
    Image.new("L", (16, 16)).save(image, "PNG")
    for i in range(count):
        (folder / f"{i:03}.png").write_bytes(image.getvalue() + b"%03d" % i)
    return folder


def outputs(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_a_file_that_takes_too_long_fails_alone(tmp_path: Path, capsys):
    inputs = make_inputs(tmp_path / "in", 41)

    def reply(file: bytes, context: grpc.ServicerContext) -> bytes:
        if file == b"017":
            wait_for_the_end(context)
        return b"record " + file

    with serving(reply) as options:
        arguments = ["compress", str(inputs), "--out", str(tmp_path / "out"), "--timeout", "0.5"]
        assert main([*arguments, *options]) == FAILED
    failure, summary = capsys.readouterr().err.splitlines()
    assert failure.startswith(f"{inputs / '017.png'}: no answer from ")
    assert summary == "residuum: 40 done, 1 failed"
    whole = {f"{i:03}.rsd": b"record %03d" % i for i in range(41) if i != 17}
    assert outputs(tmp_path / "out") == whole


def test_a_file_that_breaks_the_call_fails_alone(tmp_path: Path, capsys):
    inputs = make_inputs(tmp_path / "in", 41)

    def reply(file: bytes, context: grpc.ServicerContext) -> bytes:
        if file == b"017":
            context.abort(grpc.StatusCode.INTERNAL, "out of luck")
        return b"record " + file

    with serving(reply) as options:
        arguments = ["compress", str(inputs), "--out", str(tmp_path / "out")]
        assert main([*arguments, *options]) == FAILED
    failure, summary = capsys.readouterr().err.splitlines()
    assert failure.startswith(f"{inputs / '017.png'}: ")
    assert failure.endswith("out of luck")
    assert summary == "residuum: 40 done, 1 failed"
    assert len(outputs(tmp_path / "out")) == 40


@pytest.mark.slow
def test_a_server_that_goes_away_ends_the_command_with_what_is_done(tmp_path: Path, capsys):
    inputs = make_inputs(tmp_path / "in", 1000)

    def reply(file: bytes, context: grpc.ServicerContext) -> bytes:
        if file >= b"600":
            context.abort(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")
        return b"record " + file

    arguments = ["compress", str(inputs), "--out", str(tmp_path / "out"), "--timeout", "2"]
    with serving(reply) as options:
        assert main([*arguments, *options]) == FAILED
    done = outputs(tmp_path / "out")
    assert 0 < len(done) <= 600
    captured = capsys.readouterr()
    hint = f"{len(done)} of 1,000 done; continue with --resume"
    assert captured.err == f"residuum: the server is shutting down; {hint}\n"
    assert captured.out.count(".png") == len(done)
    with serving(lambda file, _: b"record " + file) as options:
        main([*arguments, *options, "--resume"])
    assert capsys.readouterr().err == (
        f"residuum: {1000 - len(done)} done, {len(done)} done before\n"
    )
    assert outputs(tmp_path / "out") == {f"{i:03}.rsd": b"record %03d" % i for i in range(1000)}
