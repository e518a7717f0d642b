"""What strangers may send: too large, broken, idle or cancelled. Each attack counts its answers."""

from __future__ import annotations

import io
import socket
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
from PIL import Image

from residuum_client.v1 import codec_pb2, images_pb2, models_pb2, models_pb2_grpc
from serving.callers import messages
from serving.server import Ports

MIB = 2**20
TIMEOUT = 60.0
LARGE, LARGE_MIB, ALLOWED_MIB = 64, 30, 15
BOMBS, BOMB_SIDE, ALLOWED_SIDE, CLAIMED_SIDE = 24, 8000, 2048, 60_000
IDLE, IDLE_SECONDS = 64, 10.0
MANY, THREADS = 2000, 16
LOADS, LOADS_EACH = 4, 3
Statuses = Counter[str]


def large_messages(ports: Ports) -> Statuses:
    """64 messages of 30 MiB at once, larger than a server should take."""
    return _large(ports, LARGE_MIB)


def allowed_messages(ports: Ports) -> Statuses:
    """64 messages of 15 MiB at once, which the default limit allows."""
    return _large(ports, ALLOWED_MIB)


def _large(ports: Ports, mib: int) -> Statuses:
    noise = np.random.default_rng(0).bytes(mib * MIB)
    message = codec_pb2.EncodeRequest(
        model=images_pb2.ModelRef(name="fashion"), files=images_pb2.Files(files=[noise])
    ).SerializeToString()
    return _at_once(ports, [message] * LARGE, LARGE)


def bombs(ports: Ports) -> Statuses:
    """24 RGBA files of a few hundred kB that decode to 64 million pixels, for both models."""
    return _at_once(ports, _files(png(BOMB_SIDE, BOMB_SIDE), BOMBS), BOMBS)


def allowed_files(ports: Ports) -> Statuses:
    """24 large RGBA files that a model of any size takes."""
    return _at_once(ports, _files(png(ALLOWED_SIDE, ALLOWED_SIDE), BOMBS, ("pcb",)), BOMBS)


def claimed_sizes(ports: Ports) -> Statuses:
    """24 files whose header alone claims an enormous size."""
    return _at_once(ports, _files(header_of(png(8, 8), CLAIMED_SIDE), BOMBS), BOMBS)


def _files(file: bytes, count: int, models: tuple[str, ...] = ("pcb", "fashion")) -> list[bytes]:
    requests = [
        codec_pb2.EncodeRequest(
            model=images_pb2.ModelRef(name=models[number % len(models)]),
            files=images_pb2.Files(files=[file]),
        )
        for number in range(count)
    ]
    return [request.SerializeToString() for request in requests]


def png(width: int, height: int) -> bytes:
    """An RGBA file that compresses well."""
    buffer = io.BytesIO()
    Image.new("RGBA", (width, height), (90, 120, 60, 255)).save(buffer, "PNG")
    return buffer.getvalue()


def header_of(file: bytes, side: int) -> bytes:
    """The PNG file with another size in its header."""
    header = struct.pack(">II", side, side) + file[24:29]
    return file[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + file[33:]


def idle_streams(ports: Ports) -> Statuses:
    """64 streams that send nothing for ten seconds, on eight connections."""
    done = threading.Event()

    def silence() -> Iterator[bytes]:
        done.wait()
        yield from ()

    channels = [_channel(ports, number) for number in range(8)]
    streams = [
        channels[number % 8].stream_stream(messages.ENCODE_STREAM)(silence())
        for number in range(IDLE)
    ]
    threading.Event().wait(IDLE_SECONDS)
    statuses = Statuses("open" if one.is_active() else one.code().name for one in streams)
    done.set()
    for one in streams:
        one.cancel()
    return statuses


def cancellations(ports: Ports) -> Statuses:
    """2,000 calls that are cancelled within 20 ms."""
    call = _channel(ports).unary_unary(messages.ENCODE)
    delays = np.random.default_rng(0).uniform(0, 0.02, MANY).tolist()

    def cancelled(delay: float) -> str:
        future = call.future(messages.encode(8), timeout=TIMEOUT)
        threading.Event().wait(delay)
        future.cancel()
        return str(future.code().name)

    return _threaded(cancelled, delays, THREADS)


def broken_images(ports: Ports) -> Statuses:
    """2,000 files that are cut short, or have wrong bytes."""
    chance, whole = np.random.default_rng(0), png(28, 28)
    files = []
    for number in range(MANY):
        broken = bytearray(whole[: chance.integers(8, len(whole))] if number % 2 else whole)
        for _ in range(4):
            broken[chance.integers(len(broken))] = chance.integers(256)
        files.append(bytes(broken))
    return _at_once(ports, [_files(file, 1)[0] for file in files], THREADS)


def garbage(ports: Ports) -> Statuses:
    """2,000 messages that are cut short or random, and 200 connections that send noise."""
    chance, whole = np.random.default_rng(0), messages.encode(8)
    sent = [
        whole[: chance.integers(len(whole))] if number % 2 else chance.bytes(500)
        for number in range(MANY)
    ]
    statuses = _at_once(ports, sent, THREADS)
    for _ in range(200):
        with socket.create_connection(("127.0.0.1", ports.data), timeout=5) as noise:
            noise.sendall(chance.bytes(300))
    return statuses


def loads(ports: Ports) -> Statuses:
    """Four loads of models at once, three times."""
    if ports.admin_address is None:
        return Statuses({"no admin port": 1})
    stub = models_pb2_grpc.ModelServiceStub(grpc.insecure_channel(ports.admin_address))

    def load(number: int) -> str:
        bundle = ("fashion", "pcb")[number % 2]
        return _status(
            lambda: stub.LoadModel(models_pb2.LoadModelRequest(bundle=bundle), timeout=TIMEOUT)
        )

    return _threaded(load, range(LOADS * LOADS_EACH), LOADS)


ATTACKS: tuple[Callable[[Ports], Statuses], ...] = (
    large_messages, allowed_messages, bombs, allowed_files, claimed_sizes, idle_streams,
    cancellations, broken_images, garbage, loads,
)  # fmt: skip


def _at_once(ports: Ports, requests: list[bytes], threads: int) -> Statuses:
    calls = [_channel(ports, number).unary_unary(messages.ENCODE) for number in range(8)]
    numbered = list(enumerate(requests))
    return _threaded(
        lambda one: _status(lambda: calls[one[0] % 8](one[1], timeout=TIMEOUT)), numbered, threads
    )


def _threaded(act: Callable[..., str], arguments: object, threads: int) -> Statuses:
    with ThreadPoolExecutor(threads) as pool:
        return Statuses(pool.map(act, arguments))  # type: ignore[call-overload]


def _status(call: Callable[[], object]) -> str:
    try:
        call()
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def _channel(ports: Ports, number: int = 0) -> grpc.Channel:
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    return grpc.insecure_channel(ports.address, [*options, ("number", number)])
