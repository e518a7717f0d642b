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
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial

from serving import kernel
from serving.callers import messages
from serving.callers.load import CallPlan, Load
from serving.others import references
from serving.serve_report import REPETITIONS, Measure, Repetition, Rest, report
from serving.server import Server, residuum, supports

CALLS_OF_32, CALLERS, WORKERS = 4, 32, 2
WARM_UP, REST = 1.0, 1.0
# A server that has just started is not idle yet.
SETTLE, IDLE_SECONDS = 3.0, 20.0
# A cell gives something with a count of images, and the process to look at.
Cell = Callable[[], AbstractContextManager[tuple["references.Bare | Load", int]]]


def measure(cell: Cell, core: int, seconds: float) -> Measure:
    """Runs a cell. What failed calls cost counts for the images of the others."""
    with cell() as (load, pid):
        time.sleep(WARM_UP)
        before = load.images
        with kernel.usage(pid, core) as usage:
            time.sleep(seconds)
            images = load.images - before
        failures = load.failures
    return Measure(
        per_image=usage.cpu / max(images, 1) * 1e6,
        busiest_per_image=usage.busiest / max(images, 1) * 1e6,
        images_per_second=images / usage.seconds,
        foreign=usage.foreign,
        stolen=usage.stolen,
        failures=failures,
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
        # The kernel shares out connections at random: one process may get most of the calls.
        options = ["--processes", str(WORKERS), "--workers", str(WORKERS * CALLERS)]
        two = stack.enter_context(residuum("two", core=core, options=options))
        found["1 a call, 2 processes"] = cell(two, messages.ENCODE, 1, WORKERS * CALLERS, x1)
    else:
        print("two processes are left out: this server has no --processes")
    return found


def repeat(cores: list[int], most: int, seconds: float) -> list[Repetition]:
    """Repetitions, until enough were calm or `most` are done."""
    done: list[Repetition] = []
    with ExitStack() as stack:
        found = cells(stack, cores)
        while len(done) < most and sum(one.calm for one in done) < REPETITIONS:
            pressure = kernel.pressure(REST)
            measures = {name: measure(cell, cores[0], seconds) for name, cell in found.items()}
            done.append(Repetition(pressure, measures))
            state = "calm" if done[-1].calm else "busy"
            print(f"repetition {len(done)}: {state}, pressure {pressure:.1%}")
    return done


def at_rest(core: int) -> Rest:
    """A server that nobody calls."""
    with residuum("rest", core=core) as server:
        time.sleep(SETTLE)
        with kernel.usage(server.pid, core) as usage:
            time.sleep(IDLE_SECONDS)
    return Rest(server.start_seconds, usage.cpu / usage.seconds, usage.calm)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=9, help="most repetitions")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each cell")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    report(repeat(cores, options.most, options.seconds), at_rest(cores[0]))


if __name__ == "__main__":
    main()
