"""The client for asyncio: `Client` with `await`."""

import copy
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Self, TypeVar, Unpack

import grpc

from residuum_client.aio_backend import AsyncBackend
from residuum_client.arrays import U8
from residuum_client.errors import ResiduumError
from residuum_client.inputs import Image
from residuum_client.options import EncodeOptions
from residuum_client.results import Compressed, Description, ModelInfo, Restored, Score
from residuum_client.transport import (
    AsyncConnection,
    Elements,
    Pairs,
    Token,
    messages,
    model_messages,
)

R = TypeVar("R")
Outcomes = AsyncGenerator[R | ResiduumError, None]


class AsyncClient(AsyncBackend):
    """One model of a server, for asyncio. Create it inside the running loop.

    The parameters, images and records are those of `Client`; images and records may also come from
    asynchronous iterables. To leave a stream early, call its `aclose()`: that cancels its calls.
    All methods raise ResiduumError.
    """

    def __init__(
        self,
        target: str | Sequence[str],
        *,
        model: str,
        version: str = "",
        timeout: float = 10.0,
        credentials: grpc.ChannelCredentials | None = None,
        token: Token | None = None,
        metadata: Pairs | None = None,
    ) -> None:
        self._ref = model_messages.reference(model, version)
        self._connection = AsyncConnection(target, timeout, credentials, token, metadata)
        self._info: ModelInfo | None = None

    async def close(self) -> None:
        """Closes the connection. Later calls raise Unavailable."""
        await self._connection.close()

    def with_timeout(self, timeout: float) -> Self:
        """The same client with another timeout for a message, seconds. Both share the connection.

        Raises InvalidInput.
        """
        other = copy.copy(self)
        other._connection = self._connection.with_timeout(timeout)
        return other

    async def wait_ready(self, seconds: float) -> None:
        """Waits until the server is ready, at most these seconds. Raises Unavailable after them."""
        await self._connection.wait_ready(seconds)

    def encode_stream(
        self, images: Elements[Image], **options: Unpack[EncodeOptions]
    ) -> AsyncIterator[bytes]:
        """`encode` for an iterable of any length: the records one by one, in constant memory.

        Raises InvalidInput at once for options that no model takes.
        """
        outcomes = self._encode(images, options, messages.records)
        return _results(outcomes)

    def compress_stream(
        self, images: Elements[Image], **options: Unpack[EncodeOptions]
    ) -> AsyncIterator[Compressed]:
        """`compress` for an iterable of any length, in constant memory.

        Raises InvalidInput at once for options that no model takes.
        """
        outcomes = self._encode(images, options, messages.compressed)
        return _results(outcomes)

    def decode_stream(self, records: Elements[bytes]) -> AsyncIterator[U8]:
        """`decode` for an iterable of any length: the images `[H, W, C]` one by one."""
        outcomes = self._decode(records, messages.images)
        return _results(outcomes)

    def restore_stream(self, records: Elements[bytes]) -> AsyncIterator[Restored]:
        """`restore` for an iterable of any length, in constant memory."""
        outcomes = self._decode(records, messages.restored)
        return _results(outcomes)

    def score_stream(
        self,
        images: Elements[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> AsyncIterator[Score]:
        """`score` for an iterable of any length, in constant memory."""
        outcomes = self._score(images, false_alarm_rate, heatmaps)
        return _results(outcomes)

    def compress_each(
        self, images: Elements[Image], **options: Unpack[EncodeOptions]
    ) -> AsyncIterator[Compressed | ResiduumError]:
        """`compress_stream` with one outcome per image: its result, or why it has none.

        Raises what no single image is to blame for: InvalidInput at once for options that no model
        takes, UnknownModel, BundleError, and Unavailable.
        """
        return self._encode(images, options, messages.compressed)

    def restore_each(self, records: Elements[bytes]) -> AsyncIterator[Restored | ResiduumError]:
        """`restore_stream` with one outcome per record: its image, or why it has none."""
        return self._decode(records, messages.restored)

    def score_each(
        self,
        images: Elements[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> AsyncIterator[Score | ResiduumError]:
        """`score_stream` with one outcome per image: its score, or why it has none."""
        return self._score(images, false_alarm_rate, heatmaps)

    async def models(self) -> list[ModelInfo]:
        """All models that the server has loaded."""
        service, request = self._connection.models, model_messages.list_request()
        return model_messages.models(await self._connection.call(service.ListModels, request))

    async def describe(self) -> Description:
        """The model with its card and its manifest. Raises UnknownModel."""
        service, request = self._connection.models, model_messages.get_request(self._ref)
        return model_messages.description(await self._connection.call(service.GetModel, request))

    def _encode(
        self, images: Elements[Image], options: EncodeOptions, read: messages.ReadEncoded[R]
    ) -> Outcomes[R]:
        exchange = messages.encoding(self._ref, options, read)
        return self._connection.each(self._connection.codec.Encode, exchange, images)

    async def _decode(self, records: Elements[bytes], read: messages.ReadDecoded[R]) -> Outcomes[R]:
        if self._info is None:
            self._info = (await self.describe()).model
        exchange = messages.decoding(self._ref, self._info, read)
        stream = self._connection.each(self._connection.codec.Decode, exchange, records)
        async with aclosing(stream) as outcomes:
            async for outcome in outcomes:
                yield outcome

    def _score(
        self, images: Elements[Image], false_alarm_rate: float | None, heatmaps: bool
    ) -> Outcomes[Score]:
        exchange = messages.scoring(self._ref, false_alarm_rate, heatmaps)
        return self._connection.each(self._connection.anomaly.Score, exchange, images)


async def _results(outcomes: Outcomes[R]) -> AsyncGenerator[R, None]:
    """The results among the outcomes. Raises the first error."""
    async with aclosing(outcomes):
        async for outcome in outcomes:
            if isinstance(outcome, ResiduumError):
                raise outcome
            yield outcome
