"""Health checks, and one well-behaved caller, in a process apart from those that make trouble."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc

from residuum_client import Client, ResiduumError
from serving.callers import messages
from serving.server import Ports

CHECK, SERVING = "/grpc.health.v1.Health/Check", b"\x08\x01"
# The usual limit of a probe, and how often everything is asked.
PROBE_SECONDS, INTERVAL = 1.0, 0.1
# Of the well-behaved caller.
IMAGES, TIMEOUT = 8, 10.0
HEALTH, HTTP, CALLER = "health check", "HTTP probes", "caller"
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Event:
    """A check or a call: when it began, how long it took, and what was wrong, if anything was."""

    kind: str
    begun: float
    seconds: float
    error: str


class Prober:
    """Checks and calls from `with` on; `events` after it."""

    def __init__(self, ports: Ports, core: int | None = None, *, caller: bool) -> None:
        kinds = [HEALTH, *([CALLER] if caller else [])]
        self._stop = _SPAWN.Event()
        self._receiver, sender = _SPAWN.Pipe(duplex=False)
        arguments = (ports.address, ports.metrics, kinds, core, self._stop, sender)
        self._process = _SPAWN.Process(target=_watch, args=arguments, daemon=True)
        self.events: list[Event] = []

    def __enter__(self) -> Self:
        self._process.start()
        self._receiver.recv()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self.events = self._receiver.recv()
        self._process.join(10)
        self._process.kill()

    def of(self, kind: str, begun: float = 0.0, ended: float = float("inf")) -> list[Event]:
        """The events of a kind that began in a time."""
        return [one for one in self.events if one.kind == kind and begun <= one.begun <= ended]


def _watch(
    address: str, http_port: int | None, kinds: list[str], core: int | None, stop: Any, sender: Any
) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    check = grpc.insecure_channel(address).unary_unary(CHECK)
    client = Client(address, model="fashion", timeout=TIMEOUT)
    given = list(messages.images(IMAGES))
    acts: dict[str, Callable[[], str]] = {
        HEALTH: lambda: _health(check),
        CALLER: lambda: _call(client, given),
    }
    if http_port and not _http(http_port, "/livez"):
        kinds = [*kinds, HTTP]
        acts[HTTP] = lambda: _http(http_port, "/livez") or _http(http_port, "/readyz")
    events: list[Event] = []
    for kind in kinds:
        acts[kind]()
    threads = [
        threading.Thread(target=_repeat, args=(kind, acts[kind], events, stop)) for kind in kinds
    ]
    for thread in threads:
        thread.start()
    sender.send("ready")
    for thread in threads:
        thread.join()
    sender.send(events)


def _repeat(kind: str, act: Callable[[], str], events: list[Event], stop: Any) -> None:
    while not stop.wait(INTERVAL):
        begun = time.monotonic()
        error = act()
        events.append(Event(kind, begun, time.monotonic() - begun, error))


def _health(check: Callable[..., bytes]) -> str:
    try:
        return "" if check(b"", timeout=PROBE_SECONDS) == SERVING else "not serving"
    except grpc.RpcError as error:
        return str(error.code().name)


def _http(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except OSError as error:
        return type(error).__name__
    finally:
        connection.close()
    # A server of metrics alone answers them under any path.
    if b"# HELP" in body:
        return "no such probe"
    return "" if response.status == 200 else f"status {response.status}"


def _call(client: Client, given: list[Any]) -> str:
    try:
        client.encode(given)
    except ResiduumError as error:
        return str(error)
    return ""
