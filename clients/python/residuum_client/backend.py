"""The calls that every model answers: `Client` sends them to a server, `Offline` to a bundle."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TypedDict, Unpack

from residuum_client.arrays import U8
from residuum_client.errors import InvalidInput
from residuum_client.packing import Image
from residuum_client.results import Compressed, Description, ModelInfo, Restored, Score

RATES = ("quality", "target_bytes", "target_psnr")


class EncodeOptions(TypedDict, total=False):
    """Keywords of `encode` and `compress`; None means the same as leaving one out.

    At most one of these may be given:

    - `quality`: a level from 0, the coarsest, up. The default is the model's default level.
    - `target_bytes`: the most bytes of each record, its evidence not counted.
    - `target_psnr`: the lowest PSNR of each image, in dB.

    An image that meets the target at no quality level raises InvalidInput.

    `evidence` keeps the anomalous regions of anomalous images losslessly in their records. An image
    counts as anomalous at `false_alarm_rate`, in (0, 1), as in `score`; the default is the model's.
    """

    quality: int | None
    target_bytes: int | None
    target_psnr: float | None
    evidence: bool
    false_alarm_rate: float | None


class Backend(ABC):
    """A model that compresses, restores and scores; `with` closes it.

    Images are uint8 arrays `[H, W]` or `[H, W, C]` with C 1 or 3, the bytes of image files, or
    their paths. Results come in the order of what was given. The methods named `*_stream` take
    iterables of any length, in constant memory; they read ahead, so give live sources one by one to
    the methods that return lists.

    All errors are ResiduumError; `error.index` is the position of the image or record at fault.
    Apart from the errors that a method names, a call to a server can raise UnknownModel,
    BundleError, Overloaded, Unavailable, DeadlineExceeded and ServerError, and any call after
    `close` raises Unavailable.
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
        `heatmaps`, every score has a heat map `[H, W]` in nats per pixel. Raises InvalidInput for
        an image or the rate.
        """
        return list(self.score_stream(images, false_alarm_rate=false_alarm_rate, heatmaps=heatmaps))

    def encode_stream(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[bytes]:
        """`encode` for an iterable of any length: the records one by one, in constant memory.

        Raises InvalidInput at once for options that exclude each other.
        """
        return (result.record for result in self.compress_stream(images, **options))

    @abstractmethod
    def compress_stream(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[Compressed]:
        """`compress` for an iterable of any length, in constant memory.

        Raises InvalidInput at once for options that exclude each other.
        """

    def decode_stream(self, records: Iterable[bytes]) -> Iterator[U8]:
        """`decode` for an iterable of any length: the images `[H, W, C]` one by one."""
        return (restored.image for restored in self.restore_stream(records))

    @abstractmethod
    def restore_stream(self, records: Iterable[bytes]) -> Iterator[Restored]:
        """`restore` for an iterable of any length, in constant memory."""

    @abstractmethod
    def score_stream(
        self,
        images: Iterable[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> Iterator[Score]:
        """`score` for an iterable of any length, in constant memory."""

    @abstractmethod
    def models(self) -> list[ModelInfo]:
        """All models of the server, or the one of the bundle."""

    @abstractmethod
    def describe(self) -> Description:
        """The model with its card and its manifest. Raises UnknownModel."""

    @abstractmethod
    def close(self) -> None:
        """Frees the connection or the model. Later calls raise Unavailable."""


def check_options(options: EncodeOptions) -> None:
    """Raises InvalidInput for what no model takes; only the model knows its highest level."""
    check_combination(options)
    quality, target = options.get("quality"), options.get("target_bytes")
    if quality is not None and not _is_uint32(quality):
        raise InvalidInput(f"quality is {quality!r}; expected a level, an integer from 0 up")
    if target is not None and not _is_uint32(target):
        raise InvalidInput(f"target_bytes is {target!r}, expected at least 1")
    psnr = options.get("target_psnr")
    if psnr is not None and not isinstance(psnr, int | float):
        raise InvalidInput(f"target_psnr is {psnr!r}, expected decibels above 0")


def check_combination(options: EncodeOptions, spell: Callable[[str], str] = str) -> None:
    """Raises InvalidInput for options that exclude or need each other.

    `spell` turns the name of an option into what the user types.
    """
    given = [spell(name) for name in RATES if options.get(name) is not None]
    if len(given) > 1:
        raise InvalidInput(f"{' and '.join(given)} are given, expected at most one of them")
    if options.get("false_alarm_rate") is not None and not options.get("evidence"):
        raise InvalidInput(f"{spell('false_alarm_rate')} is given without {spell('evidence')}")


def _is_uint32(value: object) -> bool:
    """Whether the value fits into its field of the request."""
    return isinstance(value, int) and 0 <= value < 2**32
