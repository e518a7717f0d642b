"""The same calls without a server: a bundle, opened in this process by the codec."""

from collections.abc import Callable, Iterable, Iterator
from os import PathLike, fspath
from typing import TypeVar, Unpack

from residuum_client.arrays import U8
from residuum_client.backend import Backend, EncodeOptions
from residuum_client.codec_adapter import OpenBundle, Provider, open_bundle, translated
from residuum_client.errors import Unavailable
from residuum_client.packing import Image, Packing, load_record, packed
from residuum_client.results import Compressed, Description, ModelInfo, Restored, Score

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
        self._path = fspath(bundle)
        self._opened: OpenBundle | None = open_bundle(self._path, provider, threads)

    def close(self) -> None:
        """Frees the model. Later calls raise Unavailable."""
        self._opened = None

    def compress_stream(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[Compressed]:
        """`compress` for an iterable of any length, in constant memory.

        Raises InvalidInput at once for options that no model takes.
        """
        opened = self._open()
        return _stream(opened.pack_images(), opened.compressing(options), images)

    def restore_stream(self, records: Iterable[bytes]) -> Iterator[Restored]:
        """`restore` for an iterable of any length, in constant memory."""
        return _stream(Packing(load_record, weigh=len), self._open().restore, records)

    def score_stream(
        self,
        images: Iterable[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> Iterator[Score]:
        """`score` for an iterable of any length, in constant memory."""
        opened = self._open()

        def score(batch: list[U8]) -> list[Score]:
            return opened.score(batch, false_alarm_rate, heatmaps)

        return _stream(opened.pack_images(), score, images)

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


def _stream(
    packing: Packing[T], call: Callable[[list[T]], list[R]], elements: Iterable[object]
) -> Iterator[R]:
    for batch in packed(packing, elements):
        with translated(batch.first):
            results = call(batch.items)
        yield from results
