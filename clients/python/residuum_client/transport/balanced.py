"""Several addresses behind one channel: calls take turns, and go on to the next after a failure."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import grpc

from residuum_client.transport.replicas import Replicas

# What a server answers that is gone, or that stops before it has finished the call.
GONE = frozenset((grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED))


class Channels:
    """One channel for each address, of `grpc` or `grpc.aio`, and what both kinds do alike."""

    def __init__(self, channels: Sequence[Any]) -> None:
        self._channels = channels
        self._replicas = Replicas(len(channels))

    def stream_stream(self, *arguments: Any, **options: Any) -> Any:
        """A method of streams, at the first address. The generated stubs make them, unused."""
        return self._channels[0].stream_stream(*arguments, **options)

    def unary_stream(self, *arguments: Any, **options: Any) -> Any:
        """A method with a stream of responses, likewise."""
        return self._channels[0].unary_stream(*arguments, **options)


class BalancedChannel(Channels):
    """The part of a channel that calls of this client use."""

    def close(self) -> None:
        """Closes all channels."""
        for channel in self._channels:
            channel.close()

    def unary_unary(self, *arguments: Any, **options: Any) -> "_Method":
        """A method with one request and one response."""
        methods = [channel.unary_unary(*arguments, **options) for channel in self._channels]
        return _Method(methods, self._replicas)


class _Method:
    def __init__(self, methods: Sequence[Any], replicas: Replicas) -> None:
        self._methods, self._replicas = methods, replicas

    def future(self, request: object, *, timeout: float, metadata: Any = None) -> "_Call":
        """Starts a call; `timeout` is for all attempts together, seconds."""
        return _Call(self._methods, self._replicas, request, timeout, metadata)


class _Call:
    """A call in progress, as gRPC's: attempts at one address after another."""

    def __init__(
        self,
        methods: Sequence[Any],
        replicas: Replicas,
        request: object,
        timeout: float,
        metadata: Any,
    ) -> None:
        self._methods, self._replicas = methods, replicas
        self._request, self._metadata = request, metadata
        self._deadline = time.monotonic() + timeout
        self._places = iter(replicas.order())
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._callbacks: list[Callable[[Any], None]] = []
        self._cancelled = False
        self._attempt: Any = None
        self._try(next(self._places))

    def add_done_callback(self, function: Callable[[Any], None]) -> None:
        """Calls the function with this call when it has ended."""
        with self._lock:
            if not self._ended.is_set():
                self._callbacks.append(function)
                return
        function(self)

    def result(self) -> Any:
        """The response. Raises what the last attempt raises."""
        self._ended.wait()
        return self._attempt.result()

    def cancel(self) -> bool:
        """Ends the present attempt, without another."""
        self._cancelled = True
        return bool(self._attempt.cancel())

    def _try(self, place: int) -> None:
        left = max(0.0, self._deadline - time.monotonic())
        self._attempt = self._methods[place].future(
            self._request, timeout=left, metadata=self._metadata
        )
        if self._cancelled:
            self._attempt.cancel()
        self._attempt.add_done_callback(partial(self._attempt_ended, place))

    def _attempt_ended(self, place: int, attempt: Any) -> None:
        if attempt.code() not in GONE or attempt.cancelled():
            self._replicas.answered(place)
        else:
            self._replicas.failed(place)
            if self._goes_on():
                return
        with self._lock:
            self._ended.set()
        for function in self._callbacks:
            function(self)

    def _goes_on(self) -> bool:
        """Makes the next attempt, if there is an address and time left."""
        place = next(self._places, None)
        if place is None or time.monotonic() >= self._deadline:
            return False
        try:
            self._try(place)
        except ValueError:  # the channel was closed
            return False
        return True
