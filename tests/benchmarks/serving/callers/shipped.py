"""Callers with the shipped client that do not wait for answers, in a separate process."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np

from residuum_client import ResiduumError
from residuum_client.aio import AsyncClient
from serving.callers import messages

WARM_UP = 2.0
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Outcome:
    """A call: when it began, how long it took with all retries, and why it failed, if it did."""

    begun: float
    seconds: float
    error: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Calls of some images at a rate per second, each with the timeout of a message in seconds."""

    target: str
    images: int
    rate: float
    timeout: float


class Callers:
    """Calls come at random from `with` on; `outcomes` after it, when all of them have ended."""

    def __init__(self, plan: Plan, core: int | None = None) -> None:
        self._stop = _SPAWN.Event()
        self._receiver, sender = _SPAWN.Pipe(duplex=False)
        self._process = _SPAWN.Process(
            target=_run, args=(plan, core, self._stop, sender), daemon=True
        )
        self.outcomes: list[Outcome] = []
        # The longest delay of a call by this process itself, seconds.
        self.late = 0.0
        # When they were asked to stop.
        self.stopped = 0.0

    def __enter__(self) -> Self:
        self._process.start()
        self._receiver.recv()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self.stopped = time.monotonic()
        self.outcomes, self.late = self._receiver.recv()
        self._process.join(10)
        self._process.kill()

    @property
    def errors(self) -> list[str]:
        """Of the calls that failed."""
        return [one.error for one in self.outcomes if one.error]


def p99(seconds: Sequence[float]) -> float | None:
    """The 99th percentile in milliseconds; None without a value."""
    return float(np.quantile(seconds, 0.99)) * 1e3 if len(seconds) else None


def capacity(target: str, images: int, callers: int, seconds: float = 3.0) -> float:
    """Calls per second of callers that wait for each answer."""

    async def measure() -> float:
        done, given = 0, list(messages.images(images))
        async with AsyncClient(target, model="fashion", timeout=30) as client:
            await client.encode(given)
            end = time.monotonic() + seconds

            async def caller() -> None:
                nonlocal done
                while time.monotonic() < end:
                    await client.encode(given)
                    done += 1

            await asyncio.gather(*(caller() for _ in range(callers)))
        return done / seconds

    return asyncio.run(measure())


def _run(plan: Plan, core: int | None, stop: Any, sender: Any) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    sender.send(asyncio.run(_offer(plan, stop, sender)))


async def _offer(plan: Plan, stop: Any, sender: Any) -> tuple[list[Outcome], float]:
    outcomes, late, given = list[Outcome](), 0.0, list(messages.images(plan.images))
    rng = np.random.default_rng(0)

    async def call(client: AsyncClient, begun: float) -> None:
        error = ""
        try:
            await client.encode(given)
        except ResiduumError as failure:
            error = str(failure)
        outcomes.append(Outcome(begun, time.monotonic() - begun, error))

    async with (
        AsyncClient(plan.target, model="fashion", timeout=plan.timeout) as client,
        asyncio.TaskGroup() as calls,
    ):
        await client.encode(given)
        sender.send("ready")
        due = time.monotonic()
        while not stop.is_set():
            due += float(rng.exponential(1 / plan.rate))
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            late = max(late, time.monotonic() - due)
            calls.create_task(call(client, time.monotonic()))
    return outcomes, late
