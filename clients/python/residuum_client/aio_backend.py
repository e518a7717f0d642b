"""What `AsyncClient` answers in lists and one by one, on top of its streams."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self, TypeVar, Unpack

from residuum_client.arrays import U8
from residuum_client.errors import ResiduumError
from residuum_client.inputs import Image
from residuum_client.options import EncodeOptions
from residuum_client.results import Compressed, Restored, Score
from residuum_client.transport import Elements

R = TypeVar("R")


class AsyncBackend(ABC):
    """`Backend` for asyncio: the same methods with `await`, and `async with`.

    Images and records may also come from asynchronous iterables.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

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
        `heatmaps`, every score has a heat map `[H, W]`. Raises InvalidInput for an image or the
        rate.
        """
        stream = self.score_stream(images, false_alarm_rate=false_alarm_rate, heatmaps=heatmaps)
        return [score async for score in stream]

    async def encode_one(self, image: Image, **options: Unpack[EncodeOptions]) -> bytes:
        """The record of one image. Raises InvalidInput as `encode` does."""
        return await _only(self.encode_stream([image], **options))

    async def compress_one(self, image: Image, **options: Unpack[EncodeOptions]) -> Compressed:
        """`compress` for one image."""
        return await _only(self.compress_stream([image], **options))

    async def decode_one(self, record: bytes) -> U8:
        """The image `[H, W, C]`, uint8, of one record. Raises RecordError."""
        return await _only(self.decode_stream([record]))

    async def restore_one(self, record: bytes) -> Restored:
        """`restore` for one record."""
        return await _only(self.restore_stream([record]))

    async def score_one(
        self, image: Image, *, false_alarm_rate: float | None = None, heatmaps: bool = False
    ) -> Score:
        """The score of one image, as `score`."""
        return await _only(
            self.score_stream([image], false_alarm_rate=false_alarm_rate, heatmaps=heatmaps)
        )

    @abstractmethod
    def encode_stream(
        self, images: Elements[Image], **options: Unpack[EncodeOptions]
    ) -> AsyncIterator[bytes]:
        """`encode` for an iterable of any length: the records one by one, in constant memory.

        Raises InvalidInput at once for options that no model takes.
        """

    @abstractmethod
    def compress_stream(
        self, images: Elements[Image], **options: Unpack[EncodeOptions]
    ) -> AsyncIterator[Compressed]:
        """`compress` for an iterable of any length, in constant memory.

        Raises InvalidInput at once for options that no model takes.
        """

    @abstractmethod
    def decode_stream(self, records: Elements[bytes]) -> AsyncIterator[U8]:
        """`decode` for an iterable of any length: the images `[H, W, C]` one by one."""

    @abstractmethod
    def restore_stream(self, records: Elements[bytes]) -> AsyncIterator[Restored]:
        """`restore` for an iterable of any length, in constant memory."""

    @abstractmethod
    def score_stream(
        self,
        images: Elements[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> AsyncIterator[Score]:
        """`score` for an iterable of any length, in constant memory."""

    @abstractmethod
    async def close(self) -> None:
        """Closes the connection. Later calls raise Unavailable."""


async def _only(found: AsyncIterator[R]) -> R:
    """The one result. Raises its error without an index."""
    try:
        (result,) = [result async for result in found]
    except ResiduumError as error:
        raise error.alone() from error
    return result
