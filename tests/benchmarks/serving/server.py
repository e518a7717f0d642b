"""Starts a server, ours or another, on cores of choice, and reads its ports from what it prints."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from serving import kernel

ROOT = Path(__file__).resolve().parents[3]
BUNDLES = ROOT / "deploy/bundles"
LOGS = ROOT / "build/bench/logs"
SERVICE = (sys.executable, "-m", "service")
START_SECONDS, STOP_SECONDS = 60.0, 30.0
# Where each port is in the lines that a server prints when it is ready.
PORTS = {"data": r"\bport (\d+)", "admin": r"\badmin (\d+)", "metrics": r"\bmetrics (\d+)"}


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where a server listens."""

    data: int
    admin: int | None = None
    metrics: int | None = None

    @property
    def address(self) -> str:
        """Of the data port."""
        return f"127.0.0.1:{self.data}"

    @property
    def admin_address(self) -> str | None:
        """Of the admin port, or None without one."""
        return f"127.0.0.1:{self.admin}" if self.admin else None


class Server:
    """A process with its descendants; `ports` are those it printed."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self._process, self._output = process, output
        self.pid = process.pid
        self.ports: Ports
        self.start_seconds = 0.0

    @property
    def address(self) -> str:
        """Of the data port."""
        return self.ports.address

    def workers(self) -> list[int]:
        """The processes that answer calls: those without children, and not Python's tracker."""
        leaves = [one for one in kernel.family(self.pid) if len(kernel.family(one)) == 1]
        return [one for one in leaves if b"resource_tracker" not in _command_line(one)]

    def read_ports(self, patterns: Mapping[str, str]) -> None:
        """Waits until the ports are printed. Raises SystemExit if the server does not start."""
        begun = time.monotonic()
        while time.monotonic() < begun + START_SECONDS and self._process.poll() is None:
            printed = self._output.read_text(errors="replace")
            found = {name: re.search(pattern, printed) for name, pattern in patterns.items()}
            # A line counts once it is complete: half of a number is one as well.
            if found["data"] and "\n" in printed[found["data"].end() :]:
                self.ports = Ports(
                    **{name: int(match[1]) for name, match in found.items() if match}
                )
                self.start_seconds = time.monotonic() - begun
                return
            time.sleep(0.02)
        sys.exit(f"the server did not start; see {self._output.with_suffix('.err')}")

    def stop(self) -> float:
        """Sends SIGTERM and waits for the end; seconds that it took."""
        begun = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(STOP_SECONDS)
        return time.monotonic() - begun


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@contextmanager
def launched(
    command: Sequence[str],
    name: str,
    cores: set[int] | None = None,
    patterns: Mapping[str, str] = PORTS,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[Server]:
    """A running server. Its output goes to files named after it under build/bench/logs."""
    LOGS.mkdir(parents=True, exist_ok=True)
    output = LOGS / f"{name}.out"
    own = os.sched_getaffinity(0)
    with output.open("wb") as out, output.with_suffix(".err").open("wb") as err:
        # Threads and processes inherit the cores, so that none ever runs elsewhere.
        os.sched_setaffinity(0, cores or own)
        try:
            process = subprocess.Popen(
                command, stdout=out, stderr=err, cwd=ROOT, env=environment, start_new_session=True
            )
        finally:
            os.sched_setaffinity(0, own)
    try:
        server = Server(process, output)
        server.read_ports(patterns)
        yield server
    finally:
        # Its workers may be in sessions apart, and would stay.
        for one in kernel.family(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        process.wait()


@contextmanager
def residuum(
    name: str = "server", *, core: int | None = None, port: int = 0, options: Sequence[str] = ()
) -> Iterator[Server]:
    """`residuum-serve` with the shipped bundles, on one core or all; other ports are free ones.

    The environment variable SERVER_OPTIONS has more options for each server.
    """
    ports = ["--host", "127.0.0.1", "--port", str(port), "--admin-port", "0", "--metrics-port", "0"]
    extra = shlex.split(os.environ.get("SERVER_OPTIONS", ""))
    command = [*SERVICE, "--bundles", str(BUNDLES), *ports, *options, *extra]
    with launched(command, name, None if core is None else {core}) as server:
        yield server


@contextmanager
def server(core: int | None = None, options: Sequence[str] = ()) -> Iterator[str]:
    """Like `residuum`, but only the address."""
    with residuum(core=core, options=options) as running:
        yield running.address


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in held]


@cache
def supports(option: str) -> bool:
    """Whether `residuum-serve` has a command-line option."""
    printed = subprocess.run([*SERVICE, "--help"], capture_output=True, text=True, cwd=ROOT)
    return option in printed.stdout.split()
