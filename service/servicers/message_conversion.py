"""Conversion between protobuf messages and the codec's types. Requests are checked here."""

from collections.abc import Iterator, Sequence

import numpy as np
from google.protobuf.message import Message

from codec import Rate
from codec.arrays import U8
from codec.bundle.bundle import Bundle
from codec.errors import InvalidInput, RecordError
from codec.image_reader import read_image
from codec.images.files import write_png
from codec.record.evidence import Region
from codec.record.frame import unpack
from protos.residuum.v1.anomaly_pb2 import ScoreRequest
from protos.residuum.v1.codec_pb2 import Box, DecodeRequest, EncodeRequest, Evidence, OnAnomaly
from protos.residuum.v1.images_pb2 import Files, ModelRef, Pixels
from protos.residuum.v1.models_pb2 import Model
from service.runtime.loaded_model import LoadedModel

# Most pixels in the images of one request, however small their files or records are.
MAX_REQUEST_PIXELS = 2**26


def count_images(request: Message) -> int:
    """Number of images or records that a request claims to have; 0 for requests about models."""
    if isinstance(request, DecodeRequest):
        return len(request.records)
    if isinstance(request, EncodeRequest | ScoreRequest):
        files = request.WhichOneof("images") == "files"
        return len(request.files.files) if files else request.pixels.count
    return 0


def images_of(request: EncodeRequest | ScoreRequest, channels: int, limit: int) -> list[U8]:
    """The images `[H, W, C]` of a request, 1 to `limit`; files are decoded to `channels`.

    Raises InvalidInput.
    """
    kind = request.WhichOneof("images")
    if kind == "pixels":
        return _from_pixels(request.pixels, limit)
    if kind == "files":
        return list(_from_files(request.files.files, channels, limit))
    raise InvalidInput("the request has no images, expected pixels or files")


def check_records(records: Sequence[bytes], bundle: Bundle, limit: int) -> None:
    """Raises InvalidInput unless there are 1 to `limit` records, with not too many pixels."""
    _check_count(len(records), "records", limit)
    pixels = sum(_record_pixels(record, bundle) for record in records)
    if pixels > MAX_REQUEST_PIXELS:
        raise InvalidInput(
            f"the records decode to {pixels} pixels, expected at most {MAX_REQUEST_PIXELS}"
        )


def rate_of(request: EncodeRequest) -> Rate:
    """The quality level, size or PSNR that the request asks for. Raises InvalidInput."""
    kind = request.WhichOneof("rate")
    return Rate() if kind is None else Rate(**{kind: getattr(request, kind)})


def false_alarm_rate_of(request: EncodeRequest | ScoreRequest) -> float | None:
    """The false-alarm rate of the request; None means the default of the model."""
    return request.false_alarm_rate if request.HasField("false_alarm_rate") else None


def wants_evidence(request: EncodeRequest) -> bool:
    """Whether to keep anomalous regions losslessly.

    Raises InvalidInput for an unknown value, and for a false-alarm rate without evidence.
    """
    if request.on_anomaly not in OnAnomaly.values():
        raise InvalidInput(f"on_anomaly is {request.on_anomaly}, expected a value of OnAnomaly")
    evidence = request.on_anomaly == OnAnomaly.ON_ANOMALY_EVIDENCE
    if request.HasField("false_alarm_rate") and not evidence:
        raise InvalidInput("false_alarm_rate is set, but on_anomaly is not ON_ANOMALY_EVIDENCE")
    return evidence


def pixels_message(images: Sequence[U8]) -> Pixels:
    """Images `[H, W, C]` of one size as a message. Raises InvalidInput if the sizes differ."""
    height, width, channels = images[0].shape
    for index, image in enumerate(images):
        if image.shape != images[0].shape:
            raise InvalidInput(
                f"image {index} is {image.shape[0]}x{image.shape[1]}, image 0 is {height}x{width}; "
                "request IMAGE_FORMAT_PNG for images of different sizes"
            )
    return Pixels(
        count=len(images),
        height=height,
        width=width,
        channels=channels,
        data=b"".join(image.tobytes() for image in images),
    )


def png_message(images: Sequence[U8]) -> Files:
    """Images `[H, W, C]` as a message of PNG files."""
    return Files(files=[write_png(image) for image in images])


def evidence_message(regions: Sequence[Region]) -> Evidence:
    """The boxes in which an image equals the original."""
    boxes = [region.box for region in regions]
    return Evidence(
        boxes=[Box(top=b.top, left=b.left, height=b.height, width=b.width) for b in boxes]
    )


def model_ref(model: LoadedModel) -> ModelRef:
    """Name and version of the model that answered."""
    return ModelRef(name=model.name, version=model.version)


def model_message(model: LoadedModel) -> Model:
    """The description of a model in responses of ModelService."""
    manifest = model.bundle.manifest
    return Model(
        name=model.name,
        version=model.version,
        model_id=model.bundle.model_id,
        family=manifest.family,
        channels=manifest.input.channels,
        height=manifest.input.height,
        width=manifest.input.width,
        fit=manifest.input.fit,
        default_quality=manifest.quality_default,
        quality_levels=manifest.quality_levels,
        false_alarm_rate=manifest.score.false_alarm_rate,
        calibration_images=model.scorer.calibration_images,
        provider=model.provider,
        bundle_bytes=model.bundle.size,
    )


def _from_pixels(pixels: Pixels, limit: int) -> list[U8]:
    _check_count(pixels.count, "images", limit)
    shape = (pixels.count, pixels.height, pixels.width, pixels.channels)
    size = f"{pixels.height}x{pixels.width}x{pixels.channels}"
    expected = pixels.count * pixels.height * pixels.width * pixels.channels
    if expected == 0:
        raise InvalidInput(f"images of {size} are empty")
    if len(pixels.data) != expected:
        raise InvalidInput(
            f"pixels.data has {len(pixels.data)} bytes, expected {expected} "
            f"for {pixels.count} images of {size}"
        )
    return list(np.frombuffer(pixels.data, np.uint8).reshape(shape))


def _from_files(files: Sequence[bytes], channels: int, limit: int) -> Iterator[U8]:
    _check_count(len(files), "images", limit)
    pixels = 0
    for index, data in enumerate(files):
        try:
            image = read_image(data, channels)
        except InvalidInput as error:
            raise InvalidInput(f"image {index}: {error}") from error
        pixels += image.shape[0] * image.shape[1]
        if pixels > MAX_REQUEST_PIXELS:
            raise InvalidInput(
                f"image {index}: the images up to this one have {pixels} pixels, "
                f"expected at most {MAX_REQUEST_PIXELS}"
            )
        yield image


def _record_pixels(record: bytes, bundle: Bundle) -> int:
    try:
        size = unpack(record, bundle.model_id, sized=bundle.manifest.input.sized).size
    except RecordError:
        return 0  # the codec rejects the record, and names it
    return size[0] * size[1] if size else 0


def _check_count(count: int, noun: str, limit: int) -> None:
    if not 1 <= count <= limit:
        raise InvalidInput(f"the request has {count} {noun}, expected 1 to {limit}")
