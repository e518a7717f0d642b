"""The HTTP port: /metrics for Prometheus, /livez and /readyz for Kubernetes."""

import http.server
import socket
import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import final
from urllib.parse import unquote, urlsplit

from prometheus_client import CollectorRegistry, exposition

from service.server.grpc_server import listen_error

# A client that is slower keeps its thread for no longer, seconds.
_TIMEOUT = 10.0


@final
class HttpPort:
    """A server in threads of its process. Raises ListenError.

    `ready` takes the name and version of a model, or two empty strings for the whole server.
    """

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, ready: Callable[[str, str], bool]
    ) -> None:
        server = _Server6 if ":" in host else http.server.ThreadingHTTPServer
        try:
            self._server = server((host, port), partial(_Handler, registry, ready))
        except OSError as error:
            raise listen_error(host, port, error) from error
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="http", daemon=True).start()

    def close(self) -> None:
        """Stops."""
        self._server.shutdown()
        self._server.server_close()


class _Server6(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = _TIMEOUT
    server_version = "residuum-serve"
    sys_version = ""

    def __init__(
        self, registry: CollectorRegistry, ready: Callable[[str, str], bool], *arguments: object
    ) -> None:
        self._registry = registry
        self._ready = ready
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answers a request."""
        path = urlsplit(self.path).path.rstrip("/")
        match [unquote(part) for part in path.split("/")[1:]]:
            case ["metrics"]:
                self._metrics()
            case ["livez"]:
                self._reply(HTTPStatus.OK, "alive\n")
            case ["readyz", *model] if len(model) <= 2:
                name, version = (*model, "", "")[:2]
                self._readiness(self._ready(name, version), " ".join(model) or "the server")
            case _:
                self._reply(HTTPStatus.NOT_FOUND, "expected /metrics, /livez or /readyz\n")

    do_HEAD = do_GET  # noqa: N815 - prescribed by the base class

    def log_message(self, *_arguments: object) -> None:
        """Nothing: probes and scrapes come every few seconds."""

    def _readiness(self, ready: bool, what: str) -> None:
        if ready:
            self._reply(HTTPStatus.OK, f"{what} is ready\n")
        else:
            self._reply(HTTPStatus.SERVICE_UNAVAILABLE, f"{what} is not ready\n")

    def _metrics(self) -> None:
        encode, kind = exposition.choose_encoder(self.headers.get("Accept", ""))
        self._reply(HTTPStatus.OK, encode(self._registry).decode(), kind)

    def _reply(
        self, status: HTTPStatus, text: str, kind: str = "text/plain; charset=utf-8"
    ) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
