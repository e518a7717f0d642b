"""The same work without a server: a bundle, opened in this process by the codec."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, Self, TypeVar, Unpack

import numpy as np
from numpy.typing import NDArray

from residuum_client import errors
from residuum_client.options import EncodeOptions, check
from residuum_client.packing import Batch, Image, Packing, load_image, load_record, packed
from residuum_client.results import Box, Compressed, Description, ModelInfo, Restored, Score

if TYPE_CHECKING:
    import codec
    import codec.graphs.onnx

U8 = NDArray[np.uint8]
T = TypeVar("T", bound=U8 | bytes)
R = TypeVar("R")


class _Opened(NamedTuple):
    bundle: "codec.Bundle"
    graphs: "codec.graphs.onnx.OnnxGraphs"
    codec: "codec.Codec"
    scorer: "codec.Scorer"


class Offline:
    """The model of the bundle at `bundle`, a folder or a tar of it; otherwise like `Client`.

    `provider` is where the graphs run, `auto` being CUDA where it works and the CPU elsewhere;
    `threads` is for the CPU. Raises NotInstalled without the extra `offline`, BundleError for the
    bundle, InvalidInput for the provider.
    """

    def __init__(
        self,
        bundle: str | PathLike[str],
        *,
        provider: Literal["auto", "cpu", "cuda"] = "auto",
        threads: int = 1,
    ) -> None:
        self._path = fspath(bundle)
        self._opened: _Opened | None = _open(self._path, provider, threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the model; calls after that raise Unavailable."""
        self._opened = None

    def encode(self, images: Iterable[Image], **options: Unpack[EncodeOptions]) -> list[bytes]:
        """See `Client.encode`."""
        return list(self.encode_stream(images, **options))

    def compress(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> list[Compressed]:
        """See `Client.compress`."""
        return list(self.compress_stream(images, **options))

    def decode(self, records: Iterable[bytes]) -> list[U8]:
        """See `Client.decode`."""
        return list(self.decode_stream(records))

    def restore(self, records: Iterable[bytes]) -> list[Restored]:
        """See `Client.restore`."""
        return list(self.restore_stream(records))

    def score(
        self,
        images: Iterable[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> list[Score]:
        """See `Client.score`."""
        return list(self.score_stream(images, false_alarm_rate=false_alarm_rate, heatmaps=heatmaps))

    def encode_stream(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[bytes]:
        """See `Client.encode_stream`."""
        return (made.record for made in self.compress_stream(images, **options))

    def compress_stream(
        self, images: Iterable[Image], **options: Unpack[EncodeOptions]
    ) -> Iterator[Compressed]:
        """See `Client.compress_stream`."""
        step = _compressing(self._get(), options)
        return _stream(self._pack_images(), step, images)

    def decode_stream(self, records: Iterable[bytes]) -> Iterator[U8]:
        """See `Client.decode_stream`."""
        return (restored.image for restored in self.restore_stream(records))

    def restore_stream(self, records: Iterable[bytes]) -> Iterator[Restored]:
        """See `Client.restore_stream`."""
        codec = self._get().codec
        return _stream(
            Packing(load_record, weigh=len),
            lambda batch: [_restored(one) for one in codec.restore(batch)],
            records,
        )

    def score_stream(
        self,
        images: Iterable[Image],
        *,
        false_alarm_rate: float | None = None,
        heatmaps: bool = False,
    ) -> Iterator[Score]:
        """See `Client.score_stream`."""
        scorer = self._get().scorer

        def step(batch: list[U8]) -> list[Score]:
            scores = scorer.score(batch, false_alarm_rate)
            return [_score(score, scorer.heatmap_vmax, heatmaps) for score in scores]

        return _stream(self._pack_images(), step, images)

    def models(self) -> list[ModelInfo]:
        """The one model of the bundle."""
        return [_info(self._get())]

    def describe(self) -> Description:
        """See `Client.describe`."""
        from codec.bundle.manifest import to_json

        opened = self._get()
        manifest = json.loads(to_json(opened.bundle.manifest))
        return Description(model=_info(opened), card=opened.bundle.card, manifest=manifest)

    def _get(self) -> _Opened:
        if self._opened is None:
            raise errors.Unavailable(f"the bundle {self._path} was closed")
        return self._opened

    def _pack_images(self) -> Packing[U8]:
        """Packs images as arrays, files being decoded by the codec just as a server does it."""
        from codec.errors import ResiduumError
        from codec.images.files import read_image

        channels = self._get().bundle.manifest.input.channels

        def load(element: object, index: int) -> U8:
            image = load_image(element, index)
            if not isinstance(image, bytes):
                return image
            try:
                return read_image(image, channels)
            except ResiduumError as error:
                raise errors.InvalidInput(f"image {index}: {error}", index=index) from error

        return Packing(load, weigh=lambda image: image.nbytes)


def _open(path: str, provider: Literal["auto", "cpu", "cuda"], threads: int) -> _Opened:
    try:
        from codec import Codec, Scorer, load_bundle
        from codec.graphs.onnx import open_graphs
    except ImportError as error:
        raise errors.NotInstalled(
            "offline use needs the codec and onnxruntime: pip install 'residuum-client[offline]'"
            f" ({error})"
        ) from error
    with translated():
        bundle = load_bundle(path)
        graphs = open_graphs(bundle, provider, threads)
        codec = Codec(bundle, graphs)
        return _Opened(bundle, graphs, codec, Scorer(codec))


def _compressing(opened: _Opened, options: EncodeOptions) -> Callable[[list[U8]], list[Compressed]]:
    """Images to records under these options. Raises InvalidInput."""
    from codec import Rate

    check(options)
    with translated():
        rate = Rate(options.get("quality"), options.get("target_bytes"), options.get("target_psnr"))
    evidence, alarm = options.get("evidence", False), options.get("false_alarm_rate")

    def step(images: list[U8]) -> list[Compressed]:
        if evidence:
            made = opened.scorer.compress_with_evidence(images, rate, alarm)
        else:
            made = opened.codec.compress_at(images, rate)
        return [
            Compressed(record=one.record, quality=one.quality, evidence_bytes=one.evidence_bytes)
            for one in made
        ]

    return step


def _restored(restored: "codec.Restored") -> Restored:
    boxes = [region.box for region in restored.regions]
    evidence = [Box(top=b.top, left=b.left, height=b.height, width=b.width) for b in boxes]
    return Restored(image=restored.image, evidence=tuple(evidence))


def _stream(
    packing: Packing[T], step: Callable[[list[T]], list[R]], elements: Iterable[object]
) -> Iterator[R]:
    for batch in packed(packing, elements):
        yield from _answer(step, batch)


def _answer(step: Callable[[list[T]], list[R]], batch: Batch[T]) -> list[R]:
    with translated(batch.first):
        return step(batch.items)


@contextmanager
def translated(first: int = 0) -> Iterator[None]:
    """The codec's errors as this library's own, places counted from the `first` element."""
    import codec.errors

    kinds: dict[type[codec.errors.ResiduumError], type[errors.ResiduumError]] = {
        codec.errors.InvalidInput: errors.InvalidInput,
        codec.errors.RecordError: errors.RecordError,
        codec.errors.ArchiveError: errors.ArchiveError,
        codec.errors.UnknownModel: errors.UnknownModel,
        codec.errors.BundleError: errors.BundleError,
        codec.errors.Overloaded: errors.Overloaded,
    }
    try:
        yield
    except codec.errors.ResiduumError as error:
        kind = kinds.get(type(error), errors.ServerError)
        raise kind.placed(str(error), first=first) from error


def _score(score: "codec.Score", heat_scale: float, heatmaps: bool) -> Score:
    return Score(
        value=score.value,
        p_value=score.p_value,
        anomalous=score.anomalous,
        scores=dict(sorted(score.scores.items())),
        record_bytes=score.record_bytes,
        heat_scale=heat_scale,
        heatmap=score.heatmap if heatmaps else None,
    )


def _info(opened: _Opened) -> ModelInfo:
    manifest = opened.bundle.manifest
    return ModelInfo(
        name=manifest.name,
        version=manifest.version,
        model_id=opened.bundle.model_id,
        family=manifest.family,
        channels=manifest.input.channels,
        height=manifest.input.height,
        width=manifest.input.width,
        fit=manifest.input.fit,
        default_quality=manifest.quality_default,
        quality_levels=manifest.quality_levels,
        false_alarm_rate=manifest.score.false_alarm_rate,
        calibration_images=opened.scorer.calibration_images,
        provider=opened.graphs.provider,
        bundle_bytes=opened.bundle.size,
    )
