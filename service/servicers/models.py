"""ModelService: lists and describes models; loads and unloads them on the admin port."""

# ruff: noqa: N802, ARG002 - gRPC prescribes the names and parameters of these methods.

from typing import final

import grpc

from codec.bundle.manifest import to_json
from protos.residuum.v1 import models_pb2 as pb
from protos.residuum.v1.models_pb2_grpc import ModelServiceServicer
from service.runtime.models import ModelStore
from service.servicers.message_conversion import model_message
from service.status import AdminOnly

# None for the commands of the supervisor.
Context = grpc.ServicerContext | None


@final
class ModelServicer(ModelServiceServicer):
    """RPC handlers; the interceptor turns the errors they raise into statuses.

    Loading and unloading raise AdminOnly unless `admin` is true.
    """

    def __init__(self, models: ModelStore, *, admin: bool) -> None:
        self._models = models
        self._admin = admin

    def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=[model_message(model) for model in self._models.all()])

    def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        model = self._models.get(request.model.name, request.model.version)
        return pb.GetModelResponse(
            model=model_message(model),
            card=model.bundle.card,
            manifest_json=to_json(model.bundle.manifest),
        )

    def LoadModel(self, request: pb.LoadModelRequest, context: Context) -> pb.LoadModelResponse:
        self._require_admin("LoadModel")
        return pb.LoadModelResponse(model=model_message(self._models.load(request.bundle)))

    def UnloadModel(
        self, request: pb.UnloadModelRequest, context: Context
    ) -> pb.UnloadModelResponse:
        self._require_admin("UnloadModel")
        self._models.unload(request.model.name, request.model.version)
        return pb.UnloadModelResponse()

    def _require_admin(self, method: str) -> None:
        if not self._admin:
            raise AdminOnly(f"{method} is available on the admin port only")
