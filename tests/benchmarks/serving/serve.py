"""CPU time per image through the server, next to what it costs without and with other servers.

    make bench-serve

Every server is pinned to one core and the callers to another. The figures are CPU time of all
processes of a server by the kernel's clocks, never wall time, in repetitions that go through all
cells in turn. A ratio is the median of the ratios within each repetition.

There is a verdict if in three repetitions the machine was calm: nearly nobody waited for a core
while the benchmark rested, and nobody else ran on the server's core while it was measured.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial

from serving import kernel, messages, references
from serving.load import CallPlan, Load
from serving.report import Bar, show, write
from serving.server import Server, residuum, supports

CALLS_OF_32, CALLERS, WORKERS = 4, 32, 2
REPETITIONS, WARM_UP, REST = 3, 1.0, 1.0
# Ratios of CPU per image: figure, of, bar. The first is a share of the cost without a server.
RATIOS = (
    ("bare", "32 a call", Bar(0.90)),
    ("bare", "32 a stream message", Bar(0.95)),
    ("bare", "1 a call", Bar(0.45)),
    ("1 a call", "naive, 1 a call", Bar(0.55, at_least=False)),
    ("1 a call", "MLServer, 1 a call", Bar(0.35, at_least=False)),
)
SCALING = Bar(1.8)
# A cell gives something with a count of images, and the process to look at.
Cell = Callable[[], AbstractContextManager[tuple["references.Bare | Load", int]]]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A cell in one repetition; times in microseconds of CPU."""

    per_image: float
    busiest_per_image: float
    images_per_second: float
    foreign: float
    stolen: float
    calm: bool


def measure(cell: Cell, core: int, seconds: float) -> Measure:
    """Runs a cell. Raises RuntimeError if a call fails: its cost would count as nothing."""
    with cell() as (load, pid):
        time.sleep(WARM_UP)
        before = load.images
        with kernel.usage(pid, core) as usage:
            time.sleep(seconds)
            images = load.images - before
        if isinstance(load, Load) and load.failures:
            raise RuntimeError(f"{load.failures} calls failed")
    return Measure(
        per_image=usage.cpu / max(images, 1) * 1e6,
        busiest_per_image=usage.busiest / max(images, 1) * 1e6,
        images_per_second=images / usage.seconds,
        foreign=usage.foreign,
        stolen=usage.stolen,
        calm=usage.calm,
    )


@contextmanager
def loaded(server: Server, calls: CallPlan, core: int) -> Iterator[tuple[Load, int]]:
    """Callers of a server that runs already."""
    with Load(calls, core) as load:
        yield load, server.pid


@contextmanager
def bare(process: references.Bare) -> Iterator[tuple[references.Bare, int]]:
    """The process without a server."""
    with process.running():
        yield process, process.pid


def cells(stack: ExitStack, cores: list[int]) -> dict[str, Cell]:
    """The cells by name; their servers run until the stack is closed."""
    core, callers_core = cores[0], cores[-1]

    def cell(server: Server, method: str, images: int, callers: int, message: bytes) -> Cell:
        calls = CallPlan(
            address=server.address, method=method, message=message, images=images,
            callers=callers, stream=method == messages.ENCODE_STREAM,
        )  # fmt: skip
        return partial(loaded, server, calls, callers_core)

    one, x1, x32 = stack.enter_context(residuum(core=core)), messages.encode(1), messages.encode(32)
    naive = stack.enter_context(references.naive(core))
    found = {
        "bare": partial(bare, references.Bare(core)),
        "32 a call": cell(one, messages.ENCODE, 32, CALLS_OF_32, x32),
        "32 a stream message": cell(one, messages.ENCODE_STREAM, 32, CALLS_OF_32, x32),
        "1 a call": cell(one, messages.ENCODE, 1, CALLERS, x1),
        "naive, 1 a call": cell(naive, messages.ENCODE, 1, CALLERS, x1),
    }
    missing = references.install_mlserver()
    if missing:
        print(missing)
    else:
        other = stack.enter_context(references.mlserver(core))
        request = references.mlserver_request()
        found["MLServer, 1 a call"] = cell(other, references.INFER, 1, CALLERS, request)
    if supports("--processes"):
        options = ["--processes", str(WORKERS)]
        two = stack.enter_context(residuum("two", core=core, options=options))
        found["1 a call, 2 processes"] = cell(two, messages.ENCODE, 1, WORKERS * CALLERS, x1)
    else:
        print("two processes are left out: this server has no --processes")
    return found


