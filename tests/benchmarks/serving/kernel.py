"""What the kernel counts: CPU time, memory and open files of a process and its descendants."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

KIB = 1024
_TICKS = os.sysconf("SC_CLK_TCK")
# A verdict needs others to have had less of the server's core than this, and less pressure and
# stolen time.
MOST_FOREIGN, MOST_PRESSURE, MOST_STOLEN = 0.05, 0.05, 0.02


def family(pid: int) -> list[int]:
    """The process and all its descendants, in the order of their start."""
    children = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                # The name, in parentheses, may itself contain spaces and parentheses.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children[int(fields[1])].append(int(entry.name))
    found = [pid]
    for one in found:
        found += sorted(children[one])
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process so far, also of those that ended; 0 if it is gone."""
    try:
        # The id of the CPU clock of another process: see clock_getcpuclockid(3).
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def cpu_by_process(pid: int) -> dict[int, float]:
    """CPU time of each process of a family."""
    return {one: cpu_seconds(one) for one in family(pid)}


def resident_bytes(pid: int) -> int:
    """Memory of a family; what processes share is counted once."""
    return sum(_kib(f"/proc/{one}/smaps_rollup", "Pss") for one in family(pid)) * KIB


def peak_bytes(pid: int) -> int:
    """The most memory that each process of a family has had, added up: an upper bound."""
    return sum(_kib(f"/proc/{one}/status", "VmHWM") for one in family(pid)) * KIB


def forget_peak(pid: int) -> None:
    """Makes `peak_bytes` begin again."""
    for one in family(pid):
        with contextlib.suppress(OSError):
            Path(f"/proc/{one}/clear_refs").write_text("5")


def open_files(pid: int) -> int:
    """Open files and sockets of a family."""
    count = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            count += len(list(Path(f"/proc/{one}/fd").iterdir()))
    return count


def listeners(port: int) -> int:
    """Number of sockets that accept connections at a port."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    lines = [line for table in tables if table.exists() for line in table.open()]
    sockets = [line.split() for line in lines]
    return sum(one[1].endswith(f":{port:04X}") and one[3] == "0A" for one in sockets)


def _kib(path: str, name: str) -> int:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", Path(path).read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def core_seconds(core: int) -> tuple[float, float]:
    """Seconds that a core worked so far, and that the hypervisor gave to others."""
    found = re.search(rf"^cpu{core} (.*)", Path("/proc/stat").read_text(), re.MULTILINE)
    ticks = [int(field) for field in found[1].split()] if found else [0] * 8
    user, nice, system, _idle, _iowait, irq, soft_irq, stolen = ticks[:8]
    return (user + nice + system + irq + soft_irq) / _TICKS, stolen / _TICKS


def pressure(seconds: float) -> float:
    """Share of the next seconds in which some process waited for a core.

    Measured while the benchmark rests, since it would wait for its own processes otherwise.
    """
    before = _pressure_microseconds()
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        time.sleep(seconds / 10)
    return (_pressure_microseconds() - before) / 1e6 / (time.monotonic() - begun)


def _pressure_microseconds() -> int:
    try:
        found = re.search(r"^some .*total=(\d+)", Path("/proc/pressure/cpu").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0


@dataclass
class Usage:
    """What happened on the core of a server while it was measured."""

    seconds: float = 0.0
    cpu: float = 0.0
    busiest: float = 0.0
    foreign: float = 0.0
    stolen: float = 0.0

    @property
    def free_seconds(self) -> float:
        """Time in which others left the core to the server."""
        return self.seconds * max(0.01, 1 - self.foreign - self.stolen)

    @property
    def calm(self) -> bool:
        """Whether others left the core to the server, nearly always."""
        return self.foreign <= MOST_FOREIGN and self.stolen <= MOST_STOLEN


class Others:
    """The share of all cores that others used, from `with` on, in `share` after it."""

    def __enter__(self) -> Self:
        self._begun, self._own, self._all = time.monotonic(), _own_seconds(), _all_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        foreign = _all_seconds() - self._all - (_own_seconds() - self._own)
        cores = len(os.sched_getaffinity(0))
        self.share = max(0.0, foreign) / (time.monotonic() - self._begun) / cores

    @property
    def calm(self) -> bool:
        """Whether it was little."""
        return self.share <= MOST_FOREIGN


def _own_seconds() -> float:
    """CPU time of this process and all that it started, also of those that ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(cpu_by_process(os.getpid()).values()) + ended.ru_utime + ended.ru_stime


def _all_seconds() -> float:
    return sum(sum(core_seconds(core)) for core in os.sched_getaffinity(0))


@contextmanager
def usage(pid: int, core: int) -> Iterator[Usage]:
    """Measures a family that is pinned to a core, for as long as the context lasts.

    `foreign` is the share of the time in which the core worked for others, `stolen` the share that
    the hypervisor took. How long the threads waited for the core would say little: they wait for
    each other most of the time.
    """
    result, begun = Usage(), time.monotonic()
    cpu, (busy, stolen) = cpu_by_process(pid), core_seconds(core)
    yield result
    result.seconds = time.monotonic() - begun
    spent = [now - cpu.get(one, 0.0) for one, now in cpu_by_process(pid).items()]
    busy_now, stolen_now = core_seconds(core)
    result.cpu, result.busiest = sum(spent), max(spent)
    result.foreign = max(0.0, busy_now - busy - result.cpu) / result.seconds
    result.stolen = (stolen_now - stolen) / result.seconds
