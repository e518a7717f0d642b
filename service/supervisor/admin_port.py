"""The admin port: ModelService with loading and unloading, for all serving processes."""

# ruff: noqa: N802 - gRPC prescribes the names and parameters of these methods.

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import grpc
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckResponse

from protos.residuum.v1 import models_pb2 as pb
from protos.residuum.v1.models_pb2_grpc import (
    ModelServiceServicer,
    add_ModelServiceServicer_to_server,
)
from service.call import ensure_call
from service.parsing import ParseInterceptor
from service.security import Role
from service.server.access import credentials, interceptors
from service.server.commands import Method
from service.server.grpc_server import add_health_and_reflection, add_port, grpc_server, reserve
from service.settings import Settings
from service.status import abort, failure_of
from service.supervisor.serving_process import CommandFailed
from service.supervisor.supervisor import Supervisor

SERVICE = "residuum.v1.ModelService"
_THREADS = 8
_MESSAGE_MB = 4
Context = grpc.ServicerContext


@final
class AdminServicer(ModelServiceServicer):
    """RPC handlers; the interceptor turns the errors they raise into statuses."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        with _statuses(context):
            answer = self._supervisor.ask_one(Method.LIST, request.SerializeToString())
            return pb.ListModelsResponse.FromString(answer)

    def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        with _statuses(context):
            answer = self._supervisor.ask_one(Method.GET, request.SerializeToString())
            return pb.GetModelResponse.FromString(answer)

    def LoadModel(self, request: pb.LoadModelRequest, context: Context) -> pb.LoadModelResponse:
        with _statuses(context):
            return self._supervisor.load(request)

    def UnloadModel(
        self, request: pb.UnloadModelRequest, context: Context
    ) -> pb.UnloadModelResponse:
        with _statuses(context):
            return self._supervisor.unload(request)


@final
class AdminPort:
    """The server on the admin port. Raises ListenError."""

    def __init__(self, settings: Settings, supervisor: Supervisor) -> None:
        self._reserved = reserve(settings.admin_host, settings.admin_port or 0)
        port = self._reserved.getsockname()[1]
        before = [*interceptors(settings, Role.ADMIN), ParseInterceptor()]
        self._server = grpc_server(before, _THREADS, _MESSAGE_MB)
        add_ModelServiceServicer_to_server(AdminServicer(supervisor), self._server)
        self._health = health.HealthServicer()
        add_health_and_reflection(self._server, self._health, [SERVICE])
        self.port = add_port(self._server, settings.admin_host, port, credentials(settings))

    def start(self) -> None:
        """Serves."""
        self._server.start()
        for service in ("", SERVICE):
            self._health.set(service, HealthCheckResponse.SERVING)

    def close(self) -> None:
        """Stops at once."""
        self._server.stop(0).wait()
        self._reserved.close()


@contextmanager
def _statuses(context: Context) -> Iterator[None]:
    """Errors as statuses."""
    ensure_call(context)
    try:
        yield
    except CommandFailed as error:
        abort(context, error.failure)
    except Exception as error:  # noqa: BLE001 - every error becomes a status
        abort(context, failure_of(error))
