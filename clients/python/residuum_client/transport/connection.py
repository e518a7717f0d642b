"""A connection to a server: single calls, and many at a time for lists and streams."""

import copy
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any, Protocol, Self, TypeVar

import grpc
from grpc_health.v1 import health_pb2_grpc

from residuum_client.arrays import U8
from residuum_client.errors import ResiduumError, ServerError, Unavailable
from residuum_client.options import check_given
from residuum_client.schedule import Message, Retries, Schedule
from residuum_client.transport import health
from residuum_client.transport.access import Access, check_access
from residuum_client.transport.address import check_targets
from residuum_client.transport.balanced import BalancedChannel
from residuum_client.transport.channel import open_channels
from residuum_client.transport.failures import fails_every_call, from_rpc
from residuum_client.transport.messages import Exchange, Response
from residuum_client.v1 import anomaly_pb2_grpc, codec_pb2_grpc, models_pb2_grpc

I = TypeVar("I", bound=U8 | bytes)  # noqa: E741 - item, as in messages.py
Q = TypeVar("Q")
A = TypeVar("A")
B = TypeVar("B", bound=Response)
R = TypeVar("R")
A_co = TypeVar("A_co", covariant=True)
# gRPC closes a channel in a few milliseconds.
CLOSE_SECONDS = 1.0


class _Call(Protocol[A_co]):
    """A call in progress."""

    def add_done_callback(self, function: Callable[[Any], None], /) -> None: ...

    def result(self) -> A_co: ...

    def cancel(self) -> bool: ...


class Connection:
    """The services of a server at its addresses; `timeout` is in seconds.

    The last three are those of `check_access`. Raises InvalidInput.
    """

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

    def wait_ready(self, seconds: float) -> None:
        """Waits until the server is ready. Raises Unavailable if it is not after these seconds."""
        waiting = health.Waiting(self._target, seconds)
        for left in waiting.times():
            try:
                check = self.with_timeout(left).call(self._health.Check, health.request())
                if waiting.is_over(check):
                    return
            except ResiduumError as error:
                waiting.failed(error)
            time.sleep(min(left, health.PAUSE))

    def close(self) -> None:
        """Closes the connection within a second.

        After an exception from a signal handler, such as KeyboardInterrupt, gRPC may wait for ever
        for a call that it lost; that wait goes on in a thread that does not keep the process alive.
        """
        closing = threading.Thread(target=self._channel.close, name="close", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)

    def call(self, rpc: "grpc.UnaryUnaryMultiCallable[Q, A]", request: Q) -> A:
        """The response to one request. Raises ResiduumError."""
        try:
            return self._result(self._start(rpc, request))
        except grpc.RpcError as error:
            raise from_rpc(error, target=self._target, timeout=self._timeout) from error

    def each(
        self,
        rpc: "grpc.UnaryUnaryMultiCallable[Q, B]",
        exchange: Exchange[I, Q, B, R],
        elements: Iterable[object],
    ) -> Iterator[R | ResiduumError]:
        """One outcome per element, from several unary calls at a time.

        Every call has a deadline, retries and a replica; a stream has only one of each, and no
        retries after its first response. Raises InvalidInput at once for what is not a list, and
        later what is not a single element's fault.
        """
        return self._each(rpc, exchange, iter(exchange.listed(elements)))

    def _each(
        self,
        rpc: "grpc.UnaryUnaryMultiCallable[Q, B]",
        exchange: Exchange[I, Q, B, R],
        source: Iterator[object],
    ) -> Iterator[R | ResiduumError]:
        schedule = exchange.schedule(self._timeout, self._retries)
        calls: dict[_Call[B], Message[I]] = {}
        ended: SimpleQueue[tuple[_Call[B], float]] = SimpleQueue()
        try:
            while not schedule.done:
                _load(exchange, schedule, source)
                if message := schedule.next_message(time.monotonic()):
                    call = self._start(rpc, exchange.ask(message.values))
                    calls[call] = message
                    call.add_done_callback(lambda call: ended.put((call, time.monotonic())))
                    continue
                yield from schedule.outcomes()
                if calls:
                    call, when = ended.get()
                    self._report(exchange, schedule, calls.pop(call), call, when)
                else:
                    time.sleep(schedule.pause(time.monotonic()))
        finally:
            for call in calls:
                call.cancel()

    def _report(
        self,
        exchange: Exchange[I, Q, B, R],
        schedule: Schedule[I, R],
        message: Message[I],
        call: _Call[B],
        when: float,
    ) -> None:
        """Reports a call that ended to the schedule. Raises what every other call would raise."""
        try:
            outcomes = exchange.outcomes(message, self._result(call))
        except grpc.RpcError as failure:
            error = from_rpc(
                failure, target=self._target, timeout=self._timeout, items=len(message.items)
            )
            if fails_every_call(failure):
                raise error from failure
            schedule.failed(message, error, when)
        except ServerError as error:
            schedule.failed(message, error, when)
        else:
            schedule.answered(message, outcomes, when)

    def _start(self, rpc: "grpc.UnaryUnaryMultiCallable[Q, A]", request: Q) -> _Call[A]:
        try:
            metadata = self._access.metadata()
            return rpc.future(request, timeout=self._timeout, metadata=metadata)
        except ValueError as error:  # what gRPC raises on a closed channel
            raise Unavailable(f"the client of {self._target} is closed") from error

    def _result(self, call: _Call[A]) -> A:
        """The response. Raises grpc.RpcError, and Unavailable if the client was closed."""
        try:
            return call.result()
        except grpc.FutureCancelledError as error:
            raise Unavailable(f"the client of {self._target} was closed during the call") from error


def _connect(targets: Sequence[str], access: Access) -> Any:
    """A channel to the addresses; Any, since the one to several is not a channel of gRPC."""
    channels = open_channels(targets, access, grpc)
    return channels[0] if len(channels) == 1 else BalancedChannel(channels)


def _load(
    exchange: Exchange[I, Q, B, R], schedule: Schedule[I, R], source: Iterator[object]
) -> None:
    """Loads elements for as long as the schedule takes more."""
    if not schedule.hungry:
        return
    for element in source:
        exchange.add(schedule, element)
        if not schedule.hungry:
            return
    schedule.end()
