"""Sends the calls of a bench: at times that are set beforehand, or one after another."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import cycle
from typing import Any

from residuum_client.commands.bench.figures import Call, Outcome
from residuum_client.errors import DeadlineExceeded, Overloaded, ResiduumError
from residuum_client.transport import AsyncConnection
from residuum_client.transport.failures import of_item

# Sends a call that was due at this time of `time.perf_counter`.
Send = Callable[[float], Awaitable[Call]]
# Calls in flight at any time while the capacity is measured, and the share of time before that.
CALLERS = 8
WARM_UP = 0.25
# Seconds until a refused caller tries again if the server does not say when.
PAUSE = 0.02


class Target:
    """A method of a server on several connections, and requests to send in turn."""

    def __init__(
        self, connections: Sequence[AsyncConnection], service: str, requests: Sequence[Any]
    ) -> None:
        self._connections = cycle(connections)
        self._requests = cycle(requests)
        self._service = service

    async def send(self, due: float, deadline: float) -> Call:
        """A call that was due at a time, with a deadline in seconds from then."""
        begin = time.perf_counter()
        left = due + deadline - begin
        if left <= 0:
            return Call(Outcome.LATE, begin - due, begin - due)
        error = await self._error(left)
        seconds, delay = time.perf_counter() - due, begin - due
        if isinstance(error, Overloaded):
            return Call(Outcome.REFUSED, seconds, delay, retry_delay=error.retry_delay)
        if isinstance(error, DeadlineExceeded) or (error is None and seconds > deadline):
            return Call(Outcome.LATE, seconds, delay)
        if error is not None:
            return Call(Outcome.FAILED, seconds, delay, str(error))
        return Call(Outcome.ANSWERED, seconds, delay)

    async def _error(self, timeout: float) -> ResiduumError | None:
        """Makes a call; why it failed, or None."""
        connection = next(self._connections).with_timeout(timeout)
        codec = self._service == "encode"
        rpc: Any = connection.codec.Encode if codec else connection.anomaly.Score
        try:
            response = await connection.call(rpc, next(self._requests))
        except ResiduumError as error:
            return error
        return next((of_item(one.code, one.message) for one in response.errors), None)


def arrivals(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """Times of a Poisson process, `rate` per second, from 0 to `seconds`."""
    source = random.Random(seed)  # noqa: S311 - no secret
    now = source.expovariate(rate)
    while now < seconds:
        yield now
        now += source.expovariate(rate)


async def open_loop(send: Send, times: Iterator[float]) -> list[Call]:
    """Sends a call at each of the times, in seconds from now, whatever becomes of the others."""
    start = time.perf_counter()
    tasks = []
    for when in times:
        # Also without a wait, for the answers that have come.
        await asyncio.sleep(max(0.0, start + when - time.perf_counter()))
        tasks.append(asyncio.ensure_future(send(start + when)))
    return await asyncio.gather(*tasks)


async def capacity(send: Send, seconds: float) -> float:
    """Calls per second that are answered while there are always some in flight.

    Raises ResiduumError if one fails.
    """
    begin = time.perf_counter() + WARM_UP * seconds
    answered = 0

    async def caller() -> None:
        nonlocal answered
        while (now := time.perf_counter()) < begin + seconds:
            call = await send(now)
            if call.outcome is Outcome.REFUSED:
                await asyncio.sleep(call.retry_delay or PAUSE)
            elif call.outcome is not Outcome.ANSWERED:
                raise ResiduumError(call.reason or "a call was not answered in time")
            elif begin <= time.perf_counter() < begin + seconds:
                answered += 1

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return answered / seconds
