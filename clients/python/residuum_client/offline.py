"""The same calls without a server: a bundle, opened in this process by the codec."""

import time
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from typing import TypeVar, Unpack

from residuum_client.arrays import U8
from residuum_client.backend import Backend
from residuum_client.codec_adapter import PROVIDERS, OpenBundle, Provider, open_bundle
from residuum_client.errors import InvalidInput, ResiduumError, Unavailable
from residuum_client.inputs import Image, image_list, load_record, record_list
from residuum_client.options import (
    EncodeOptions,
    check_choice,
    check_flag,
    check_given,
    check_options,
    check_path,
    check_value,
)
from residuum_client.results import Compressed, Description, ModelInfo, Restored, Score
from residuum_client.schedule import Pace, Schedule

T = TypeVar("T", bound=U8 | bytes)
R = TypeVar("R")


class Offline(Backend):
    """The model of a bundle, in this process. `with` closes it.

    - `bundle`: a folder, or a tar file of it.
    - `provider`: where its graphs run: `cpu`, `cuda`, or `auto`, which is CUDA where it works and
      the CPU elsewhere.
    - `threads`: threads of the CPU for one call.

    Raises NotInstalled without the extra `offline`, BundleError for the bundle, and InvalidInput
    for the provider.
    """

    def __init__(
        self, bundle: str | PathLike[str], *, provider: Provider = "auto", threads: int = 1
    ) -> None:
        self._path = check_path("bundle", bundle)
        check_choice("provider", provider, PROVIDERS)
        threads = check_given("threads", threads)
        self._opened: OpenBundle | None = open_bundle(self._path, provider, threads)

    def close(self) -> None:
        """Frees the model. Later calls raise Unavailable."""
        self._opened = None

    def compress_each(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[Compressed | ResiduumError]:
        """`compress_stream` with one outcome per image: its result, or why it has none.

        Raises what no single image is to blame for: InvalidInput for options, BundleError.
        """
        opened = self._open()
        compress = opened.compressing(check_options(options))
        return _each("image", opened.load_image, compress, image_list(images))

    def restore_each(self, records: Iterable[bytes]) -> Iterator[Restored | ResiduumError]:
        """`restore_stream` with one outcome per record: its image, or why it has none."""
        return _each("record", load_record, self._open().restore, record_list(records))

    def score_each(
        self,
        images: Iterable[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> Iterator[Score | ResiduumError]:
        """`score_stream` with one outcome per image: its score, or why it has none."""
        opened = self._open()
        rate = check_value("false_alarm_rate", false_alarm_rate)
        score = opened.scoring(rate, check_flag("heatmaps", heatmaps))
        return _each("image", opened.load_image, score, image_list(images))

    def models(self) -> list[ModelInfo]:
        """The one model of the bundle."""
        return [self._open().info()]

    def describe(self) -> Description:
        """The model with its card and its manifest. Raises Unavailable after `close`."""
        return self._open().describe()

    def _open(self) -> OpenBundle:
        if self._opened is None:
            raise Unavailable(f"the bundle {self._path} was closed")
        return self._opened


def _each(
    noun: str,
    load: Callable[[object], T],
    call: Callable[[list[T]], list[R | ResiduumError]],
    elements: Iterable[object],
) -> Iterator[R | ResiduumError]:
    """One outcome per element; each is loaded and computed once."""
    schedule: Schedule[T, R] = Schedule(noun, Pace())
    source = iter(elements)
    while not schedule.done:
        _load(schedule, load, source)
        if message := schedule.next_message(time.monotonic()):
            schedule.answered(message, call(message.values), time.monotonic())
        yield from schedule.outcomes()


def _load(schedule: Schedule[T, R], load: Callable[[object], T], source: Iterator[object]) -> None:
    """Loads elements for as long as the schedule takes more."""
    if not schedule.hungry:
        return
    for element in source:
        try:
            value = load(element)
            schedule.add(value, len(value) if isinstance(value, bytes) else value.nbytes)
        except InvalidInput as error:
            schedule.add_failed(error)
        if not schedule.hungry:
            return
    schedule.end()
