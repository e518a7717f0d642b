"""Memory, open files and hung calls over a long mixed load.

    make bench-soak [SOAK_MINUTES=3]

Callers make calls of all kinds, good and bad, and replace models. The memory and the open files of
the last quarter of the time are compared with those of the second: the first warms up.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field

from serving import kernel
from serving.callers.mixture import CALLERS, Caller
from serving.report import Bar, show, write
from serving.server import Server, residuum

MIB, SAMPLES = 2**20, 60
MEMORY, FILES, NONE = Bar(1.1, at_least=False), Bar(16, at_least=False), Bar(0, at_least=False)


@dataclass
class Sample:
    """A moment: minutes since the begin, memory in MiB, open files, hung calls."""

    minutes: float
    mib: float
    files: int
    hung: int


@dataclass
class Soak:
    """What was seen over the time, and what became of the calls."""

    samples: list[Sample] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)

    @property
    def figures(self) -> dict[str, tuple[float, Bar]]:
        """Figures with their bars."""
        quarter = len(self.samples) // 4
        second, last = self.samples[quarter : 2 * quarter], self.samples[-quarter:]
        memory = [statistics.median(one.mib for one in part) for part in (second, last)]
        files = [statistics.median(one.files for one in part) for part in (second, last)]
        return {
            "memory, last quarter / second": (memory[1] / memory[0], MEMORY),
            "open files, last quarter - second": (files[1] - files[0], FILES),
            "hung calls": (max(one.hung for one in self.samples), NONE),
            "calls with another end than expected": (sum(self.unexpected.values()), NONE),
        }


def soak(server: Server, minutes: float) -> Soak:
    """Keeps a server busy for some minutes."""
    found, stop, begun = Soak(), threading.Event(), time.monotonic()
    callers = [Caller(server.ports, number, stop) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    for _ in range(SAMPLES):
        stop.wait(minutes * 60 / SAMPLES)
        sample = Sample(
            minutes=(time.monotonic() - begun) / 60,
            mib=kernel.resident_bytes(server.pid) / MIB,
            files=kernel.open_files(server.pid),
            hung=sum(caller.hangs() for caller in callers),
        )
        found.samples.append(sample)
    stop.set()
    for caller in callers:
        while caller.is_alive() and not caller.hangs():
            caller.join(1)
        found.samples[-1].hung += caller.is_alive()
        found.counts += caller.counts
        found.unexpected += caller.unexpected
    return found


def main() -> None:
    """Runs the benchmark; the exit status is 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    with residuum() as server:
        found = soak(server, options.minutes)
    rows = [[one.minutes, one.mib, one.files, one.hung] for one in found.samples[:: SAMPLES // 12]]
    show("Over time", ["minute", "MiB", "open files", "hung calls"], rows)
    show("Calls", ["kind", "calls"], sorted(found.counts.items()))
    judged = [
        [name, float(figure), str(bar), bar.verdict(figure)]
        for name, (figure, bar) in found.figures.items()
    ]
    show(f"{options.minutes:g} minutes", ["figure", "value", "bar", "verdict"], judged)
    for text, count in found.unexpected.most_common(10):
        print(f"{count} x {text}")
    samples = [asdict(one) for one in found.samples]
    write(
        "soak",
        {
            "figures": judged,
            "calls": dict(found.counts),
            "unexpected": dict(found.unexpected),
            "samples": samples,
        },
    )
    sys.exit(any(row[-1] == "missed" for row in judged))


if __name__ == "__main__":
    main()
