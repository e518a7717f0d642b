"""Models, options and boxes between messages and the codec."""

from collections.abc import Sequence

from codec.errors import InvalidInput
from codec.rate_control import Rate
from codec.record.evidence import Region
from protos.residuum.v1.anomaly_pb2 import ScoreRequest
from protos.residuum.v1.codec_pb2 import Box, EncodeRequest, Evidence, OnAnomaly
from protos.residuum.v1.images_pb2 import ModelRef
from protos.residuum.v1.models_pb2 import Model
from service.runtime.models import Served


def reference(served: Served) -> ModelRef:
    """Which model answered, its version filled in."""
    return ModelRef(name=served.name, version=served.version)


def rate_of(request: EncodeRequest) -> Rate:
    """How small or how good the records shall be. Raises InvalidInput."""
    kind = request.WhichOneof("rate")
    return Rate() if kind is None else Rate(**{kind: getattr(request, kind)})


def alarm_of(request: EncodeRequest | ScoreRequest) -> float | None:
    """The false-alarm rate asked for, None for the model's."""
    return request.false_alarm_rate if request.HasField("false_alarm_rate") else None


def wants_evidence(request: EncodeRequest) -> bool:
    """Whether anomalous regions are to be kept. Raises InvalidInput for an unknown wish."""
    if request.on_anomaly not in OnAnomaly.values():
        raise InvalidInput(f"on_anomaly is {request.on_anomaly}, expected one of OnAnomaly")
    return request.on_anomaly == OnAnomaly.ON_ANOMALY_EVIDENCE


def boxes_of(regions: Sequence[Region]) -> Evidence:
    """Where an image is the original."""
    boxes = [region.box for region in regions]
    return Evidence(
        boxes=[Box(top=b.top, left=b.left, height=b.height, width=b.width) for b in boxes]
    )


def description(served: Served) -> Model:
    """What ListModels and GetModel tell of a model."""
    manifest = served.bundle.manifest
    return Model(
        name=manifest.name,
        version=manifest.version,
        model_id=served.model_id,
        family=manifest.family,
        channels=manifest.input.channels,
        height=manifest.input.height,
        width=manifest.input.width,
        fit=manifest.input.fit,
        default_quality=manifest.quality_default,
        quality_levels=manifest.quality_levels,
        false_alarm_rate=manifest.score.false_alarm_rate,
        calibration_images=served.model.calibration_images,
        provider=served.provider,
        bundle_bytes=served.bundle.size,
    )
