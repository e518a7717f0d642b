"""gRPC calls as bytes on sockets: callers that cost little, and do not wait for answers.

A load generator on the usual stubs spends more on a call than a server spends on refusing it, and
so offers less than it claims. This one speaks the part of HTTP/2 (RFC 9113) that unary calls need:
it keeps the limits of flow control and of streams at once that a server sets, as any client does,
resets calls at their deadline, and answers pings. Answers are counted, not read.
"""

from __future__ import annotations

import asyncio
import re
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GO_AWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
TABLE_SIZE, MOST_STREAMS, FIRST_WINDOW = 1, 3, 4
HEAD, FRAME, REFUSED, CANCEL = 9, 16384, 7, 8
RECEIVE_WINDOW = 2**30
# Without a table of earlier headers a server repeats the name in each trailer.
STATUS = re.compile(rb"grpc-status[\x01\x02](\d{1,2})")
NAMES = {
    0: "OK", 1: "CANCELLED", 2: "UNKNOWN", 3: "INVALID_ARGUMENT", 4: "DEADLINE_EXCEEDED",
    8: "RESOURCE_EXHAUSTED", 12: "UNIMPLEMENTED", 13: "INTERNAL", 14: "UNAVAILABLE",
}  # fmt: skip
Limits = dict[int, int]


@dataclass(slots=True)
class Call:
    """A call from its begin to its end, in seconds of the monotonic clock."""

    begun: float
    deadline: float
    ended: float = 0.0
    status: str = ""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def request_head(method: str, seconds: float) -> bytes:
    """The headers of a call, each written out in full, so that calls do not depend on another."""
    headers = (
        (":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "localhost"),
        ("te", "trailers"), ("content-type", "application/grpc"),
        ("grpc-timeout", f"{int(seconds * 1000)}m"),
    )  # fmt: skip
    texts = [text.encode() for pair in headers for text in pair]
    written = [bytes([len(text)]) + text for text in texts]
    return b"".join(
        b"\0" + name + value for name, value in zip(written[::2], written[1::2], strict=True)
    )


class Wire(asyncio.Protocol):
    """A connection on which one kind of call is made; `ended` gets each call when it ends."""

    def __init__(
        self, method: str, message: bytes, seconds: float, ended: Callable[[Call], None]
    ) -> None:
        self._head, self._seconds = request_head(method, seconds), seconds
        self._body = struct.pack(">BI", 0, len(message)) + message
        self._ended = ended
        self._open: dict[int, Call] = {}
        # Calls that the limits of the server hold back here.
        self._held: deque[Call] = deque()
        self._limits: Limits = {MOST_STREAMS: 2**31, FIRST_WINDOW: 65535}
        self._window, self._received, self._stream = 65535, 0, 1
        self._buffer = b""
        self._transport: asyncio.Transport
        self.closed = False
        # Set when the limits of the server are known.
        self.ready = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)
        settings = struct.pack(">HIHI", TABLE_SIZE, 0, FIRST_WINDOW, RECEIVE_WINDOW)
        window = struct.pack(">I", RECEIVE_WINDOW)
        transport.write(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW, 0, 0, window))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio; what was not answered has failed."""
        self.closed = True
        for call in (*self._open.values(), *self._held):
            self._end(call, "UNAVAILABLE")
        self._open.clear()
        self._held.clear()

    def close(self) -> None:
        """Ends the connection."""
        self._transport.close()

    def call(self) -> None:
        """Makes a call now, or as soon as the limits of the server allow."""
        now = time.monotonic()
        self._held.append(Call(now, now + self._seconds))
        self._send()

    def expire(self) -> None:
        """Ends the calls that are past their deadline; to be called every few milliseconds."""
        now = time.monotonic()
        while self._held and self._held[0].deadline <= now:
            self._end(self._held.popleft(), "DEADLINE_EXCEEDED")
        # Calls have one length, and but for a few that were refused begin in the order of streams.
        while self._open:
            stream, call = next(iter(self._open.items()))
            if call.deadline > now:
                break
            del self._open[stream]
            self._transport.write(frame(RESET, 0, stream, struct.pack(">I", CANCEL)))
            self._end(call, "DEADLINE_EXCEEDED")
        self._send()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio with what the server sent: frames, the last of them perhaps in part."""
        buffer, place = self._buffer + data, 0
        while len(buffer) - place >= HEAD:
            length = int.from_bytes(buffer[place : place + 3], "big")
            kind, flags, stream = struct.unpack_from(">BBI", buffer, place + 3)
            if len(buffer) - place < HEAD + length:
                break
            self._frame(kind, flags, stream, buffer[place + HEAD : place + HEAD + length])
            place += HEAD + length
        self._buffer = buffer[place:]
        self._send()

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == HEADERS and flags & END_STREAM:
            found = STATUS.search(payload)
            self._close(stream, int(found[1]) if found else 2)
        elif kind == RESET and stream in self._open and payload[-1] == REFUSED:
            # The server has done nothing with it; every client sends such a call again.
            self._held.appendleft(self._open.pop(stream))
        elif kind == RESET:
            self._close(stream, 14)
        elif kind == DATA:
            self._received += len(payload)
            if self._received > RECEIVE_WINDOW // 2:
                self._transport.write(frame(WINDOW, 0, 0, struct.pack(">I", self._received)))
                self._received = 0
        elif kind == WINDOW and stream == 0:
            self._window += struct.unpack(">I", payload)[0]
        elif kind == PING and not flags & ACK:
            self._transport.write(frame(PING, ACK, 0, payload))
        elif kind == SETTINGS and not flags & ACK:
            self._limits.update(struct.iter_unpack(">HI", payload))
            self._transport.write(frame(SETTINGS, ACK, 0))
            self.ready.set()
        elif kind == GO_AWAY:
            self.closed = True

    def _close(self, stream: int, status: int) -> None:
        call = self._open.pop(stream, None)
        if call is not None:
            self._end(call, NAMES.get(status, str(status)))

    def _end(self, call: Call, status: str) -> None:
        call.ended, call.status = time.monotonic(), status
        self._ended(call)

    def _send(self) -> None:
        # A message that exceeds the window of a stream would need to be sent in parts.
        size = len(self._body)
        if self._held and size > self._limits[FIRST_WINDOW]:
            raise ValueError(f"the message has {size} bytes, the window of a stream is smaller")
        while self._held and len(self._open) < self._limits[MOST_STREAMS] and self._window >= size:
            call, stream = self._held.popleft(), self._stream
            self._window -= size
            self._stream += 2
            self._open[stream] = call
            parts = [self._body[at : at + FRAME] for at in range(0, size, FRAME)]
            frames = [frame(DATA, 0, stream, part) for part in parts[:-1]]
            last = frame(DATA, END_STREAM, stream, parts[-1])
            head = frame(HEADERS, END_HEADERS, stream, self._head)
            self._transport.write(b"".join((head, *frames, last)))


async def connect(address: str, wire: Callable[[], Wire], count: int) -> list[Wire]:
    """Connections to a server, ready for calls."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    wires = [(await loop.create_connection(wire, host, int(port)))[1] for _ in range(count)]
    for one in wires:
        await one.ready.wait()
    return wires
