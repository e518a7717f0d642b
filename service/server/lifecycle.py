"""The life of a server: bind, become alive, load, become ready; drain and stop on SIGTERM."""

import logging
import os
import signal
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from service.metrics import Metrics
from service.runtime.admission import Admission
from service.runtime.loaded_model import RuntimeConfig
from service.runtime.memory import MIB, MemoryBudget
from service.runtime.models import ModelStore
from service.server.server import Server
from service.servicers.interceptor import RpcInterceptor
from service.settings import Settings

_LOG = logging.getLogger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(settings: Settings, ready: Callable[[Server], None]) -> None:
    """Serves until SIGTERM or SIGINT; calls `ready` once every model is loaded.

    Raises ListenError, BundleError, or InvalidInput if the provider is not available.
    """
    wait_for_signal = _catch_signals()
    server = build(settings)
    try:
        server.start()
        ready(server)
        wait_for_signal()
        _LOG.info("draining, %g seconds at most", settings.drain_seconds)
    finally:
        server.drain(settings.drain_seconds)


def build(settings: Settings) -> Server:
    """A server with its ports bound and a new metrics registry.

    Raises BundleError without a folder of bundles, and ListenError.
    """
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    admission = Admission()
    config = RuntimeConfig(
        provider=settings.provider,
        threads=settings.threads,
        batch_rows=settings.max_batch_rows,
        window=settings.batch_window_ms / 1000.0,
        queue_rows=settings.max_queue_rows,
    )
    models = ModelStore(settings.bundles, config, metrics.models, admission.in_progress)
    models.bundles()  # a missing folder is reported before a busy port
    interceptor = RpcInterceptor(metrics.requests, admission)
    memory = MemoryBudget(settings.max_decoded_mb * MIB)
    metrics.requests.memory.set_function(memory.in_use)
    metrics.requests.waiting.set_function(memory.waiting)
    return Server(settings, models, interceptor, metrics.images, registry, memory)


def _catch_signals() -> Callable[[], None]:
    """Returns a function that waits for the first SIGTERM or SIGINT. A second ends the process.

    The interpreter writes each signal to a pipe, in whichever thread it arrives. `signal.sigwait`
    would need the signals blocked in all threads, and numpy starts one when it is imported. Setting
    a `threading.Event` in a handler could deadlock with the wait that the handler interrupts.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in _SIGNALS:
        signal.signal(number, lambda _number, _frame: None)

    def wait() -> None:
        os.read(reader, 1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    return wait