Repetition = tuple[float, dict[str, Measure]]


def repeat(most: int, seconds: float) -> list[Repetition]:
    """Pressure and measures of each repetition, until enough were calm or `most` are done."""
    cores, done = sorted(os.sched_getaffinity(0)), list[Repetition]()
    with ExitStack() as stack:
        found = cells(stack, cores)
        os.sched_setaffinity(0, {cores[-1]})
        while len(done) < most and sum(map(calm, done)) < REPETITIONS:
            pressure = kernel.pressure(REST)
            done.append(
                (pressure, {name: measure(cell, cores[0], seconds) for name, cell in found.items()})
            )
            state = "calm" if calm(done[-1]) else "busy"
            print(f"repetition {len(done)}: {state}, pressure {pressure:.1%}")
    return done


def calm(repetition: Repetition) -> bool:
    """Whether a repetition counts for a verdict."""
    pressure, measures = repetition
    return pressure <= kernel.MOST_PRESSURE and all(one.calm for one in measures.values())


def report(done: list[Repetition]) -> None:
    """Prints the tables and writes the JSON file."""
    enough = sum(map(calm, done)) >= REPETITIONS
    used = [measures for one in done if calm(one) or not enough for measures in one[1:]]
    rows = []
    for name in used[0]:
        costs = [measures[name].per_image for measures in used]
        rate = statistics.median(measures[name].images_per_second for measures in used)
        foreign = max(measures[name].foreign for measures in used)
        rows.append(
            [name, min(costs), statistics.median(costs), max(costs), rate, f"{foreign:.0%}"]
        )
    columns = ["cell", "minimum", "median", "maximum", "images/s", "others' share of the core"]
    show("Microseconds of CPU per image, `fashion`", columns, rows)
    ratios = []
    for figure, of, bar in RATIOS:
        value = ratio(used, figure, of)
        ratios.append([f"{figure} / {of}", value, str(bar), bar.verdict(value, enough)])
    value = ratio(used, "1 a call", "1 a call, 2 processes", "busiest_per_image")
    ratios.append(
        [
            "2 processes, images/s of CPU of the busiest",
            value,
            str(SCALING),
            SCALING.verdict(value, enough),
        ]
    )
    show(f"Ratios of {len(used)} repetitions", ["ratio", "median", "bar", "verdict"], ratios)
    if not enough:
        counts = f"{sum(map(calm, done))} of {len(done)} repetitions were calm"
        print(f"no verdict: the machine was busy: {counts}, {REPETITIONS} are needed")
    repetitions = [
        {"pressure": pressure, "cells": {name: asdict(one) for name, one in measures.items()}}
        for pressure, measures in done
    ]
    names = ("ratio", "median", "bar", "verdict")
    write(
        "serve",
        {
            "ratios": [dict(zip(names, row, strict=True)) for row in ratios],
            "repetitions": repetitions,
        },
    )


def ratio(
    used: list[dict[str, Measure]], figure: str, of: str, field: str = "per_image"
) -> float | None:
    """The median of the ratios within each repetition; None if a cell was left out."""
    if of not in used[0]:
        return None
    return statistics.median(getattr(one[figure], field) / getattr(one[of], field) for one in used)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=9, help="most repetitions")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each cell")
    options = parser.parse_args()
    report(repeat(options.most, options.seconds))


if __name__ == "__main__":
    main()
