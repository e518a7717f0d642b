"""All ports of a server, and the processes behind them."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import final

from service.server.access import warn_of_plain_tokens
from service.server.grpc_server import reserve
from service.settings import Settings
from service.supervisor.admin_port import AdminPort
from service.supervisor.http_port import HttpPort
from service.supervisor.metrics_page import registry
from service.supervisor.serving_process import StartError
from service.supervisor.supervisor import Supervisor


@final
class Server:
    """Reserves or binds its ports at construction; `admin_port` may be None.

    Raises ListenError, StartError, and CredentialsError or TokensError if it has an admin port.
    """

    def __init__(self, settings: Settings) -> None:
        warn_of_plain_tokens(settings)
        with ExitStack() as stack:
            reserved = stack.enter_context(reserve(settings.host, settings.port))
            self.port: int = reserved.getsockname()[1]
            folder = Path(stack.enter_context(_metrics_folder()))
            self.supervisor = Supervisor(settings, self.port, folder)
            page = registry(self.supervisor, folder)
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


def _metrics_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for the metrics of the serving processes, removed in the end. Raises StartError."""
    try:
        return tempfile.TemporaryDirectory(prefix="residuum-metrics-")
    except OSError as error:
        raise StartError(
            f"no folder can be made for metrics: {error.strerror}; expected TMPDIR to name a "
            "folder with free space"
        ) from None
