"""gRPC servers: options, ports, credentials and errors of the data and the admin port.

gRPC's threaded servers cost half as much per call as the asyncio server. A call gets a thread at
once or is rejected, never queued.
"""

import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, final

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from service.settings import MIB

_REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"
_CONNECTION_AGE_MS = 300_000
# Clients are pinged this often, and are gone if they do not answer in this time, milliseconds.
_KEEPALIVE_MS, _KEEPALIVE_TIMEOUT_MS = 30_000, 10_000
_HANDSHAKE_TIMEOUT_MS = 10_000
# Each keeps a thread while it is open, also while its client is silent.
_REFLECTION_STREAMS = 4


class ListenError(Exception):
    """The server cannot listen on a port; the message says which and why."""


def grpc_server(
    interceptors: Sequence[grpc.ServerInterceptor],  # type: ignore[type-arg]
    threads: int,
    message_mb: int,
) -> grpc.Server:
    """A server with health service, for at most `threads` calls at a time."""
    return grpc.server(
        ThreadPoolExecutor(threads),
        interceptors=list(interceptors),
        maximum_concurrent_rpcs=threads,
        options=[
            ("grpc.max_receive_message_length", message_mb * MIB),
            ("grpc.max_send_message_length", -1),
            # Clients connect anew, and so find replicas that were added. Calls and streams in
            # progress are not cut off.
            ("grpc.max_connection_age_ms", _CONNECTION_AGE_MS),
            ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
            # A connection that does not finish its handshake in time is closed.
            ("grpc.server_handshake_timeout_ms", _HANDSHAKE_TIMEOUT_MS),
            # Clients may send pings as often.
            ("grpc.http2.min_ping_interval_without_data_ms", _KEEPALIVE_MS // 3),
            # All serving processes listen on one port; `reserve` makes sure that nobody else does.
            ("grpc.so_reuseport", 1),
        ],
    )


def add_health_and_reflection(
    server: grpc.Server, health_servicer: health.HealthServicer, services: Sequence[str]
) -> None:
    """Health checks, and reflection of the services."""
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    servicer = _Reflection((*services, health.SERVICE_NAME, reflection.SERVICE_NAME))
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    # Version 1 of reflection has the same messages; the library registers only the older name.
    v1 = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handler = grpc.method_handlers_generic_handler(_REFLECTION_V1, {"ServerReflectionInfo": v1})
    server.add_generic_rpc_handlers((handler,))


# The base class has no types.
@final
class _Reflection(reflection_pb2_grpc.ServerReflectionServicer):  # type: ignore[misc]
    """Reflection for a few clients at a time, so that silent ones leave threads for calls."""

    def __init__(self, services: Sequence[str]) -> None:
        # Its type is wrong in the stubs.
        self._answers: Any = reflection.ReflectionServicer(services).ServerReflectionInfo
        self._free = threading.Semaphore(_REFLECTION_STREAMS)

    def ServerReflectionInfo(  # noqa: N802 - prescribed by gRPC
        self, request_iterator: Any, context: Any
    ) -> Iterator[reflection_pb2.ServerReflectionResponse]:
        """Answers the requests of a stream. Called by gRPC."""
        if not self._free.acquire(blocking=False):
            context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{_REFLECTION_STREAMS} streams of reflection are open, which is the limit; "
                "retry later",
            )
        try:
            yield from self._answers(request_iterator, context)
        finally:
            self._free.release()


def reserve(host: str, port: int) -> socket.socket:
    """A socket that keeps a port for this process and its children. Raises ListenError.

    It does not listen. Port 0 becomes a free one.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reserved = socket.socket(family)
    try:
        # Fails if another process listens on the port, even if that shares it.
        socket.create_server((host, port), family=family).close()
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind((host, port))
    except OSError as error:
        reserved.close()
        raise listen_error(host, port, error) from error
    return reserved


def add_port(
    server: grpc.Server, host: str, port: int, credentials: grpc.ServerCredentials | None
) -> int:
    """Binds a server to a port that is reserved. Raises ListenError."""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise listen_error(host, port, error) from error


def listen_error(host: str, port: int, error: Exception) -> ListenError:
    """The error with the reason that the system gives."""
    reason = error.strerror if isinstance(error, OSError) else str(error)
    # Python repeats the address in parentheses.
    return ListenError(f"cannot listen on {host}, port {port}: {str(reason).split(' (')[0]}")
