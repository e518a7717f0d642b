"""ModelService on the wire: which models there are, and on the admin port which there shall be."""

# ruff: noqa: N802 - the methods are called what the protocol calls them.

from typing import final

import grpc

from codec.bundle.manifest import to_json
from protos.residuum.v1 import models_pb2 as pb
from protos.residuum.v1.models_pb2_grpc import ModelServiceServicer
from service.runtime.models import ModelStore
from service.servicers.calls import Calls
from service.servicers.message_conversion import description
from service.status import AdminOnly

Context = grpc.ServicerContext


@final
class ModelServicer(ModelServiceServicer):
    """Lists and describes models; loads and unloads them where `admin` is true."""

    def __init__(self, models: ModelStore, calls: Calls, *, admin: bool) -> None:
        self._models = models
        self._calls = calls
        self._admin = admin

    def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        return self._calls.answer("ListModels", self._list, request, context)

    def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        return self._calls.answer("GetModel", self._get, request, context)

    def LoadModel(self, request: pb.LoadModelRequest, context: Context) -> pb.LoadModelResponse:
        return self._calls.answer("LoadModel", self._load, request, context)

    def UnloadModel(
        self, request: pb.UnloadModelRequest, context: Context
    ) -> pb.UnloadModelResponse:
        return self._calls.answer("UnloadModel", self._unload, request, context)

    def _list(self, _request: pb.ListModelsRequest) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=[description(served) for served in self._models.all()])

    def _get(self, request: pb.GetModelRequest) -> pb.GetModelResponse:
        served = self._models.get(request.model.name, request.model.version)
        return pb.GetModelResponse(
            model=description(served),
            card=served.bundle.card,
            manifest_json=to_json(served.bundle.manifest),
        )

    def _load(self, request: pb.LoadModelRequest) -> pb.LoadModelResponse:
        self._require_admin("loaded")
        return pb.LoadModelResponse(model=description(self._models.load(request.bundle)))

    def _unload(self, request: pb.UnloadModelRequest) -> pb.UnloadModelResponse:
        self._require_admin("unloaded")
        self._models.unload(request.model.name, request.model.version)
        return pb.UnloadModelResponse()

    def _require_admin(self, what: str) -> None:
        if not self._admin:
            raise AdminOnly(f"models are {what} on the admin port only")
