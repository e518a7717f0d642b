"""`Connection` for asyncio."""

import asyncio
import copy
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Sequence
from typing import Any, Self, TypeVar, cast

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2_grpc

from residuum_client.arrays import U8
from residuum_client.errors import ResiduumError, ServerError, Unavailable
from residuum_client.options import check_given
from residuum_client.schedule import Message, Retries, Schedule
from residuum_client.transport import health
from residuum_client.transport.access import Access, check_access
from residuum_client.transport.address import check_targets
from residuum_client.transport.aio_balanced import AsyncBalancedChannel
from residuum_client.transport.channel import open_channels
from residuum_client.transport.failures import fails_every_call, from_rpc
from residuum_client.transport.messages import Exchange, Response
from residuum_client.v1 import anomaly_pb2_grpc, codec_pb2_grpc, models_pb2_grpc

T = TypeVar("T")
I = TypeVar("I", bound=U8 | bytes)  # noqa: E741 - item, as in messages.py
Q = TypeVar("Q")
A = TypeVar("A")
B = TypeVar("B", bound=Response)
R = TypeVar("R")
Elements = Iterable[T] | AsyncIterable[T]


class AsyncConnection:
    """The services of a server at its addresses, as `Connection`. Raises InvalidInput."""

    def __init__(
        self,
        target: object,
        timeout: float,
        credentials: object = None,
        token: object = None,
        metadata: object = None,
    ) -> None:
        targets = check_targets(target)
        self._target = ",".join(targets)
        self._timeout: float = check_given("timeout", timeout)
        self._access = check_access(targets, credentials, token, metadata)
        self._retries = Retries()
        self._channel = _connect(targets, self._access)
        self._health = health_pb2_grpc.HealthStub(self._channel)
        self.codec = codec_pb2_grpc.CodecServiceStub(self._channel)
        self.anomaly = anomaly_pb2_grpc.AnomalyServiceStub(self._channel)
        self.models = models_pb2_grpc.ModelServiceStub(self._channel)

    def with_timeout(self, timeout: float) -> Self:
        """The same connection with another timeout, seconds. Raises InvalidInput."""
        other = copy.copy(self)
        other._timeout = check_given("timeout", timeout)
        return other

    async def wait_ready(self, seconds: float) -> None:
        """Waits until the server is ready. Raises Unavailable if it is not after these seconds."""
        waiting = health.Waiting(self._target, seconds)
        for left in waiting.times():
            try:
                check = await self.with_timeout(left).call(self._health.Check, health.request())
                if waiting.is_over(check):
                    return
            except ResiduumError as error:
                waiting.failed(error)
            await asyncio.sleep(min(left, health.PAUSE))

    async def close(self) -> None:
        """Closes the connection."""
        await self._channel.close(grace=None)

    async def call(self, rpc: "grpc.UnaryUnaryMultiCallable[Q, A]", request: Q) -> A:
        """The response to one request. Raises ResiduumError."""
        try:
            return await self._result(rpc, request)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error, target=self._target, timeout=self._timeout) from error

    def each(
        self,
        rpc: "grpc.UnaryUnaryMultiCallable[Q, B]",
        exchange: Exchange[I, Q, B, R],
        elements: Elements[object],
    ) -> AsyncGenerator[R | ResiduumError, None]:
        """One outcome per element, as `Connection.each`."""
        if isinstance(elements, AsyncIterable):
            source = aiter(elements)
        else:
            source = _asynchronous(exchange.listed(elements))
        return self._each(rpc, exchange, source)

    async def _each(
        self,
        rpc: "grpc.UnaryUnaryMultiCallable[Q, B]",
        exchange: Exchange[I, Q, B, R],
        source: AsyncIterator[object],
    ) -> AsyncGenerator[R | ResiduumError, None]:
        schedule = exchange.schedule(self._timeout, self._retries)
        calls: set[asyncio.Task[None]] = set()
        try:
            while not schedule.done:
                await _load(exchange, schedule, source)
                if message := schedule.next_message(time.monotonic()):
                    calls.add(asyncio.create_task(self._send(rpc, exchange, schedule, message)))
                    continue
                for outcome in schedule.outcomes():
                    yield outcome
                if calls:
                    ended, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
                    for call in ended:
                        calls.remove(call)
                        call.result()
                else:
                    await asyncio.sleep(schedule.pause(time.monotonic()))
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    async def _send(
        self,
        rpc: "grpc.UnaryUnaryMultiCallable[Q, B]",
        exchange: Exchange[I, Q, B, R],
        schedule: Schedule[I, R],
        message: Message[I],
    ) -> None:
        """Sends a message and reports its end to the schedule.

        Raises what every other call would raise.
        """
        try:
            response = await self._result(rpc, exchange.ask(message.values))
            outcomes = exchange.outcomes(message, response)
        except grpc.aio.AioRpcError as failure:
            error = from_rpc(
                failure, target=self._target, timeout=self._timeout, items=len(message.items)
            )
            if fails_every_call(failure):
                raise error from failure
            schedule.failed(message, error, time.monotonic())
        except ServerError as error:
            schedule.failed(message, error, time.monotonic())
        else:
            schedule.answered(message, outcomes, time.monotonic())

    async def _result(self, rpc: "grpc.UnaryUnaryMultiCallable[Q, A]", request: Q) -> A:
        """The response. Raises AioRpcError, and Unavailable if the client was closed."""
        call: Any = None
        try:
            metadata = self._access.metadata()
            call = rpc(request, timeout=self._timeout, metadata=metadata)
            return cast("A", await call)
        except grpc.aio.UsageError as error:
            raise Unavailable(f"the client of {self._target} is closed") from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise Unavailable(f"the client of {self._target} was closed during the call") from error


def _connect(targets: Sequence[str], access: Access) -> Any:
    """A channel; Any, since the generated stubs are typed for channels of `grpc` only."""
    channels = open_channels(targets, access, grpc.aio)
    return channels[0] if len(channels) == 1 else AsyncBalancedChannel(channels)


async def _load(
    exchange: Exchange[I, Q, B, R], schedule: Schedule[I, R], source: AsyncIterator[object]
) -> None:
    """Loads elements for as long as the schedule takes more."""
    if not schedule.hungry:
        return
    async for element in source:
        exchange.add(schedule, element)
        if not schedule.hungry:
            return
    schedule.end()


async def _asynchronous(elements: Iterable[object]) -> AsyncIterator[object]:
    for element in elements:
        yield element
