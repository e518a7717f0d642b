"""The client for asyncio: `Client` with `await`, everything but the waiting shared with it."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, cast

import grpc
import grpc.aio
import numpy as np
from numpy.typing import NDArray

from residuum_client import messages
from residuum_client.channel import IN_FLIGHT, OPTIONS, Stubs
from residuum_client.errors import Unavailable, from_rpc
from residuum_client.options import EncodeOptions
from residuum_client.packing import Batch, Image, Packing, sequence
from residuum_client.results import Compressed, Description, ModelInfo, Restored, Score
from residuum_client.v1 import images_pb2, models_pb2

T = TypeVar("T")
I = TypeVar("I", bound=NDArray[np.uint8] | bytes)  # noqa: E741 - item, as in messages.py
Q = TypeVar("Q")
A = TypeVar("A")
R = TypeVar("R")
Elements = Iterable[T] | AsyncIterable[T]


class AsyncClient:
    """`Client` for asyncio, made inside the running loop; see there for parameters and errors.

    It takes asynchronous iterables too. Leave a stream early by `aclose()`: that cancels its calls.
    """

    def __init__(
        self,
        target: str,
        *,
        model: str,
        version: str = "",
        timeout: float = 10.0,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self._target, self._timeout = target, timeout
        self._ref = images_pb2.ModelRef(name=model, version=version)
        self._channel = (
            grpc.aio.insecure_channel(target, options=OPTIONS)
            if credentials is None
            else grpc.aio.secure_channel(target, credentials, options=OPTIONS)
        )
        self._stubs = Stubs(self._channel)
        self._info: ModelInfo | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection; calls after that raise Unavailable."""
        await self._channel.close(grace=None)

    async def encode(
        self, images: Elements[Image], **options: Unpack[EncodeOptions]
    ) -> list[bytes]:
        """See `Client.encode`."""
        return [record async for record in self.encode_stream(images, **options)]

    async def compress(
        self, images: Elements[Image], **options: Unpack[EncodeOptions]
    ) -> list[Compressed]:
        """See `Client.compress`."""
        return [made async for made in self.compress_stream(images, **options)]

    async def decode(self, records: Elements[bytes]) -> list[NDArray[np.uint8]]:
        """See `Client.decode`."""
        return [image async for image in self.decode_stream(records)]

    async def restore(self, records: Elements[bytes]) -> list[Restored]:
        """See `Client.restore`."""
        return [restored async for restored in self.restore_stream(records)]

    async def score(
        self,
        images: Elements[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> list[Score]:
        """See `Client.score`."""
        stream = self.score_stream(images, false_alarm_rate=false_alarm_rate, heatmaps=heatmaps)
        return [score async for score in stream]

    def encode_stream(
        self, images: Elements[Image], **options: Unpack[EncodeOptions]
    ) -> AsyncIterator[bytes]:
        """See `Client.encode_stream`."""
        exchange = messages.encoding(self._ref, options, messages.records)
        return self._stream(self._stubs.codec.Encode, exchange, images)

    def compress_stream(
        self, images: Elements[Image], **options: Unpack[EncodeOptions]
    ) -> AsyncIterator[Compressed]:
        """See `Client.compress_stream`."""
        exchange = messages.encoding(self._ref, options, messages.compressed)
        return self._stream(self._stubs.codec.Encode, exchange, images)

    async def decode_stream(self, records: Elements[bytes]) -> AsyncIterator[NDArray[np.uint8]]:
        """See `Client.decode_stream`."""
        exchange = messages.decoding(self._ref, await self._model(), messages.images)
        async with aclosing(self._stream(self._stubs.codec.Decode, exchange, records)) as stream:
            async for image in stream:
                yield image

    async def restore_stream(self, records: Elements[bytes]) -> AsyncIterator[Restored]:
        """See `Client.restore_stream`."""
        exchange = messages.decoding(self._ref, await self._model(), messages.restored)
        async with aclosing(self._stream(self._stubs.codec.Decode, exchange, records)) as stream:
            async for restored in stream:
                yield restored

    def score_stream(
        self,
        images: Elements[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> AsyncIterator[Score]:
        """See `Client.score_stream`."""
        exchange = messages.scoring(self._ref, false_alarm_rate, heatmaps)
        return self._stream(self._stubs.anomaly.Score, exchange, images)

    async def models(self) -> list[ModelInfo]:
        """See `Client.models`."""
        call = self._start(self._stubs.models.ListModels, models_pb2.ListModelsRequest())
        return messages.models(await self._finish(call, 0))

    async def describe(self) -> Description:
        """See `Client.describe`."""
        request = models_pb2.GetModelRequest(model=self._ref)
        call = self._start(self._stubs.models.GetModel, request)
        return messages.description(await self._finish(call, 0))

    async def _model(self) -> ModelInfo:
        if self._info is None:
            self._info = (await self.describe()).model
        return self._info

    async def _stream(
        self,
        rpc: "grpc.UnaryUnaryMultiCallable[Q, A]",
        exchange: messages.Exchange[I, Q, A, R],
        elements: Elements[object],
    ) -> AsyncGenerator[R, None]:
        pending: deque[tuple[Batch[I], grpc.aio.UnaryUnaryCall[Q, A]]] = deque()
        try:
            async for batch in _packed(exchange.pack(), elements):
                pending.append((batch, self._start(rpc, exchange.ask(batch.items))))
                if len(pending) == IN_FLIGHT:
                    for result in await self._results(exchange, *pending.popleft()):
                        yield result
            while pending:
                for result in await self._results(exchange, *pending.popleft()):
                    yield result
        finally:
            for _, call in pending:
                call.cancel()

    async def _results(
        self,
        exchange: messages.Exchange[I, Q, A, R],
        batch: Batch[I],
        call: "grpc.aio.UnaryUnaryCall[Q, A]",
    ) -> list[R]:
        return exchange.results(batch, await self._finish(call, batch.first))

    def _start(
        self, rpc: "grpc.UnaryUnaryMultiCallable[Q, A]", request: Q
    ) -> "grpc.aio.UnaryUnaryCall[Q, A]":
        try:
            call: Any = rpc(request, timeout=self._timeout)
        except grpc.aio.UsageError as error:
            raise Unavailable(f"the client of {self._target} is closed") from error
        return cast("grpc.aio.UnaryUnaryCall[Q, A]", call)

    async def _finish(self, call: "grpc.aio.UnaryUnaryCall[Q, A]", first: int) -> A:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise from_rpc(
                error, target=self._target, timeout=self._timeout, first=first
            ) from error


async def _packed(packing: Packing[I], elements: Elements[object]) -> AsyncIterator[Batch[I]]:
    async for element in _each(elements):
        if batch := packing.add(element):
            yield batch
    if batch := packing.rest():
        yield batch


async def _each(elements: Elements[T]) -> AsyncIterator[T]:
    if isinstance(elements, AsyncIterable):
        async for element in elements:
            yield element
    else:
        for element in sequence(elements):
            yield element
