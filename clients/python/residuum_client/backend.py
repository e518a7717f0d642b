"""The calls that every model answers: `Client` sends them to a server, `Offline` to a bundle."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar, Unpack

from residuum_client.arrays import U8
from residuum_client.errors import ResiduumError
from residuum_client.inputs import Image
from residuum_client.options import EncodeOptions
from residuum_client.results import Compressed, Description, ModelInfo, Restored, Score

R = TypeVar("R")


class Backend(ABC):
    """A model that compresses, restores and scores; `with` closes it.

    Images are uint8 arrays `[H, W]` or `[H, W, C]` with C 1 or 3, images of Pillow, or image files:
    their bytes, their paths, or the files opened to read bytes. An array `[N, H, W]` or
    `[N, H, W, C]` is a list of images. Results come in the order of what was given.

    The methods named `*_stream` and `*_each` take iterables of any length, in constant memory; they
    read ahead, so give live sources one by one to the methods that return lists. `*_each` gives an
    outcome for each image or record: its result, or the ResiduumError that says why there is none.
    All others raise the first such error. `*_one` is for a single image or record.

    All errors are ResiduumError; `error.index` is the position of the image or record at fault, and
    `error.reason` the sentence without it. Apart from the errors that a method names, a call to a
    server can raise UnknownModel, BundleError, Unauthenticated, PermissionDenied, Overloaded,
    Unavailable, DeadlineExceeded and ServerError, and any call after `close` raises Unavailable.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def encode(self, images: Iterable[Image], **options: Unpack[EncodeOptions]) -> list[bytes]:
        """One record per image. The keywords are those of `EncodeOptions`.

        Raises InvalidInput for an image, an option, or a target that no quality level meets.
        """
        return list(self.encode_stream(images, **options))

    def compress(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> list[Compressed]:
        """One record per image, with its quality level and the size of its evidence in bytes.

        The keywords are those of `EncodeOptions`. Raises InvalidInput as `encode` does.
        """
        return list(self.compress_stream(images, **options))

    def decode(self, records: Iterable[bytes]) -> list[U8]:
        """One image `[H, W, C]`, uint8, per record. Raises RecordError."""
        return list(self.decode_stream(records))

    def restore(self, records: Iterable[bytes]) -> list[Restored]:
        """One image `[H, W, C]`, uint8, per record, with the boxes of its evidence in pixels.

        Raises RecordError.
        """
        return list(self.restore_stream(records))

    def score(
        self,
        images: Iterable[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> list[Score]:
        """One anomaly score per image.

        Images are flagged at `false_alarm_rate`, in (0, 1), by default the model's. With
        `heatmaps`, every score has a heat map `[H, W]`. Raises InvalidInput for an image or the
        rate.
        """
        return list(self.score_stream(images, false_alarm_rate=false_alarm_rate, heatmaps=heatmaps))

    def encode_one(self, image: Image, **options: Unpack[EncodeOptions]) -> bytes:
        """The record of one image. Raises InvalidInput as `encode` does."""
        return only(self.encode_stream([image], **options))

    def compress_one(self, image: Image, **options: Unpack[EncodeOptions]) -> Compressed:
        """`compress` for one image."""
        return only(self.compress_stream([image], **options))

    def decode_one(self, record: bytes) -> U8:
        """The image `[H, W, C]`, uint8, of one record. Raises RecordError."""
        return only(self.decode_stream([record]))

    def restore_one(self, record: bytes) -> Restored:
        """`restore` for one record."""
        return only(self.restore_stream([record]))

    def score_one(
        self, image: Image, *, false_alarm_rate: float | None = None, heatmaps: bool = False
    ) -> Score:
        """The score of one image, as `score`."""
        return only(
            self.score_stream([image], false_alarm_rate=false_alarm_rate, heatmaps=heatmaps)
        )

    def encode_stream(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[bytes]:
        """`encode` for an iterable of any length: the records one by one, in constant memory.

        Raises InvalidInput at once for options that no model takes.
        """
        return (result.record for result in self.compress_stream(images, **options))

    def compress_stream(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[Compressed]:
        """`compress` for an iterable of any length, in constant memory.

        Raises InvalidInput at once for options that no model takes.
        """
        return results(self.compress_each(images, **options))

    def decode_stream(self, records: Iterable[bytes]) -> Iterator[U8]:
        """`decode` for an iterable of any length: the images `[H, W, C]` one by one."""
        return (restored.image for restored in self.restore_stream(records))

    def restore_stream(self, records: Iterable[bytes]) -> Iterator[Restored]:
        """`restore` for an iterable of any length, in constant memory."""
        return results(self.restore_each(records))

    def score_stream(
        self,
        images: Iterable[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> Iterator[Score]:
        """`score` for an iterable of any length, in constant memory."""
        outcomes = self.score_each(images, false_alarm_rate=false_alarm_rate, heatmaps=heatmaps)
        return results(outcomes)

    @abstractmethod
    def compress_each(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[Compressed | ResiduumError]:
        """`compress_stream` with one outcome per image: its result, or why it has none.

        Raises what no single image is to blame for: InvalidInput at once for options that no model
        takes, UnknownModel, BundleError, and Unavailable.
        """

    @abstractmethod
    def restore_each(self, records: Iterable[bytes]) -> Iterator[Restored | ResiduumError]:
        """`restore_stream` with one outcome per record: its image, or why it has none."""

    @abstractmethod
    def score_each(
        self,
        images: Iterable[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> Iterator[Score | ResiduumError]:
        """`score_stream` with one outcome per image: its score, or why it has none."""

    @abstractmethod
    def models(self) -> list[ModelInfo]:
        """All models of the server, or the one of the bundle."""

    @abstractmethod
    def describe(self) -> Description:
        """The model with its card and its manifest. Raises UnknownModel."""

    @abstractmethod
    def close(self) -> None:
        """Frees the connection or the model. Later calls raise Unavailable."""


def results(outcomes: Iterator[R | ResiduumError]) -> Iterator[R]:
    """The results among the outcomes. Raises the first error."""
    for outcome in outcomes:
        if isinstance(outcome, ResiduumError):
            raise outcome
        yield outcome


def only(found: Iterator[R]) -> R:
    """The one result. Raises its error without an index."""
    try:
        (result,) = found
    except ResiduumError as error:
        raise error.alone() from error
    return result
