"""The ports of a server: data, admin and metrics.

The admin port has a gRPC server and threads apart from the data port, so that health checks are
answered while the data port is fully loaded. Both servers are gRPC's threaded ones, which cost half
as much per call as the asyncio server. A call gets a thread at once or is rejected, never queued.
"""

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import final
from wsgiref.simple_server import WSGIServer

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry, start_http_server

from protos.residuum.v1.anomaly_pb2_grpc import add_AnomalyServiceServicer_to_server
from protos.residuum.v1.codec_pb2_grpc import add_CodecServiceServicer_to_server
from protos.residuum.v1.models_pb2_grpc import add_ModelServiceServicer_to_server
from service.metrics import ImageMetrics
from service.runtime.memory import MIB, MemoryBudget
from service.runtime.models import ModelStore
from service.servicers.anomaly import AnomalyServicer
from service.servicers.codec import CodecServicer
from service.servicers.interceptor import RpcInterceptor
from service.servicers.models import ModelServicer
from service.settings import Settings

DATA_SERVICES = tuple(
    f"residuum.v1.{name}" for name in ("CodecService", "AnomalyService", "ModelService")
)
ADMIN_SERVICES = ("residuum.v1.ModelService",)
# The health service name that liveness probes ask for. Other names are about readiness.
LIVENESS = "liveness"
_ADMIN_THREADS = 4
_ADMIN_MESSAGE_MB = 4
_CONNECTION_AGE_MS = 300_000


class ListenError(Exception):
    """The server cannot listen on a port; the message says which and why."""


@final
class Server:
    """The ports of one process, bound at construction. Raises ListenError."""

    def __init__(
        self,
        settings: Settings,
        models: ModelStore,
        interceptor: RpcInterceptor,
        metrics: ImageMetrics,
        registry: CollectorRegistry,
        memory: MemoryBudget,
    ) -> None:
        self.models = models
        self._health = health.HealthServicer()
        self._set_health(HealthCheckResponse.NOT_SERVING)
        self._data = _grpc_server(interceptor, settings.workers, settings.max_message_mb)
        self._admin = _grpc_server(interceptor, _ADMIN_THREADS, _ADMIN_MESSAGE_MB)
        codec = CodecServicer(models, metrics, settings.max_images, memory)
        anomaly = AnomalyServicer(models, metrics, settings.max_images, memory)
        add_CodecServiceServicer_to_server(codec, self._data)
        add_AnomalyServiceServicer_to_server(anomaly, self._data)
        add_ModelServiceServicer_to_server(ModelServicer(models, admin=False), self._data)
        add_ModelServiceServicer_to_server(ModelServicer(models, admin=True), self._admin)
        for server, services in ((self._data, DATA_SERVICES), (self._admin, ADMIN_SERVICES)):
            health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
            names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        self.port = _bind(self._data, settings.host, settings.port)
        self.admin_port = _bind(self._admin, settings.host, settings.admin_port)
        self._metrics_server = _serve_metrics(settings.host, settings.metrics_port, registry)
        self.metrics_port = self._metrics_server.server_port

    def start(self) -> None:
        """Becomes alive at once, and ready when every model is loaded. Raises BundleError."""
        self._health.set(LIVENESS, HealthCheckResponse.SERVING)
        self._admin.start()
        self.models.load_all()
        self._data.start()
        self._set_health(HealthCheckResponse.SERVING)

    def drain(self, seconds: float) -> None:
        """Stops accepting calls, lets those in progress finish for up to `seconds`, and stops."""
        self._set_health(HealthCheckResponse.NOT_SERVING)
        self._data.stop(seconds).wait()
        self._admin.stop(0).wait()
        self._metrics_server.shutdown()
        self._metrics_server.server_close()
        self.models.close()

    def _set_health(self, status: HealthCheckResponse.ServingStatus) -> None:
        for service in ("", *DATA_SERVICES):
            self._health.set(service, status)


def _grpc_server(interceptor: RpcInterceptor, threads: int, message_mb: int) -> grpc.Server:
    return grpc.server(
        ThreadPoolExecutor(threads),
        interceptors=[interceptor],
        maximum_concurrent_rpcs=threads,
        options=[
            ("grpc.max_receive_message_length", message_mb * MIB),
            ("grpc.max_send_message_length", -1),
            # Clients connect anew, and so find replicas that were added. Calls and streams in
            # progress are not cut off.
            ("grpc.max_connection_age_ms", _CONNECTION_AGE_MS),
            # Otherwise two servers could listen on one port and silently share its calls.
            ("grpc.so_reuseport", 0),
        ],
    )


def _bind(server: grpc.Server, host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # gRPC reports that it cannot listen but not why; the socket does.
        socket.create_server((host, port), family=family).close()
        return server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except (OSError, RuntimeError) as error:
        raise _listen_error(host, port, error) from error


def _serve_metrics(host: str, port: int, registry: CollectorRegistry) -> WSGIServer:
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as error:
        raise _listen_error(host, port, error) from error
    return server


def _listen_error(host: str, port: int, error: Exception) -> ListenError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    # Python repeats the address in parentheses.
    return ListenError(f"cannot listen on {host}, port {port}: {str(reason).split(' (')[0]}")
