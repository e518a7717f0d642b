"""The life of a server: bind, become alive, load, become ready, and on SIGTERM drain and end."""

import logging
import os
import signal
from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry

from service.metrics import Metrics
from service.runtime.admission import Admission
from service.runtime.models import ModelStore, Runtime, open_served
from service.server.server import Server
from service.servicers.calls import Calls
from service.settings import Settings

_LOG = logging.getLogger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(settings: Settings, ready: Callable[[Server], None]) -> None:
    """Serves until SIGTERM or SIGINT; calls `ready` once every model is loaded and warm.

    Raises PortInUse, BundleError, or InvalidInput for a provider that is not there.
    """
    told_to_stop = _catch_signals()
    server = build(settings)
    try:
        server.start()
        ready(server)
        told_to_stop()
        _LOG.info("draining, %g seconds at most", settings.drain_seconds)
    finally:
        server.drain(settings.drain_seconds)


def build(settings: Settings) -> Server:
    """A server of these settings, its ports bound, with a metrics registry of its own."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    admission = Admission()
    runtime = Runtime(
        provider=settings.provider,
        threads=settings.threads,
        batch_rows=settings.max_batch_rows,
        window=settings.batch_window_ms / 1000.0,
        queue_rows=settings.max_queue_rows,
    )
    open_bundle = partial(
        open_served, runtime=runtime, metrics=metrics, calls_in_progress=admission.in_progress
    )
    models = ModelStore(settings.bundles, open_bundle, metrics.show_models)
    return Server(settings, models, Calls(metrics, admission), metrics, registry)


def _catch_signals() -> Callable[[], None]:
    """A function that returns after the first SIGTERM or SIGINT; a second one ends the process.

    The interpreter's own handler writes to a pipe, whichever thread it runs in. An Event instead
    would be set by code that may interrupt the very wait for it, and lock up.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in _SIGNALS:
        signal.signal(number, lambda _number, _frame: None)

    def told_to_stop() -> None:
        os.read(reader, 1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    return told_to_stop
