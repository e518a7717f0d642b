"""Models as messages."""

from protos.residuum.v1.images_pb2 import ModelRef
from protos.residuum.v1.models_pb2 import Model
from service.models import Served


def reference(served: Served) -> ModelRef:
    """Which model answered, its version filled in."""
    return ModelRef(name=served.name, version=served.version)


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
