"""Memory, other callers and probes while strangers send what is large, broken, idle or cancelled.

    make bench-hostile

Each attack comes from a separate process, while another makes calls and health checks ten times a
second. The peak is the most memory of each process of the server, added up, which is at least what
they had together. Afterwards the memory has 30 seconds to come back.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from residuum_client import Client
from serving import kernel
from serving.callers import attacks, messages
from serving.callers.probes import CALLER, HEALTH, HTTP, Event, Prober
from serving.report import Bar, show, write
from serving.server import Ports, Server, residuum

MIB, BACK_SECONDS, SAMPLE_SECONDS, SETTLE_SECONDS = 2**20, 30.0, 0.05, 3.0
PEAK_MIB, BACK, NONE_FAILED = (
    Bar(1024, at_least=False),
    Bar(1.2, at_least=False),
    Bar(0, at_least=False),
)
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(kw_only=True)
class Phase:
    """An attack; memory in MiB, times in seconds."""

    name: str
    statuses: dict[str, int]
    begun: float
    ended: float
    before: float
    peak: float
    sampled_peak: float
    after: float
    back_after: float | None
    calls: int = 0
    failed_calls: int = 0
    longest_call: float = 0.0
    checks: int = 0
    failed_checks: int = 0
    errors: tuple[str, ...] = ()


class Sampler(threading.Thread):
    """Looks at the memory of a server every now and then, and keeps the largest value."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._done = pid, threading.Event()
        self.peak = 0

    def run(self) -> None:
        """Until `finish`."""
        while not self._done.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, kernel.resident_bytes(self._pid))

    def finish(self) -> int:
        """Ends the thread; the largest value in bytes."""
        self._done.set()
        self.join()
        return self.peak


def settle(ports: Ports) -> None:
    """Ordinary calls to both models, so that the memory at rest is that of a server in use."""
    for model in ("fashion", "pcb"):
        given = list(messages.images(4, model))
        with Client(ports.address, model=model, timeout=60) as client:
            for _ in range(20):
                client.decode(client.encode(given))
                client.score(given)
    threading.Event().wait(SETTLE_SECONDS)


def attack(server: Server, act: Callable[[Ports], attacks.Statuses], rest: float) -> Phase:
    """Runs one attack and waits for the memory to come back to `rest` MiB."""
    before = kernel.resident_bytes(server.pid) / MIB
    kernel.forget_peak(server.pid)
    sampler = Sampler(server.pid)
    sampler.start()
    receiver, sender = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=_run, args=(act, server.ports, sender), daemon=True)
    begun = time.monotonic()
    process.start()
    sender.close()
    statuses = receiver.recv()
    process.kill()
    ended, back = time.monotonic(), None
    peak = kernel.peak_bytes(server.pid) / MIB
    while back is None and time.monotonic() - ended < BACK_SECONDS:
        time.sleep(0.2)
        if kernel.resident_bytes(server.pid) / MIB <= BACK.limit * rest:
            back = time.monotonic() - ended
    return Phase(
        name=act.__name__.replace("_", " "),
        statuses=dict(statuses),
        begun=begun,
        ended=time.monotonic(),
        before=before,
        peak=peak,
        sampled_peak=sampler.finish() / MIB,
        after=kernel.resident_bytes(server.pid) / MIB,
        back_after=back,
    )


def _run(act: Callable[[Ports], attacks.Statuses], ports: Ports, sender: Any) -> None:
    os.nice(5)
    sender.send(act(ports))


def judge(phase: Phase, prober: Prober) -> None:
    """Adds what became of the calls and checks in the time of a phase."""

    def failed(events: list[Event]) -> list[Event]:
        return [one for one in events if one.error]

    calls = prober.of(CALLER, phase.begun, phase.ended)
    checks = [one for kind in (HEALTH, HTTP) for one in prober.of(kind, phase.begun, phase.ended)]
    phase.calls, phase.failed_calls = len(calls), len(failed(calls))
    phase.longest_call = max((one.seconds for one in calls), default=0.0)
    phase.checks, phase.failed_checks = len(checks), len(failed(checks))
    phase.errors = tuple(sorted({f"{one.kind}: {one.error}" for one in failed([*calls, *checks])}))


def report(phases: list[Phase], rest: float) -> None:
    """Prints the table and writes the JSON file."""
    columns = (
        "attack", "answers", f"peak MiB, {PEAK_MIB}", f"after / rest, {BACK}", "back after s",
        f"failed calls, {NONE_FAILED}", "longest s", f"failed checks, {NONE_FAILED}", "verdict",
    )  # fmt: skip
    rows = []
    for one in phases:
        judged = (
            (PEAK_MIB, one.peak),
            (BACK, one.after / rest),
            (NONE_FAILED, one.failed_calls),
            (NONE_FAILED, one.failed_checks),
        )
        missed = any(bar.verdict(figure) == "missed" for bar, figure in judged)
        answers = ", ".join(f"{count} {status}" for status, count in one.statuses.items())
        rows.append([
            one.name, answers, one.peak, one.after / rest, one.back_after,
            f"{one.failed_calls} of {one.calls}", one.longest_call,
            f"{one.failed_checks} of {one.checks}", "missed" if missed else "met",
        ])  # fmt: skip
    show(f"Memory at rest {rest:.0f} MiB", columns, rows)
    for one in phases:
        for error in one.errors:
            print(f"{one.name}: {error}")
    write("hostile", {"rest MiB": rest, "attacks": [asdict(one) for one in phases]})


def main() -> None:
    """Runs the benchmark."""
    names = [act.__name__ for act in attacks.ATTACKS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attacks", nargs="+", choices=names, default=names)
    options = parser.parse_args()
    phases = []
    with residuum() as server, Prober(server.ports, caller=True) as prober:
        settle(server.ports)
        rest = kernel.resident_bytes(server.pid) / MIB
        for act in attacks.ATTACKS:
            if act.__name__ in options.attacks:
                phases.append(attack(server, act, rest))
                print(f"{phases[-1].name}: peak {phases[-1].peak:,.0f} MiB")
    for phase in phases:
        judge(phase, prober)
    report(phases, rest)


if __name__ == "__main__":
    main()
