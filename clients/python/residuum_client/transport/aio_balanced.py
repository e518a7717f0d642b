"""`BalancedChannel` for asyncio."""

import time
from collections.abc import Sequence
from typing import Any

import grpc.aio

from residuum_client.transport.balanced import GONE, Channels
from residuum_client.transport.replicas import Replicas


class AsyncBalancedChannel(Channels):
    """The part of a channel that calls of this client use."""

    async def close(self, grace: float | None) -> None:
        """Closes all channels."""
        for channel in self._channels:
            await channel.close(grace)

    def unary_unary(self, *arguments: Any, **options: Any) -> "_Method":
        """A method with one request and one response."""
        methods = [channel.unary_unary(*arguments, **options) for channel in self._channels]
        return _Method(methods, self._replicas)


class _Method:
    def __init__(self, methods: Sequence[Any], replicas: Replicas) -> None:
        self._methods, self._replicas = methods, replicas

    async def __call__(self, request: object, *, timeout: float, metadata: Any = None) -> Any:
        """The response; `timeout` is for all attempts together, seconds."""
        deadline = time.monotonic() + timeout
        places = iter(self._replicas.order())
        place = next(places)
        while True:
            left = max(0.0, deadline - time.monotonic())
            try:
                response = await self._methods[place](request, timeout=left, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                if error.code() not in GONE:
                    self._replicas.answered(place)
                    raise
                self._replicas.failed(place)
                following = next(places, None)
                if following is None or time.monotonic() >= deadline:
                    raise
                place = following
            else:
                self._replicas.answered(place)
                return response
