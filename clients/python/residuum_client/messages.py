"""Requests and answers as pure functions; `Client` and `AsyncClient` share all of it."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from residuum_client.errors import ServerError
from residuum_client.options import EncodeOptions, check
from residuum_client.packing import (
    MESSAGE_ITEMS,
    Batch,
    Packing,
    image_weight,
    load_image,
    load_record,
)
from residuum_client.results import Box, Compressed, Description, ModelInfo, Restored, Score
from residuum_client.v1 import anomaly_pb2, codec_pb2, images_pb2, models_pb2

U8 = NDArray[np.uint8]
# A record does not tell the size of its image; it is some fifty to three hundred times smaller.
PIXELS_PER_RECORD_BYTE = 64
# At the limits of both, as many records as a server restores in one call.
RECORDS_OF_ANY_SIZE = 16

I = TypeVar("I", bound=U8 | bytes)  # noqa: E741 - item: what a batch is made of
Q = TypeVar("Q")  # request
A = TypeVar("A")  # answer
R = TypeVar("R")  # result


@dataclass(frozen=True, slots=True)
class Exchange(Generic[I, Q, A, R]):
    """One kind of call: elements → batches of items → requests, and answers → results."""

    pack: Callable[[], Packing[I]]
    ask: Callable[[list[I]], Q]
    read: Callable[[A], list[R]]

    def results(self, batch: Batch[I], answer: A) -> list[R]:
        """One result per item. Raises ServerError for any other number of them."""
        results = self.read(answer)
        if len(results) != len(batch.items):
            raise ServerError(f"{len(results)} results for {len(batch.items)} items in the answer")
        return results


Encoding = Exchange[U8 | bytes, codec_pb2.EncodeRequest, codec_pb2.EncodeResponse, R]
Decoding = Exchange[bytes, codec_pb2.DecodeRequest, codec_pb2.DecodeResponse, R]
Scoring = Exchange[U8 | bytes, anomaly_pb2.ScoreRequest, anomaly_pb2.ScoreResponse, Score]


def encoding(
    model: images_pb2.ModelRef,
    options: EncodeOptions,
    read: Callable[[codec_pb2.EncodeResponse], list[R]],
) -> Encoding[R]:
    """Images to records, or to all that is told of them.

    Raises InvalidInput; the server knows the highest quality.
    """
    check(options)
    keep = codec_pb2.ON_ANOMALY_EVIDENCE if options.get("evidence") else codec_pb2.ON_ANOMALY_NONE

    def ask(items: list[U8 | bytes]) -> codec_pb2.EncodeRequest:
        pixels, files = _payload(items)
        return codec_pb2.EncodeRequest(
            model=model,
            pixels=pixels,
            files=files,
            quality=options.get("quality"),
            target_bytes=options.get("target_bytes"),
            target_psnr=options.get("target_psnr"),
            on_anomaly=keep,
            false_alarm_rate=options.get("false_alarm_rate"),
        )

    return Exchange(pack_images, ask, read)


def decoding(
    model: images_pb2.ModelRef,
    info: ModelInfo,
    read: Callable[[codec_pb2.DecodeResponse], list[R]],
) -> Decoding[R]:
    """Records to images, or to all that is told of them.

    As pixels where all have one size, as PNG files where they may differ.
    """
    one_size = info.fit in ("exact", "resize")
    form = codec_pb2.IMAGE_FORMAT_PIXELS if one_size else codec_pb2.IMAGE_FORMAT_PNG
    weight = (info.height or 1) * (info.width or 1) * info.channels
    most = MESSAGE_ITEMS if one_size else RECORDS_OF_ANY_SIZE

    def ask(records: list[bytes]) -> codec_pb2.DecodeRequest:
        return codec_pb2.DecodeRequest(model=model, records=records, format=form)

    def weigh(record: bytes) -> int:
        return max(weight, PIXELS_PER_RECORD_BYTE * len(record))

    return Exchange(lambda: Packing(load_record, weigh=weigh, max_items=most), ask, read)


def scoring(model: images_pb2.ModelRef, false_alarm_rate: float | None, heatmaps: bool) -> Scoring:
    """Images to scores."""

    def ask(items: list[U8 | bytes]) -> anomaly_pb2.ScoreRequest:
        pixels, files = _payload(items)
        return anomaly_pb2.ScoreRequest(
            model=model,
            pixels=pixels,
            files=files,
            false_alarm_rate=false_alarm_rate,
            heatmaps=heatmaps,
        )

    return Exchange(pack_images, ask, _scores)


def pack_images() -> Packing[U8 | bytes]:
    """Packs images: files together, arrays of one shape together."""
    return Packing(load_image, weigh=image_weight)


def models(answer: models_pb2.ListModelsResponse) -> list[ModelInfo]:
    """The models of a listing."""
    return [_model(model) for model in answer.models]


def description(answer: models_pb2.GetModelResponse) -> Description:
    """A model in full. Raises ServerError if its manifest is no JSON."""
    try:
        manifest = json.loads(answer.manifest_json or "{}")
    except ValueError as error:
        raise ServerError(f"the manifest in the answer is not JSON: {error}") from error
    return Description(model=_model(answer.model), card=answer.card, manifest=manifest)


def _payload(
    items: Sequence[U8 | bytes],
) -> tuple[images_pb2.Pixels | None, images_pb2.Files | None]:
    arrays = [item for item in items if isinstance(item, np.ndarray)]
    if not arrays:
        return None, images_pb2.Files(files=[item for item in items if isinstance(item, bytes)])
    height, width, channels = arrays[0].shape
    data = arrays[0].tobytes() if len(arrays) == 1 else np.stack(arrays).tobytes()
    pixels = images_pb2.Pixels(
        count=len(arrays), height=height, width=width, channels=channels, data=data
    )
    return pixels, None


def records(answer: codec_pb2.EncodeResponse) -> list[bytes]:
    """The records alone."""
    return list(answer.records)


def compressed(answer: codec_pb2.EncodeResponse) -> list[Compressed]:
    """All that is told of the records. Raises ServerError."""
    counts = {len(answer.records), len(answer.qualities), len(answer.evidence_bytes)}
    if len(counts) > 1:
        raise ServerError(f"the answer tells of {sorted(counts)} records: expected one number")
    parts = zip(answer.records, answer.qualities, answer.evidence_bytes, strict=True)
    return [Compressed(record=r, quality=q, evidence_bytes=e) for r, q, e in parts]


def restored(answer: codec_pb2.DecodeResponse) -> list[Restored]:
    """The images and their evidence. Raises ServerError."""
    found = images(answer)
    if len(answer.evidence) != len(found):
        raise ServerError(f"{len(found)} images in the answer, evidence of {len(answer.evidence)}")
    return [
        Restored(
            image=image,
            evidence=tuple(
                Box(top=box.top, left=box.left, height=box.height, width=box.width)
                for box in evidence.boxes
            ),
        )
        for image, evidence in zip(found, answer.evidence, strict=True)
    ]


def images(answer: codec_pb2.DecodeResponse) -> list[U8]:
    """The images alone. Raises ServerError."""
    if answer.WhichOneof("images") == "files":
        return [_png(data) for data in answer.files.files]
    pixels = answer.pixels
    shape = (pixels.count, pixels.height, pixels.width, pixels.channels)
    if len(pixels.data) != pixels.count * pixels.height * pixels.width * pixels.channels:
        raise ServerError(f"{len(pixels.data)} bytes of pixels in the answer for {list(shape)}")
    return list(np.frombuffer(pixels.data, np.uint8).reshape(shape).copy())


def _png(data: bytes) -> U8:
    try:
        with PillowImage.open(io.BytesIO(data), formats=["PNG"]) as file:
            image = np.array(file.convert("L" if file.mode in ("1", "L") else "RGB"))
    except (OSError, ValueError, SyntaxError, PillowImage.DecompressionBombError) as error:
        raise ServerError(f"an image in the answer cannot be read: {error}") from error
    return image.reshape(*image.shape[:2], -1)


def _scores(answer: anomaly_pb2.ScoreResponse) -> list[Score]:
    return [
        Score(
            value=result.score,
            p_value=result.p_value,
            anomalous=result.anomalous,
            scores=dict(sorted(result.scores.items())),
            record_bytes=result.record_bytes,
            heat_scale=answer.heat_scale,
            heatmap=_heatmap(result.heatmap) if result.HasField("heatmap") else None,
        )
        for result in answer.results
    ]


def _heatmap(heatmap: anomaly_pb2.Heatmap) -> NDArray[np.float32]:
    shape = (heatmap.height, heatmap.width)
    if len(heatmap.data) != 4 * heatmap.height * heatmap.width:
        raise ServerError(f"{len(heatmap.data)} bytes of heat map in the answer for {list(shape)}")
    return np.frombuffer(heatmap.data, "<f4").reshape(shape).astype(np.float32)


def _model(model: models_pb2.Model) -> ModelInfo:
    return ModelInfo(
        name=model.name,
        version=model.version,
        model_id=model.model_id,
        family=model.family,
        channels=model.channels,
        height=model.height if model.HasField("height") else None,
        width=model.width if model.HasField("width") else None,
        fit=model.fit,
        default_quality=model.default_quality,
        quality_levels=model.quality_levels,
        false_alarm_rate=model.false_alarm_rate,
        calibration_images=model.calibration_images,
        provider=model.provider,
        bundle_bytes=model.bundle_bytes,
    )
