"""The life of a server: reserve ports, become alive, load, become ready; drain on SIGTERM."""

import logging
import signal
from collections.abc import Callable

from service.runtime.bundle_folder import find_bundles
from service.settings import Settings
from service.signals import catch
from service.supervisor.server import Server

_LOG = logging.getLogger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(settings: Settings, ready: Callable[[Server], None]) -> None:
    """Serves until SIGTERM or SIGINT; calls `ready` once every model is loaded.

    Raises BundleError without a folder of bundles, ListenError if a port is not available, and
    StartError.
    """
    find_bundles(settings.bundles)  # a missing folder is reported before a busy port
    terminated = catch(*_SIGNALS)
    server = Server(settings)
    try:
        if not server.start(terminated):
            return
        ready(server)
        server.supervisor.watch(terminated)
        for number in _SIGNALS:  # a second signal ends the process
            signal.signal(number, signal.SIG_DFL)
        _LOG.info("draining, %g seconds at most", settings.drain_seconds)
    finally:
        server.drain(settings.drain_seconds)
