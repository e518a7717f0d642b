# Generated from models.proto, SHA-256 bf93bad3c8eee5957743e0591e1688d1443d2b6984206e545294afb8892cf5ba
# fmt: off
# ruff: noqa
from collections.abc import Iterator
import grpc
from . import models_pb2 as pb2

class ModelServiceStub:
    def __init__(self, channel: grpc.Channel) -> None: ...
    ListModels: grpc.UnaryUnaryMultiCallable[pb2.ListModelsRequest, pb2.ListModelsResponse]
    GetModel: grpc.UnaryUnaryMultiCallable[pb2.GetModelRequest, pb2.GetModelResponse]
    LoadModel: grpc.UnaryUnaryMultiCallable[pb2.LoadModelRequest, pb2.LoadModelResponse]
    UnloadModel: grpc.UnaryUnaryMultiCallable[pb2.UnloadModelRequest, pb2.UnloadModelResponse]

class ModelServiceServicer:
    def ListModels(self, request: pb2.ListModelsRequest, context: grpc.ServicerContext) -> pb2.ListModelsResponse: ...
    def GetModel(self, request: pb2.GetModelRequest, context: grpc.ServicerContext) -> pb2.GetModelResponse: ...
    def LoadModel(self, request: pb2.LoadModelRequest, context: grpc.ServicerContext) -> pb2.LoadModelResponse: ...
    def UnloadModel(self, request: pb2.UnloadModelRequest, context: grpc.ServicerContext) -> pb2.UnloadModelResponse: ...

def add_ModelServiceServicer_to_server(
    servicer: ModelServiceServicer, server: grpc.Server
) -> None: ...
