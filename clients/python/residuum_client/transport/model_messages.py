"""Requests and responses about models, as pure functions for both clients."""

import json

from residuum_client.errors import ServerError
from residuum_client.options import check_text
from residuum_client.results import Description, ModelInfo
from residuum_client.v1 import images_pb2, models_pb2


def reference(model: str, version: str) -> images_pb2.ModelRef:
    """Names a model of the server. Raises InvalidInput."""
    return images_pb2.ModelRef(
        name=check_text("model", model), version=check_text("version", version)
    )


def list_request() -> models_pb2.ListModelsRequest:
    """Asks for all models."""
    return models_pb2.ListModelsRequest()


def get_request(model: images_pb2.ModelRef) -> models_pb2.GetModelRequest:
    """Asks for one model."""
    return models_pb2.GetModelRequest(model=model)


def load_request(bundle: str) -> models_pb2.LoadModelRequest:
    """Asks to load a bundle. Raises InvalidInput."""
    return models_pb2.LoadModelRequest(bundle=check_text("bundle", bundle))


def unload_request(model: str, version: str) -> models_pb2.UnloadModelRequest:
    """Asks to unload a model. Raises InvalidInput."""
    return models_pb2.UnloadModelRequest(model=reference(model, version))


def loaded(response: models_pb2.LoadModelResponse) -> ModelInfo:
    """The model that was loaded."""
    return _model(response.model)


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
        false_alarm_rate_bound=model.false_alarm_rate_bound,
        calibration_images=model.calibration_images,
        provider=model.provider,
        bundle_bytes=model.bundle_bytes,
    )
