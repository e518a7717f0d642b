"""How much a server answers in time at a multiple of what it can do, and how others fare.

    make bench-overload

Calls with a deadline of 250 ms come at random, whether or not earlier ones are answered. Goodput is
what was answered in time, as a share of the capacity: the mean, before and after the loads, of what
callers get that wait for each answer and keep the server busy. Both count for the time in which
others left the server's core alone. The server is pinned to one core, the callers to another. There
is a verdict only where the machine was calm, and where the callers could offer what they should.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from serving import kernel
from serving.callers import messages, shipped
from serving.callers.arrivals import DEADLINE, closed, offer
from serving.callers.load import CallPlan, Load
from serving.callers.probes import HEALTH, HTTP, Prober
from serving.callers.wire import Call
from serving.report import Bar, show, write
from serving.server import Server, residuum

# Callers that keep the server busy, by images of a call.
CALLERS = {1: 32, 8: 8, 32: 4}
LOADS = (1, 2, 5, 10)
GOODPUT = {2: Bar(0.95), 5: Bar(0.85), 10: Bar(0.85)}
REFUSAL_MS, HEALTH_MS = Bar(10, at_least=False), Bar(50, at_least=False)
RETRIED, MIXED = Bar(0.85), Bar(0.9)
# The callers could not offer a load if the 99th percentile of their delays exceeds this.
MOST_LATE_MS = 30.0
REFUSED = ("RESOURCE_EXHAUSTED", "UNAVAILABLE")
# The mixed loads: a caller of single images, next to others that wait for each answer.
SHORT_RATE, BULK_IMAGES, BULK_CALLERS, OTHER_CALLERS = 20.0, 1024, 2, 2


@dataclass(kw_only=True)
class Cell:
    """One load: calls by status, times in milliseconds, and whether the figures count."""

    images: int
    load: float
    offered: float
    goodput: float
    statuses: dict[str, int]
    refusal_p99: float | None
    health_p99: float | None
    http_p99: float | None
    health_failures: int
    late_p99: float
    calm: bool

    @property
    def offered_enough(self) -> bool:
        """Whether the callers called as often and as punctually as they should."""
        return self.late_p99 <= MOST_LATE_MS


def measure(server: Server, cores: tuple[int, int], images: int, seconds: float) -> list[Cell]:
    """All loads for one size of calls."""
    message = messages.encode(images)
    asyncio.run(closed(server.address, message, CALLERS[images], seconds / 2))
    before = capacity(server, cores, images, seconds)
    offered = [offer_watched(server, cores, message, load * before, seconds) for load in LOADS]
    after = capacity(server, cores, images, seconds)
    print(f"{images} a call: {before * images:,.0f} images/s, afterwards {after * images:,.0f}")
    mean = (before + after) / 2
    return [cell(images, load, one, mean) for load, one in zip(LOADS, offered, strict=True)]


def capacity(server: Server, cores: tuple[int, int], images: int, seconds: float) -> float:
    """Calls for each second in which others leave the core to the server."""
    message, callers = messages.encode(images), CALLERS[images]
    with kernel.usage(server.pid, cores[0]) as usage:
        rate = asyncio.run(closed(server.address, message, callers, seconds))
    return rate * seconds / usage.free_seconds


@dataclass(frozen=True)
class Offered:
    """What became of the calls of a load."""

    calls: list[Call]
    late: list[float]
    prober: Prober
    calm: bool
    free_seconds: float


def offer_watched(
    server: Server, cores: tuple[int, int], message: bytes, rate: float, seconds: float
) -> Offered:
    """Offers a load while health checks are made."""
    pressure = kernel.pressure(1.0)
    with (
        Prober(server.ports, cores[1], caller=False) as prober,
        kernel.usage(server.pid, cores[0]) as usage,
    ):
        calls, late = asyncio.run(offer(server.address, message, rate, seconds))
    calm = usage.calm and pressure <= kernel.MOST_PRESSURE
    return Offered(calls, late, prober, calm, usage.free_seconds)


def cell(images: int, load: float, offered: Offered, rate: float) -> Cell:
    """The figures of a load; `rate` is the capacity in calls per free second."""
    possible = rate * offered.free_seconds
    statuses = Counter(call.status for call in offered.calls)
    refusals = [call.ended - call.begun for call in offered.calls if call.status in REFUSED]
    checks, probes = offered.prober.of(HEALTH), offered.prober.of(HTTP)
    return Cell(
        images=images,
        load=load,
        offered=len(offered.calls) / possible,
        goodput=statuses["OK"] / possible,
        statuses=dict(statuses),
        refusal_p99=shipped.p99(refusals),
        health_p99=shipped.p99([one.seconds for one in checks]),
        http_p99=shipped.p99([one.seconds for one in probes]),
        health_failures=sum(bool(one.error) for one in (*checks, *probes)),
        late_p99=shipped.p99(offered.late) or 0.0,
        calm=offered.calm,
    )


def retried(server: Server, cores: tuple[int, int], seconds: float) -> dict[str, Any]:
    """Goodput at twice the capacity with the retries of the shipped client."""
    images, rest = 32, kernel.pressure(1.0)
    calls = capacity(server, cores, images, seconds)
    plan = shipped.Plan(target=server.address, images=images, rate=2 * calls, timeout=DEADLINE)
    with shipped.Callers(plan, cores[1]) as callers, kernel.usage(server.pid, cores[0]) as usage:
        time.sleep(seconds)
    ended = callers.stopped
    good = [one for one in callers.outcomes if not one.error and one.begun + one.seconds <= ended]
    within = sum(one.seconds <= DEADLINE for one in good)
    possible = calls * usage.free_seconds
    calm = usage.calm and rest <= kernel.MOST_PRESSURE
    return {
        "offered": sum(one.begun <= ended for one in callers.outcomes) / possible,
        "goodput": len(good) / possible,
        "at once": within / possible,
        "verdict": RETRIED.verdict(len(good) / possible, calm),
    }


def mixed(server: Server, cores: tuple[int, int], seconds: float) -> dict[str, dict[str, Any]]:
    """Success of a caller of single images with a deadline, next to a caller of much."""

    def callers(model: str, images: int, count: int) -> CallPlan:
        message = messages.encode(images, model)
        return CallPlan(
            address=server.address,
            method=messages.ENCODE,
            message=message,
            images=images,
            callers=count,
        )

    others = {
        "nothing": None,
        f"{BULK_CALLERS} callers of {BULK_IMAGES} images": callers(
            "fashion", BULK_IMAGES, BULK_CALLERS
        ),
        f"{OTHER_CALLERS} callers of `pcb`": callers("pcb", 1, OTHER_CALLERS),
    }
    figures = {}
    for name, other in others.items():
        with ExitStack() as stack:
            if other:
                stack.enter_context(Load(other, cores[1]))
            usage = stack.enter_context(kernel.usage(server.pid, cores[0]))
            calls, _ = asyncio.run(offer(server.address, messages.encode(1), SHORT_RATE, seconds))
        success = sum(call.status == "OK" for call in calls) / len(calls)
        figures[name] = {"success": success, "verdict": MIXED.verdict(success, usage.calm)}
    return figures


def report(cells: list[Cell], retries: dict[str, Any], mix: dict[str, dict[str, Any]]) -> None:
    """Prints the tables and writes the JSON file."""
    show(
        "Calls with a deadline of 250 ms; times are 99th percentiles",
        COLUMNS,
        [row(one) for one in cells],
    )
    show(
        f"Twice the capacity with retries, {RETRIED}",
        list(retries),
        [list(retries.values())],
    )
    rows = [[name, *one.values()] for name, one in mix.items()]
    show("A caller of single images, 250 ms", ["next to", f"success, bar {MIXED}", "verdict"], rows)
    names = {"cells": [asdict(one) for one in cells], "retries": retries, "mixed": mix}
    write("overload", names)


COLUMNS = (
    "images", "load", "offered", "goodput", "bar", "verdict", "late", "refused",
    f"refusal ms, {REFUSAL_MS}", f"health ms, {HEALTH_MS}", "HTTP ms", "failed checks",
)  # fmt: skip


def row(one: Cell) -> list[object]:
    """A line of the table."""
    bar = GOODPUT.get(int(one.load))
    share = {status: count / sum(one.statuses.values()) for status, count in one.statuses.items()}
    refused = sum(share.get(status, 0.0) for status in REFUSED)
    verdict = bar.verdict(one.goodput, one.calm) if bar else "-"
    if not one.offered_enough:
        verdict = "callers too slow"
    return [
        one.images, one.load, one.offered, one.goodput, bar, verdict,
        f"{1 - refused - share.get('OK', 0.0):.0%}", f"{refused:.0%}",
        one.refusal_p99, one.health_p99, one.http_p99, one.health_failures,
    ]  # fmt: skip


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each load")
    parser.add_argument("--images", type=int, nargs="+", default=list(CALLERS))
    options = parser.parse_args()
    available = sorted(os.sched_getaffinity(0))
    cores = available[0], available[-1]
    with residuum(core=cores[0]) as server:
        os.sched_setaffinity(0, {cores[1]})
        cells = [
            one
            for images in options.images
            for one in measure(server, cores, images, options.seconds)
        ]
        report(
            cells, retried(server, cores, options.seconds), mixed(server, cores, options.seconds)
        )


if __name__ == "__main__":
    main()
