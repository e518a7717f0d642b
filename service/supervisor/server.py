"""All ports of a server, and the processes behind them."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import final

from service.server.grpc_server import reserve
from service.settings import Settings
from service.supervisor.admin_port import AdminPort
from service.supervisor.http_port import HttpPort
from service.supervisor.metrics_page import registry
from service.supervisor.supervisor import Supervisor


@final
class Server:
    """Reserves or binds its ports at construction; `admin_port` may be None. Raises ListenError."""

    def __init__(self, settings: Settings) -> None:
        self._stack = ExitStack()
        with ExitStack() as stack:
            reserved = stack.enter_context(reserve(settings.host, settings.port))
            self.port: int = reserved.getsockname()[1]
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="residuum-metrics-"))
            self.supervisor = Supervisor(settings, self.port, Path(folder))
            page = registry(self.supervisor, Path(folder))
            ready = self.supervisor.ready
            http = HttpPort(settings.host, settings.metrics_port, page, ready)
            stack.callback(http.close)
            self.metrics_port = http.port
            self.admin_port = None
            if settings.admin_port is not None:
                admin = AdminPort(settings, self.supervisor)
                stack.callback(admin.close)
                self.admin_port = admin.port
                admin.start()
            self._stack = stack.pop_all()

    def start(self, terminated: int | None = None) -> bool:
        """Starts the serving processes. Whether they are ready before the descriptor can be read.

        Raises StartError.
        """
        self.supervisor.start()
        return self.supervisor.wait_until_ready(terminated)

    def drain(self, seconds: float) -> None:
        """Stops accepting calls, lets those in progress finish for up to `seconds`, and stops."""
        self.supervisor.drain(seconds)
        self._stack.close()
