"""What listens: the data port, the admin port and the metrics page.

The admin port has a server and threads of its own, so that a data port under full load can never
make the process look dead. Both are gRPC's threaded servers, which cost half the work per call of
the asyncio one. A call gets its thread at once or is refused: nothing waits where nobody looks.
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
from service.metrics import Metrics
from service.runtime.models import ModelStore
from service.servicers.anomaly import AnomalyServicer
from service.servicers.calls import Calls
from service.servicers.codec import CodecServicer
from service.servicers.models import ModelServicer
from service.settings import Settings

DATA_SERVICES = tuple(
    f"residuum.v1.{name}" for name in ("CodecService", "AnomalyService", "ModelService")
)
# Health of the process itself, for liveness probes; "" and the services are about readiness.
LIVENESS = "liveness"
_ADMIN_THREADS = 4
_MIB = 2**20


class PortInUse(Exception):
    """A port cannot be listened on; the sentence says which."""


@final
class Server:
    """The ports of one process. Binding is done at once, so that a port in use is known early."""

    def __init__(
        self,
        settings: Settings,
        models: ModelStore,
        calls: Calls,
        metrics: Metrics,
        registry: CollectorRegistry,
    ) -> None:
        self.models = models
        self._health = health.HealthServicer()
        self._say(HealthCheckResponse.NOT_SERVING)
        self._data = _grpc_server(settings.workers, settings.max_message_mb)
        self._admin = _grpc_server(_ADMIN_THREADS, 4)
        limit = settings.max_images
        add_CodecServiceServicer_to_server(CodecServicer(models, calls, metrics, limit), self._data)
        add_AnomalyServiceServicer_to_server(
            AnomalyServicer(models, calls, metrics, limit), self._data
        )
        for server, admin in ((self._data, False), (self._admin, True)):
            add_ModelServiceServicer_to_server(ModelServicer(models, calls, admin=admin), server)
            health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        _reflect(self._data, DATA_SERVICES)
        _reflect(self._admin, DATA_SERVICES[2:])
        self.port = _bind(self._data, settings.host, settings.port)
        self.admin_port = _bind(self._admin, settings.host, settings.admin_port)
        self._page, self.metrics_port = _serve_metrics(settings, registry)

    def start(self) -> None:
        """Alive at once; ready when every model is loaded and warm. Raises BundleError."""
        self._health.set(LIVENESS, HealthCheckResponse.SERVING)
        self._admin.start()
        self.models.load_all()
        self._data.start()
        self._say(HealthCheckResponse.SERVING)

    def drain(self, seconds: float) -> None:
        """Says NOT_SERVING, refuses new calls, gives those in progress `seconds`, and stops."""
        self._say(HealthCheckResponse.NOT_SERVING)
        self._data.stop(seconds).wait()
        self._admin.stop(0).wait()
        self._page.shutdown()
        self._page.server_close()
        self.models.close()

    def _say(self, status: HealthCheckResponse.ServingStatus) -> None:
        for service in ("", *DATA_SERVICES):
            self._health.set(service, status)


def _grpc_server(threads: int, message_mb: int) -> grpc.Server:
    return grpc.server(
        ThreadPoolExecutor(threads),
        maximum_concurrent_rpcs=threads,
        options=[
            ("grpc.max_receive_message_length", message_mb * _MIB),
            ("grpc.max_send_message_length", -1),
            # Two servers on one port would share its calls in silence; better to hear of it.
            ("grpc.so_reuseport", 0),
        ],
    )


def _reflect(server: grpc.Server, services: tuple[str, ...]) -> None:
    names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)


def _bind(server: grpc.Server, host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # gRPC says that a port is taken but not why; the socket does.
        socket.create_server((host, port), family=family).close()
        return server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except (OSError, RuntimeError) as error:
        raise PortInUse(_cannot_listen(host, port, error)) from error


def _serve_metrics(settings: Settings, registry: CollectorRegistry) -> tuple[WSGIServer, int]:
    try:
        page, _ = start_http_server(settings.metrics_port, settings.host, registry)
    except OSError as error:
        raise PortInUse(_cannot_listen(settings.host, settings.metrics_port, error)) from error
    return page, page.server_port


def _cannot_listen(host: str, port: int, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    # Python adds the address once more, in parentheses.
    return f"cannot listen on {host}, port {port}: {str(reason).split(' (')[0]}"
