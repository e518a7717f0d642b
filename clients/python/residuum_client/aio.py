"""The client for asyncio: `Client` with `await`."""

from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
)
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, cast

import grpc
import grpc.aio

from residuum_client import messages, model_messages
from residuum_client.arrays import U8
from residuum_client.backend import EncodeOptions, check_options, check_value
from residuum_client.channel import IN_FLIGHT, OPTIONS
from residuum_client.errors import (
    ResiduumError,
    Unavailable,
    from_rpc,
    is_of_one_element,
    placed,
)
from residuum_client.packing import Batch, Image, Packing, sequence
from residuum_client.results import Compressed, Description, ModelInfo, Restored, Score
from residuum_client.v1 import (
    anomaly_pb2_grpc,
    codec_pb2_grpc,
    images_pb2,
    models_pb2,
    models_pb2_grpc,
)

T = TypeVar("T")
I = TypeVar("I", bound=U8 | bytes)  # noqa: E741 - item, as in messages.py
Q = TypeVar("Q")
A = TypeVar("A")
R = TypeVar("R")
Elements = Iterable[T] | AsyncIterable[T]


class AsyncClient:
    """One model of a server, for asyncio. Create it inside the running loop.

    The parameters, images and records are those of `Client`; images and records may also come from
    asynchronous iterables. To leave a stream early, call its `aclose()`: that cancels its calls.
    All methods raise ResiduumError.
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
        self._channel = _connect(target, credentials)
        self._codec = codec_pb2_grpc.CodecServiceStub(self._channel)
        self._anomaly = anomaly_pb2_grpc.AnomalyServiceStub(self._channel)
        self._models = models_pb2_grpc.ModelServiceStub(self._channel)
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
        """Closes the connection. Later calls raise Unavailable."""
        await self._channel.close(grace=None)

    async def encode(
        self, images: Elements[Image], **options: Unpack[EncodeOptions]
    ) -> list[bytes]:
        """One record per image. The keywords are those of `EncodeOptions`.

        Raises InvalidInput for an image, an option, or a target that no quality level meets.
        """
        return [record async for record in self.encode_stream(images, **options)]

    async def compress(
        self, images: Elements[Image], **options: Unpack[EncodeOptions]
    ) -> list[Compressed]:
        """One record per image, with its quality level and the size of its evidence in bytes.

        The keywords are those of `EncodeOptions`. Raises InvalidInput as `encode` does.
        """
        return [result async for result in self.compress_stream(images, **options)]

    async def decode(self, records: Elements[bytes]) -> list[U8]:
        """One image `[H, W, C]`, uint8, per record. Raises RecordError."""
        return [image async for image in self.decode_stream(records)]

    async def restore(self, records: Elements[bytes]) -> list[Restored]:
        """One image `[H, W, C]`, uint8, per record, with the boxes of its evidence in pixels.

        Raises RecordError.
        """
        return [restored async for restored in self.restore_stream(records)]

    async def score(
        self,
        images: Elements[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> list[Score]:
        """One anomaly score per image.

        Images are flagged at `false_alarm_rate`, in (0, 1), by default the model's. With
        `heatmaps`, every score has a heat map `[H, W]` in nats per pixel. Raises InvalidInput for
        an image or the rate.
        """
        stream = self.score_stream(images, false_alarm_rate=false_alarm_rate, heatmaps=heatmaps)
        return [score async for score in stream]

    def encode_stream(
        self, images: Elements[Image], **options: Unpack[EncodeOptions]
    ) -> AsyncIterator[bytes]:
        """`encode` for an iterable of any length, in constant memory, reading a little ahead.

        Raises InvalidInput at once for options that no model takes.
        """
        exchange = messages.encoding(self._ref, options, messages.records)
        return self._stream(self._codec.Encode, exchange, images)

    def compress_stream(
        self, images: Elements[Image], **options: Unpack[EncodeOptions]
    ) -> AsyncIterator[Compressed]:
        """`compress` for an iterable of any length, in constant memory, reading a little ahead.

        Raises InvalidInput at once for options that no model takes.
        """
        exchange = messages.encoding(self._ref, options, messages.compressed)
        return self._stream(self._codec.Encode, exchange, images)

    async def decode_stream(self, records: Elements[bytes]) -> AsyncIterator[U8]:
        """`decode` for an iterable of any length, in constant memory, reading a little ahead."""
        exchange = messages.decoding(self._ref, await self._model(), messages.images)
        async with aclosing(self._stream(self._codec.Decode, exchange, records)) as stream:
            async for image in stream:
                yield image

    async def restore_stream(self, records: Elements[bytes]) -> AsyncIterator[Restored]:
        """`restore` for an iterable of any length, in constant memory, reading a little ahead."""
        exchange = messages.decoding(self._ref, await self._model(), messages.restored)
        async with aclosing(self._stream(self._codec.Decode, exchange, records)) as stream:
            async for restored in stream:
                yield restored

    def score_stream(
        self,
        images: Elements[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> AsyncIterator[Score]:
        """`score` for an iterable of any length, in constant memory, reading a little ahead."""
        exchange = messages.scoring(self._ref, false_alarm_rate, heatmaps)
        return self._stream(self._anomaly.Score, exchange, images)

    def compress_each(
        self, images: Elements[Image], **options: Unpack[EncodeOptions]
    ) -> AsyncIterator[Compressed | ResiduumError]:
        """`compress_stream` with one outcome per image: its result, or why it has none.

        What is not the fault of one image is raised: InvalidInput for options, Unavailable,
        UnknownModel, BundleError and NotInstalled.
        """
        check_options(options)
        return _outcomes(lambda one: self.compress(one, **options), "image", images)

    def restore_each(self, records: Elements[bytes]) -> AsyncIterator[Restored | ResiduumError]:
        """`restore_stream` with one outcome per record: its image, or why it has none."""
        return _outcomes(self.restore, "record", records)

    def score_each(
        self,
        images: Elements[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> AsyncIterator[Score | ResiduumError]:
        """`score_stream` with one outcome per image: its score, or why it has none."""
        check_value("false_alarm_rate", false_alarm_rate)
        return _outcomes(
            lambda one: self.score(one, false_alarm_rate=false_alarm_rate, heatmaps=heatmaps),
            "image",
            images,
        )

    async def models(self) -> list[ModelInfo]:
        """All models that the server has loaded."""
        call = self._start(self._models.ListModels, models_pb2.ListModelsRequest())
        return model_messages.models(await self._finish(call))

    async def describe(self) -> Description:
        """The model with its card and its manifest. Raises UnknownModel."""
        call = self._start(self._models.GetModel, models_pb2.GetModelRequest(model=self._ref))
        return model_messages.description(await self._finish(call))

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

    async def _finish(self, call: "grpc.aio.UnaryUnaryCall[Q, A]", first: int = 0) -> A:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise from_rpc(
                error, target=self._target, timeout=self._timeout, first=first
            ) from error


def _connect(target: str, credentials: grpc.ChannelCredentials | None) -> Any:
    """A channel; Any, since the generated stubs are typed for channels of `grpc` only."""
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=OPTIONS)
    return grpc.aio.secure_channel(target, credentials, options=OPTIONS)


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


async def _outcomes(
    call: Callable[[list[T]], Awaitable[list[R]]], noun: str, elements: Elements[T]
) -> AsyncGenerator[R | ResiduumError, None]:
    index = 0
    async for element in _each(elements):
        try:
            yield (await call([element]))[0]
        except ResiduumError as error:
            if not is_of_one_element(error):
                raise
            yield placed(error, noun, index)
        index += 1
