"""The life of a server: reserve ports, become alive, load, become ready; drain on SIGTERM."""

import logging
import os
import signal
from collections.abc import Callable

from service.runtime.bundle_folder import find_bundles
from service.settings import Settings
from service.supervisor.server import Server

_LOG = logging.getLogger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(settings: Settings, ready: Callable[[Server], None]) -> None:
    """Serves until SIGTERM or SIGINT; calls `ready` once every model is loaded.

    Raises BundleError without a folder of bundles, ListenError if a port is not available, and
    StartError.
    """
    find_bundles(settings.bundles)  # a missing folder is reported before a busy port
    terminated = _catch_signals()
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


def _catch_signals() -> int:
    """A file descriptor that can be read after the first SIGTERM or SIGINT.

    The interpreter writes each signal to a pipe, in whichever thread it arrives. `signal.sigwait`
    would need the signals blocked in all threads, and numpy starts one when it is imported. Setting
    a `threading.Event` in a handler could deadlock with the wait that the handler interrupts.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in _SIGNALS:
        signal.signal(number, lambda _number, _frame: None)
    return reader
