"""Calls on the wire: from callers that wait for each answer, and from some that do not."""

from __future__ import annotations

import asyncio
import time

import numpy as np

from serving.callers import messages
from serving.callers.wire import Call, Wire, connect

DEADLINE, PATIENCE, CONNECTIONS, TICK = 0.25, 60.0, 8, 0.002


async def closed(address: str, message: bytes, callers: int, seconds: float) -> float:
    """Calls per second of callers that wait for each answer."""
    done, end = 0, time.monotonic() + seconds
    wires: list[Wire] = []

    def ended(call: Call) -> None:
        nonlocal done
        if call.ended < end:
            done += call.status == "OK"
            wires[done % len(wires)].call()

    wires += await connect(
        address, lambda: Wire(messages.ENCODE, message, PATIENCE, ended), min(CONNECTIONS, callers)
    )
    for number in range(callers):
        wires[number % len(wires)].call()
    while time.monotonic() < end:
        await asyncio.sleep(TICK)
    close(wires)
    return done / seconds


async def offer(
    address: str, message: bytes, rate: float, seconds: float
) -> tuple[list[Call], list[float]]:
    """Calls that come at `rate` per second, and by how many seconds each came too late."""
    calls, late = list[Call](), list[float]()
    wires = await connect(
        address, lambda: Wire(messages.ENCODE, message, DEADLINE, calls.append), CONNECTIONS
    )
    gaps = np.random.default_rng(0).exponential(1 / rate, int(2 * rate * seconds) + 10)
    due = np.cumsum(gaps)
    arrivals, begun = due[due < seconds].tolist(), time.monotonic()
    while len(calls) < len(arrivals):
        now = time.monotonic() - begun
        while len(late) < len(arrivals) and arrivals[len(late)] <= now:
            wires[len(late) % CONNECTIONS].call()
            late.append(now - arrivals[len(late)])
        for wire in wires:
            wire.expire()
        await asyncio.sleep(TICK)
    close(wires)
    return calls, late


def close(wires: list[Wire]) -> None:
    """Ends connections, and with them what is in progress."""
    for wire in wires:
        wire.close()
