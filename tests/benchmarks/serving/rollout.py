"""Calls that fail while servers are stopped in turn, models are replaced, and workers are killed.

    make bench-rollout

Callers use the shipped client and do not wait for answers. Two servers on ports of their own are
stopped with SIGTERM and started again in turn, under 80 % of what one of them can do alone: that is
what two replicas must be sized for. Then models of one server are replaced through its admin port,
under half of that load, and at last worker processes are killed.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import grpc

from residuum_client.v1 import models_pb2, models_pb2_grpc
from serving import kernel
from serving.callers import shipped
from serving.callers.shipped import Callers, Outcome, Plan
from serving.report import Bar, show, write
from serving.server import START_SECONDS, Server, free_ports, residuum, supports

IMAGES, TIMEOUT, CALLERS, LOAD, SWAP_LOAD = 8, 30.0, 8, 0.8, 0.4
NO_FAILURE, DOUBLED = Bar(0, at_least=False), Bar(2, at_least=False)
# Seconds between two events.
PAUSE, SWAP_PAUSE = 1.0, 0.5
LOAD_TIMEOUT = 30.0


def restarts(count: int) -> dict[str, Any]:
    """SIGTERM to two servers in turn, each started again."""
    ports = free_ports(2)
    rate = LOAD * alone(ports[0])
    target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    drains = []
    with ExitStack() as everything:
        running = [everything.enter_context(replica(port)) for port in ports]
        plan = Plan(target=target, images=IMAGES, rate=rate, timeout=TIMEOUT)
        with Callers(plan) as callers:
            for number in range(count):
                wait(PAUSE)
                place = number % 2
                drains.append(running[place].stop())
                running[place] = everything.enter_context(replica(ports[place]))
            wait(PAUSE)
    return summary(callers) | {"calls/s": rate, "seconds to drain": max(drains)}


def alone(port: int) -> float:
    """Calls per second that one server answers."""
    with replica(port) as server:
        return shipped.capacity(server.address, IMAGES, CALLERS)


def replica(port: int) -> Any:
    """A server on a port."""
    return residuum(f"replica-{port}", port=port)


def swaps(count: int) -> dict[str, Any]:
    """Loads the model that is in use again and again, after as long a time without."""
    with residuum() as server:
        if server.ports.admin_address is None:
            return {"calls": 0, "note": "the server has no admin port"}
        rate = SWAP_LOAD * shipped.capacity(server.address, IMAGES, CALLERS)
        plan = Plan(target=server.address, images=IMAGES, rate=rate, timeout=TIMEOUT)
        with Callers(plan) as calm:
            wait(count * SWAP_PAUSE)
        loads = []
        with Callers(plan) as callers, grpc.insecure_channel(server.ports.admin_address) as channel:
            stub = models_pb2_grpc.ModelServiceStub(channel)
            for _ in range(count):
                begun = time.monotonic()
                request = models_pb2.LoadModelRequest(bundle="fashion")
                stub.LoadModel(request, timeout=LOAD_TIMEOUT)
                loads.append(time.monotonic() - begun)
                wait(SWAP_PAUSE)
    figures = summary(callers)
    before = latency_p99(calm.outcomes)
    more = {"p99 ms without": before, "p99 against without": figures["p99 ms"] / before}
    return figures | more | {"calls/s": rate, "seconds of a load": statistics.median(loads)}


def kills(count: int) -> dict[str, Any]:
    """SIGKILL to worker processes of a server with two of them."""
    if not supports("--processes"):
        return {"calls": 0, "note": "this server has no --processes"}
    with residuum(options=["--processes", "2"]) as server:
        rate = SWAP_LOAD * shipped.capacity(server.address, IMAGES, CALLERS)
        plan = Plan(target=server.address, images=IMAGES, rate=rate, timeout=TIMEOUT)
        with Callers(plan) as callers:
            for _ in range(count):
                wait(PAUSE)
                count = kernel.listeners(server.ports.data)
                os.kill(server.workers()[0], signal.SIGKILL)
                wait(PAUSE)
                wait_for_listeners(server, count)
            wait(PAUSE)
    return summary(callers) | {"calls/s": rate}


def watched(act: Callable[[int], dict[str, Any]], count: int) -> dict[str, Any]:
    """What became of the calls. A failure on a busy machine may be one of overload."""
    with kernel.Others() as others:
        figures = act(count)
    failed = figures.get("failed")
    verdict = NO_FAILURE.verdict(failed, calm=others.calm or not failed)
    return figures | {"others' share of the cores": others.share, "verdict": verdict}


def wait_for_listeners(server: Server, count: int) -> None:
    """Waits until another process has taken the place of one that was killed, and is ready."""
    deadline = time.monotonic() + START_SECONDS
    while kernel.listeners(server.ports.data) < count:
        if time.monotonic() > deadline:
            raise TimeoutError("the worker that was killed was not replaced")
        time.sleep(0.05)


def wait(seconds: float) -> None:
    """Lets the callers call for a while."""
    time.sleep(seconds)


def summary(callers: Callers) -> dict[str, Any]:
    """What became of the calls."""
    return {
        "calls": len(callers.outcomes),
        "failed": len(callers.errors),
        "p99 ms": latency_p99(callers.outcomes),
        "longest s": max(one.seconds for one in callers.outcomes),
        "errors": dict(Counter(callers.errors).most_common(5)),
    }


def latency_p99(outcomes: list[Outcome]) -> float:
    """In milliseconds, of the calls that succeeded."""
    return shipped.p99([one.seconds for one in outcomes if not one.error]) or 0.0


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--swaps", type=int, default=50)
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args()
    figures = {
        f"{options.restarts} SIGTERMs": watched(restarts, options.restarts),
        f"{options.swaps} loads of the model": watched(swaps, options.swaps),
        f"{options.kills} worker processes killed": watched(kills, options.kills),
    }
    names = (
        "calls/s",
        "calls",
        "failed",
        "p99 ms",
        "p99 ms without",
        "longest s",
        "others' share of the cores",
    )
    rows = [
        [name, *(one.get(key) for key in names), one["verdict"]] for name, one in figures.items()
    ]
    show("Calls with the shipped client", ["during", *names, f"failed {NO_FAILURE}"], rows)
    for name, one in figures.items():
        for text in (*one.get("errors", {}), one.get("note", "")):
            if text:
                print(f"{name}: {text}")
    doubled = figures[f"{options.swaps} loads of the model"].get("p99 against without")
    verdict = DOUBLED.verdict(doubled)
    print(f"p99 with loads against p99 without: {doubled or 0:.2f}, {DOUBLED}: {verdict}")
    write("rollout", figures)


if __name__ == "__main__":
    main()
