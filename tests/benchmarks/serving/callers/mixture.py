"""Calls of all kinds, good and bad, in random order: what a server sees in a long day."""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Callable

import grpc
import numpy as np
from PIL import Image

from residuum_client import Client, ResiduumError
from residuum_client.v1 import models_pb2, models_pb2_grpc
from serving.callers import messages
from serving.server import Ports

TIMEOUT = 20.0
# A call hangs if it takes longer than its timeout and all retries may.
HUNG_SECONDS = 2 * TIMEOUT
CALLERS = 6
# Calls that replace a model, and their share of all calls.
RARE, RARELY = ["load"], 0.005
# A server that is busy may say so.
BUSY = ("Overloaded", "RESOURCE_EXHAUSTED")
Act = Callable[[], object]


class Caller(threading.Thread):
    """Chooses a kind of call at random, again and again, until `stop` is set."""

    def __init__(self, ports: Ports, number: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._rng, self._halt = np.random.default_rng(number), stop
        self._acts = acts(ports)
        self.counts: Counter[str] = Counter()
        self.unexpected: Counter[str] = Counter()
        # Since when the call in progress lasts, and which it is.
        self.since, self.kind = time.monotonic(), ""

    def run(self) -> None:
        """Calls until the end."""
        kinds = [kind for kind in self._acts if kind not in RARE]
        while not self._halt.is_set():
            rare = self._rng.random() < RARELY
            self.kind = str(self._rng.choice(RARE if rare else kinds))
            self.since = time.monotonic()
            act, expected = self._acts[self.kind]
            outcome, reason = ending(act)
            self.counts[self.kind] += 1
            if outcome not in (expected, *BUSY):
                self.unexpected[f"{self.kind}: {outcome}: {reason}"[:200]] += 1

    def hangs(self) -> bool:
        """Whether the call in progress should have ended long ago."""
        return self.is_alive() and time.monotonic() - self.since > HUNG_SECONDS


def ending(act: Act) -> tuple[str, str]:
    """How a call ends: OK, the name of an error, or a status; and its sentence."""
    try:
        act()
    except ResiduumError as error:
        return type(error).__name__, str(error)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", ""


def acts(ports: Ports) -> dict[str, tuple[Act, str]]:
    """Kinds of calls with what is expected: OK, or the name of an error."""
    fashion = Client(ports.address, model="fashion", timeout=TIMEOUT)
    pcb = Client(ports.address, model="pcb", timeout=TIMEOUT)
    unknown = Client(ports.address, model="nothing", timeout=TIMEOUT)
    images, boards = list(messages.images(32)), list(messages.images(2, "pcb"))
    records, files = fashion.encode(images), [file(image) for image in boards]
    damaged = [bytes([records[0][0]]) + records[0][1:-2] + b"\0\0"]
    stream = grpc.insecure_channel(ports.address).stream_stream(messages.ENCODE_STREAM)
    found: dict[str, tuple[Act, str]] = {
        "encode": (lambda: fashion.encode(images), "OK"),
        "encode one": (lambda: fashion.encode(images[:1]), "OK"),
        "encode to a size": (lambda: fashion.encode(images[:4], target_bytes=60), "OK"),
        "decode": (lambda: fashion.decode(records), "OK"),
        "score": (lambda: fashion.score(images[:8]), "OK"),
        "score with heat maps": (lambda: pcb.score(boards, heatmaps=True), "OK"),
        "files": (lambda: pcb.encode(files), "OK"),
        "stream": (lambda: list(stream(iter([messages.encode(8)] * 4), timeout=TIMEOUT)), "OK"),
        "a broken file": (lambda: pcb.encode([files[0][:100]]), "InvalidInput"),
        "a wrong size": (lambda: fashion.encode(boards), "InvalidInput"),
        "a damaged record": (lambda: fashion.decode(damaged), "RecordError"),
        "an unknown model": (lambda: unknown.encode(images), "UnknownModel"),
        "cancelled": (lambda: cancelled(ports), "OK"),
    }
    admin = grpc.insecure_channel(ports.admin_address or ports.address)
    stub, request = (
        models_pb2_grpc.ModelServiceStub(admin),
        models_pb2.LoadModelRequest(bundle="fashion"),
    )
    allowed = "OK" if ports.admin_address else "PERMISSION_DENIED"
    found["load"] = (lambda: stub.LoadModel(request, timeout=HUNG_SECONDS), allowed)
    return found


def file(image: np.ndarray) -> bytes:
    """The image `[H, W, 1]` as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0]).save(buffer, "PNG")
    return buffer.getvalue()


def cancelled(ports: Ports) -> None:
    """A call on a new connection that is cancelled at once."""
    with grpc.insecure_channel(ports.address) as channel:
        channel.unary_unary(messages.ENCODE).future(messages.encode(32)).cancel()
