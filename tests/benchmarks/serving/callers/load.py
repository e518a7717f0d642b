"""Callers that wait for each answer: processes with raw stubs and one serialised request.

They parse nothing, so that a call costs a caller less than a server, whatever the server.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc

PROCESSES, CONNECTIONS = 4, 16
TIMEOUT, READY_SECONDS = 60.0, 60.0
# Messages of a stream that are not answered yet: the server always has the next one.
AHEAD = 2
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, kw_only=True)
class CallPlan:
    """What callers call: a method with a message of some images, `callers` at once."""

    address: str
    method: str
    message: bytes
    images: int
    callers: int
    stream: bool = False


class Load:
    """Callers on a core, from `with` on; `images` and `failures` count what has ended so far."""

    def __init__(self, calls: CallPlan, core: int) -> None:
        self._callers = calls.callers
        self._done = _SPAWN.RawArray("Q", calls.callers)
        self._failed = _SPAWN.RawArray("Q", calls.callers)
        self._stop = _SPAWN.RawValue("b", 0)
        arguments = (calls, core, self._done, self._failed, self._stop)
        self._processes = [
            _SPAWN.Process(target=_run, args=(*arguments, number), daemon=True)
            for number in range(min(PROCESSES, calls.callers))
        ]

    @property
    def images(self) -> int:
        """Images that were answered."""
        return sum(self._done)

    @property
    def failures(self) -> int:
        """Calls that failed."""
        return sum(self._failed)

    def __enter__(self) -> Self:
        for process in self._processes:
            process.start()
        deadline = time.monotonic() + READY_SECONDS
        while not all(map(any, zip(self._done, self._failed, strict=True))):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all of {self._callers} callers had an answer")
            time.sleep(0.02)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.value = 1
        for process in self._processes:
            process.join(10)
            process.kill()


def _run(calls: CallPlan, core: int, done: Any, failed: Any, stop: Any, number: int) -> None:
    os.sched_setaffinity(0, {core})
    connections = max(1, min(CONNECTIONS, calls.callers) // PROCESSES)
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    channels = [grpc.insecure_channel(calls.address, options) for _ in range(connections)]
    act = _stream if calls.stream else _unary
    threads = [
        threading.Thread(
            target=act,
            args=(channels[caller // PROCESSES % connections], calls, done, failed, stop, caller),
        )
        for caller in range(number, calls.callers, PROCESSES)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _unary(
    channel: grpc.Channel, calls: CallPlan, done: Any, failed: Any, stop: Any, caller: int
) -> None:
    call = channel.unary_unary(calls.method)
    while not stop.value:
        try:
            call(calls.message, timeout=TIMEOUT)
            done[caller] += calls.images
        except grpc.RpcError:
            failed[caller] += 1
            time.sleep(0.01)


def _stream(
    channel: grpc.Channel, calls: CallPlan, done: Any, failed: Any, stop: Any, caller: int
) -> None:
    free = threading.Semaphore(AHEAD)

    def requests() -> Iterator[bytes]:
        while free.acquire() and not stop.value:
            yield calls.message

    try:
        for _ in channel.stream_stream(calls.method)(requests()):
            done[caller] += calls.images
            free.release()
    except grpc.RpcError:
        failed[caller] += 1
