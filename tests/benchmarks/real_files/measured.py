"""Real commands and a real server with default settings, and what they cost the machine.

CPU time and peak memory are what the kernel counts for the processes.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import started

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("RESIDUUM_")},
    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'clients/python'}",
}
RESIDUUM = "import sys, residuum_command; sys.exit(residuum_command.main())"
SECONDS = 1800.0
PORTS = ("--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--metrics-port", "0")
READY = re.compile(r"port (\d+), admin \d+, metrics (\d+)")
INTERNAL = re.compile(r'^residuum_requests_total\{code="INTERNAL".*\} ([\d.]+)', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ended: its output, its time, and its highest memory.

    `status` is negative if a signal ended it. `rows` are the JSON lines of its stdout.
    """

    status: int
    stdout: str
    lines: tuple[str, ...]
    """of stderr"""
    seconds: float
    cpu_seconds: float
    peak_bytes: int

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The JSON lines of its stdout."""
        return [json.loads(line) for line in self.stdout.splitlines()]


@dataclass(frozen=True, slots=True)
class Server:
    """A server at `address`; `pid` is its one serving process, not the supervisor."""

    pid: int
    address: str
    metrics_port: int
    log: Path

    def cpu_seconds(self) -> float:
        """CPU time so far."""
        # Fields 14 and 15; the name of the command, field 2, ends with a parenthesis.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def peak_bytes(self) -> int:
        """The highest memory so far."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])

    def complaints(self) -> list[str]:
        """What went wrong in it so far: calls that ended with INTERNAL, and what it printed."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics") as page:
            counts = INTERNAL.findall(page.read().decode())
        found = [f"the server counted {n} internal errors" for n in counts if float(n)]
        log = self.log.read_text()
        return found + [f"the server printed {log!r}"] * bool(log)


@contextmanager
def serving(bundles: Path, log: Path) -> Iterator[Server]:
    """A server of a folder of bundles, on free ports; it must end with status 0 after SIGTERM."""
    command = [sys.executable, "-m", "service", "--bundles", str(bundles), *PORTS]
    with (
        log.open("wb") as stderr,
        started(
            command,
            seconds=SECONDS,
            cwd=bundles,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as process,
    ):
        ready = READY.search(process.stdout.readline().decode())
        if ready is None:
            raise SystemExit(f"the server did not start: {log.read_text()}")
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield Server(int(child), f"127.0.0.1:{ready[1]}", int(ready[2]), log)
        process.send_signal(signal.SIGTERM)
        if process.wait():
            raise SystemExit(f"the server ended with {process.returncode}: {log.read_text()}")


def residuum(*arguments: object, cwd: Path = ROOT) -> Finished:
    """Runs the command `residuum`."""
    command = [sys.executable, "-c", RESIDUUM, *map(str, arguments)]
    return finished(command, cwd)


def finished(command: list[str], cwd: Path = ROOT) -> Finished:
    """Runs a command to its end.

    Its peak is at least that of this process, from which it was forked.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        start = time.perf_counter()
        with started(
            command, seconds=SECONDS, cwd=cwd, env=ENVIRONMENT, stdout=stdout, stderr=stderr
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        stdout.seek(0)
        stderr.seek(0)
        return Finished(
            process.returncode,
            stdout.read().decode(),
            tuple(stderr.read().decode().splitlines()),
            seconds,
            usage.ru_utime + usage.ru_stime,
            1024 * usage.ru_maxrss,
        )
