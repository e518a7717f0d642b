"""The codec in this process: an opened bundle, its results and its errors as those of the client.

The codec comes with the extra `offline`, so it is imported only where it is used.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from residuum_client import errors
from residuum_client.arrays import U8
from residuum_client.backend import EncodeOptions, check_options
from residuum_client.packing import Packing, load_image
from residuum_client.results import Box, Compressed, Description, ModelInfo, Restored, Score

if TYPE_CHECKING:
    import codec
    import codec.graphs.onnx

Provider = Literal["auto", "cpu", "cuda"]
# What to do where the codec is missing.
INSTALL = "in a checkout of Residuum: pip install . './clients/python[offline]'"


@dataclass(frozen=True, slots=True)
class OpenBundle:
    """A bundle with its graphs, ready to compress and to score."""

    bundle: "codec.Bundle"
    graphs: "codec.graphs.onnx.OnnxGraphs"
    scorer: "codec.Scorer"
    codec: "codec.Codec"

    def compressing(self, options: EncodeOptions) -> Callable[[list[U8]], list[Compressed]]:
        """The function that compresses images with these options. Raises InvalidInput."""
        from codec import Rate

        check_options(options)
        with translated():
            rate = Rate(
                options.get("quality"), options.get("target_bytes"), options.get("target_psnr")
            )

        def compress(images: list[U8]) -> list[Compressed]:
            if options.get("evidence"):
                results = self.scorer.compress_with_evidence(
                    images, rate, options.get("false_alarm_rate")
                )
            else:
                results = self.codec.compress_at(images, rate)
            return [
                Compressed(record=r.record, quality=r.quality, evidence_bytes=r.evidence_bytes)
                for r in results
            ]

        return compress

    def restore(self, records: list[bytes]) -> list[Restored]:
        """One image `[H, W, C]` per record, with the boxes of its evidence."""
        return [_restored(restored) for restored in self.codec.restore(records)]

    def score(
        self, images: list[U8], false_alarm_rate: float | None, heatmaps: bool
    ) -> list[Score]:
        """One score per image."""
        return [
            Score(
                value=score.value,
                p_value=score.p_value,
                anomalous=score.anomalous,
                scores=dict(sorted(score.scores.items())),
                record_bytes=score.record_bytes,
                heatmap_vmax=self.scorer.heatmap_vmax,
                heatmap=score.heatmap if heatmaps else None,
            )
            for score in self.scorer.score(images, false_alarm_rate)
        ]

    def info(self) -> ModelInfo:
        """Facts about the model."""
        manifest = self.bundle.manifest
        return ModelInfo(
            name=manifest.name,
            version=manifest.version,
            model_id=self.bundle.model_id,
            family=manifest.family,
            channels=manifest.input.channels,
            height=manifest.input.height,
            width=manifest.input.width,
            fit=manifest.input.fit,
            default_quality=manifest.quality_default,
            quality_levels=manifest.quality_levels,
            false_alarm_rate=manifest.score.false_alarm_rate,
            calibration_images=self.scorer.calibration_images,
            provider=self.graphs.provider,
            bundle_bytes=self.bundle.size,
        )

    def describe(self) -> Description:
        """The model with its card and its manifest."""
        from codec.bundle.manifest import to_json

        manifest = json.loads(to_json(self.bundle.manifest))
        return Description(model=self.info(), card=self.bundle.card, manifest=manifest)

    def pack_images(self) -> Packing[U8]:
        """Batches of arrays; the codec decodes image files as a server does."""
        from codec.errors import ResiduumError
        from codec.image_reader import read_image

        channels = self.bundle.manifest.input.channels

        def load(element: object, index: int) -> U8:
            image = load_image(element, index)
            if not isinstance(image, bytes):
                return image
            try:
                return read_image(image, channels)
            except ResiduumError as error:
                raise errors.InvalidInput(f"image {index}: {error}", index=index) from error

        return Packing(load, weigh=lambda image: image.nbytes)


def open_bundle(path: str, provider: Provider, threads: int) -> OpenBundle:
    """The bundle at a path. Raises NotInstalled, BundleError, or InvalidInput for the provider."""
    try:
        from codec import Codec, Scorer, load_bundle
        from codec.graphs.onnx import open_graphs
    except ImportError as error:
        raise errors.NotInstalled(
            f"offline use needs the codec and onnxruntime; {INSTALL} ({error})"
        ) from error
    with translated():
        bundle = load_bundle(path)
        graphs = open_graphs(bundle, provider, threads)
        codec = Codec(bundle, graphs)
        return OpenBundle(bundle, graphs, Scorer(codec), codec)


@contextmanager
def translated(first: int = 0) -> Iterator[None]:
    """Raises the codec's errors as those of this library, indices counted from `first`."""
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
        raise errors.with_index(kind, str(error), first=first) from error


def _restored(restored: "codec.Restored") -> Restored:
    boxes = [region.box for region in restored.regions]
    evidence = [Box(top=b.top, left=b.left, height=b.height, width=b.width) for b in boxes]
    return Restored(image=restored.image, evidence=tuple(evidence))
