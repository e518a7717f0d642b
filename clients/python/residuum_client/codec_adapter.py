"""The codec in this process: an opened bundle, its results and its errors as those of the client.

The codec comes with the extra `offline`, so it is imported only where it is used.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

from residuum_client import errors
from residuum_client.arrays import U8
from residuum_client.inputs import load_image
from residuum_client.options import EncodeOptions
from residuum_client.results import Box, Compressed, Description, ModelInfo, Region, Restored, Score

if TYPE_CHECKING:
    import codec
    import codec.graphs.onnx
    import codec.images.boxes
    import codec.scores

I = TypeVar("I")  # noqa: E741 - item, as in transport/messages.py
C = TypeVar("C")
R = TypeVar("R")
# One outcome for each item.
Compute = Callable[[list[I]], list[R | errors.ResiduumError]]
Provider = Literal["auto", "cpu", "cuda"]
PROVIDERS: tuple[Provider, ...] = get_args(Provider)
# What to do where the codec is missing.
INSTALL = "in a checkout of Residuum: pip install . './clients/python[offline]'"


@dataclass(frozen=True, slots=True)
class OpenBundle:
    """A bundle with its graphs, ready to compress and to score."""

    bundle: "codec.Bundle"
    graphs: "codec.graphs.onnx.OnnxGraphs"
    scorer: "codec.Scorer"
    codec: "codec.Codec"

    def compressing(self, options: EncodeOptions) -> Compute[U8, Compressed]:
        """The function that compresses images with these options. Raises InvalidInput."""
        from codec import Rate

        with translated():
            rate = Rate(
                options.get("quality"), options.get("target_bytes"), options.get("target_psnr")
            )

        def compress(images: list[U8]) -> list[Compressed | errors.ResiduumError]:
            with translated():
                if options.get("evidence"):
                    outcomes = self.scorer.compress_with_evidence_each(
                        images, rate, options.get("false_alarm_rate")
                    )
                else:
                    outcomes = self.codec.compress_each(images, rate)
            return [_converted(one, _compressed) for one in outcomes]

        return compress

    def restore(self, records: list[bytes]) -> list[Restored | errors.ResiduumError]:
        """For each record its image `[H, W, C]` with the boxes of its evidence, or its error."""
        with translated():
            outcomes = self.codec.restore_each(records)
        return [_converted(one, _restored) for one in outcomes]

    def scoring(self, false_alarm_rate: float | None, heatmaps: bool) -> Compute[U8, Score]:
        """The function that scores images."""

        def result(score: "codec.Score") -> Score:
            return Score(
                value=score.value,
                p_value=score.p_value,
                anomalous=score.anomalous,
                scores=dict(sorted(score.scores.items())),
                record_bytes=score.record_bytes,
                heatmap_vmax=self.scorer.heatmap_vmax,
                heatmap=score.heatmap if heatmaps else None,
                regions=tuple(map(_region, score.regions)),
            )

        def score(images: list[U8]) -> list[Score | errors.ResiduumError]:
            with translated():
                outcomes = self.scorer.score_each(images, false_alarm_rate)
            return [_converted(one, result) for one in outcomes]

        return score

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
            false_alarm_rate_bound=self.scorer.false_alarm_rate_bound,
            calibration_images=self.scorer.calibration_images,
            provider=self.graphs.provider,
            bundle_bytes=self.bundle.size,
        )

    def describe(self) -> Description:
        """The model with its card and its manifest."""
        from codec.bundle.manifest import to_json

        manifest = json.loads(to_json(self.bundle.manifest))
        return Description(model=self.info(), card=self.bundle.card, manifest=manifest)

    def load_image(self, element: object) -> U8:
        """An image as an array; the codec decodes image files as a server does.

        Raises InvalidInput.
        """
        from codec.image_reader import read_header, read_image
        from codec.images.files import check_size

        image = load_image(element)
        if not isinstance(image, bytes):
            return image
        spec = self.bundle.manifest.input
        with translated():
            header = read_header(image)
            # Before any pixel is decoded, so that a file fails with the same sentence as served.
            check_size(header.height, header.width, spec)
            return read_image(image, spec.channels)


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
def translated() -> Iterator[None]:
    """Raises the codec's errors as those of this library."""
    import codec.errors

    try:
        yield
    except codec.errors.ResiduumError as error:
        raise _error(error) from error


def _error(error: "codec.errors.ResiduumError") -> errors.ResiduumError:
    """The error of this library of the same name."""
    kind: type[errors.ResiduumError] = getattr(errors, type(error).__name__, errors.ServerError)
    return errors.from_sentence(kind, str(error))


def _converted(
    outcome: "C | codec.errors.ResiduumError", convert: Callable[[C], R]
) -> R | errors.ResiduumError:
    import codec.errors

    if isinstance(outcome, codec.errors.ResiduumError):
        return _error(outcome)
    return convert(outcome)


def _compressed(one: "codec.Compressed") -> Compressed:
    return Compressed(record=one.record, quality=one.quality, evidence_bytes=one.evidence_bytes)


def _restored(restored: "codec.Restored") -> Restored:
    evidence = tuple(_box(region.box) for region in restored.regions)
    return Restored(image=restored.image, evidence=evidence)


def _region(one: "codec.scores.Region") -> Region:
    return Region(box=_box(one.box), area=one.area, value=one.value, p_value=one.p_value)


def _box(box: "codec.images.boxes.Box") -> Box:
    return Box(top=box.top, left=box.left, height=box.height, width=box.width)
