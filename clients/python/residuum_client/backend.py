"""The calls that every model answers: `Client` sends them to a server, `Offline` to a bundle."""

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from numbers import Integral, Real
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack

from residuum_client.arrays import U8
from residuum_client.errors import InvalidInput, ResiduumError, is_of_one_element, placed
from residuum_client.packing import Image, sequence
from residuum_client.results import Compressed, Description, ModelInfo, Restored, Score

T = TypeVar("T")
R = TypeVar("R")

RATES = ("quality", "target_bytes", "target_psnr")
_UINT32, _ABOVE_0 = 2**32 - 1, math.ulp(0.0)
# Type, lowest and highest value of an option, and how an error describes them.
LIMITS: dict[str, tuple[type[Any], float, float, str]] = {
    "quality": (Integral, 0, _UINT32, "a level, an integer from 0 up"),
    "target_bytes": (Integral, 1, _UINT32, "at least 1"),
    "target_psnr": (Real, _ABOVE_0, sys.float_info.max, "decibels above 0"),
    "false_alarm_rate": (Real, _ABOVE_0, math.nextafter(1, 0), "a number between 0 and 1"),
}


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

        Raises InvalidInput at once for options that no model takes.
        """
        return (result.record for result in self.compress_stream(images, **options))

    @abstractmethod
    def compress_stream(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[Compressed]:
        """`compress` for an iterable of any length, in constant memory.

        Raises InvalidInput at once for options that no model takes.
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

    def compress_each(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[Compressed | ResiduumError]:
        """`compress_stream` with one outcome per image: its result, or why it has none.

        What is not the fault of one image is raised: InvalidInput for options, Unavailable,
        UnknownModel, BundleError and NotInstalled.
        """
        check_options(options)
        return _each(lambda one: self.compress(one, **options), "image", images)

    def restore_each(self, records: Iterable[bytes]) -> Iterator[Restored | ResiduumError]:
        """`restore_stream` with one outcome per record: its image, or why it has none."""
        return _each(self.restore, "record", records)

    def score_each(
        self,
        images: Iterable[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> Iterator[Score | ResiduumError]:
        """`score_stream` with one outcome per image: its score, or why it has none."""
        check_value("false_alarm_rate", false_alarm_rate)
        return _each(
            lambda one: self.score(one, false_alarm_rate=false_alarm_rate, heatmaps=heatmaps),
            "image",
            images,
        )

    @abstractmethod
    def models(self) -> list[ModelInfo]:
        """All models of the server, or the one of the bundle."""

    @abstractmethod
    def describe(self) -> Description:
        """The model with its card and its manifest. Raises UnknownModel."""

    @abstractmethod
    def close(self) -> None:
        """Frees the connection or the model. Later calls raise Unavailable."""


def check_options(options: EncodeOptions, spell: Callable[[str], str] = str) -> None:
    """Raises InvalidInput for options that no model takes; only the model knows its highest level.

    `spell` turns the name of an option into what the user types.
    """
    known = EncodeOptions.__annotations__
    if unknown := [name for name in options if name not in known]:
        raise InvalidInput(f"unknown option {', '.join(unknown)}; expected {', '.join(known)}")
    given = [spell(name) for name in RATES if options.get(name) is not None]
    if len(given) > 1:
        raise InvalidInput(f"{' and '.join(given)} are given, expected at most one of them")
    if options.get("false_alarm_rate") is not None and not options.get("evidence"):
        raise InvalidInput(f"{spell('false_alarm_rate')} is given without {spell('evidence')}")
    for name in LIMITS:
        check_value(name, options.get(name), spell)


def check_value(name: str, value: object, spell: Callable[[str], str] = str) -> None:
    """Raises InvalidInput for the value of an option that no model takes; None is left out."""
    kind, low, high, expected = LIMITS[name]
    if value is not None and not (isinstance(value, kind) and low <= value <= high):
        raise InvalidInput(f"{spell(name)} is {value!r}, expected {expected}")


def _each(
    call: Callable[[list[T]], list[R]], noun: str, elements: Iterable[T]
) -> Iterator[R | ResiduumError]:
    for index, element in enumerate(sequence(elements)):
        try:
            yield call([element])[0]
        except ResiduumError as error:
            if not is_of_one_element(error):
                raise
            yield placed(error, noun, index)
