"""Conversion between protobuf messages and the codec's types.

Images and records of requests: see service.servicers.sources.
"""

from collections.abc import Iterable, Sequence

from codec import Rate
from codec.arrays import U8
from codec.errors import InvalidInput, ResiduumError
from codec.images.files import write_png
from codec.record.evidence import Region
from protos.residuum.v1.anomaly_pb2 import ScoreRequest
from protos.residuum.v1.codec_pb2 import (
    Box,
    DecodeRequest,
    EncodeRequest,
    Evidence,
    ImageFormat,
    OnAnomaly,
)
from protos.residuum.v1.images_pb2 import Files, ItemError, ModelRef, Pixels
from protos.residuum.v1.models_pb2 import Model
from service.runtime.loaded_model import LoadedModel
from service.status import code_name, item_status


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


def wants_png(request: DecodeRequest) -> bool:
    """Whether to return PNG files. Raises InvalidInput for an unknown format."""
    if request.format not in ImageFormat.values():
        raise InvalidInput(f"format is {request.format}, expected a value of ImageFormat")
    return bool(request.format == ImageFormat.IMAGE_FORMAT_PNG)


def pixels_message(images: Sequence[U8]) -> Pixels:
    """Images `[H, W, C]` as a message. Raises InvalidInput unless they have one size."""
    if not images:
        return Pixels()
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


def item_errors(outcomes: Sequence[object]) -> list[ItemError]:
    """The items of a partial request that failed."""
    return [
        ItemError(index=index, code=code.value[0], message=message)
        for index, one in enumerate(outcomes)
        if isinstance(one, ResiduumError)
        for code, message in [item_status(one)]
    ]


def codes_of(errors: Iterable[ItemError]) -> list[str]:
    """The names of the status codes of items that failed."""
    return [code_name(error.code) for error in errors]


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
        false_alarm_rate_bound=model.scorer.false_alarm_rate_bound,
        calibration_images=model.scorer.calibration_images,
        provider=model.provider,
        bundle_bytes=model.bundle.size,
        bundle_digest=model.bundle.digest,
    )
