"""Responses about models, read by both clients."""

import json

from residuum_client.errors import ServerError
from residuum_client.results import Description, ModelInfo
from residuum_client.v1 import models_pb2


def models(response: models_pb2.ListModelsResponse) -> list[ModelInfo]:
    """All models of a list."""
    return [_model(model) for model in response.models]


def description(response: models_pb2.GetModelResponse) -> Description:
    """A model with its card and manifest. Raises ServerError if the manifest is not JSON."""
    try:
        manifest = json.loads(response.manifest_json or "{}")
    except ValueError as error:
        raise ServerError(f"the manifest in the response is not JSON: {error}") from error
    return Description(model=_model(response.model), card=response.card, manifest=manifest)


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
