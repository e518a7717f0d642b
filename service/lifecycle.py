"""The life of a server: bind, become alive, load, become ready, and on SIGTERM drain and end."""

import logging
import signal
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType

from prometheus_client import CollectorRegistry

from service.admission import Admission
from service.calls import Calls
from service.metrics import Metrics
from service.models import ModelStore, Runtime, open_served
from service.server import Server
from service.settings import Settings

_LOG = logging.getLogger(__name__)


def serve(settings: Settings, ready: Callable[[Server], None]) -> None:
    """Serves until SIGTERM or SIGINT; calls `ready` once every model is loaded and warm.

    Raises PortInUse, BundleError, or InvalidInput for a provider that is not there.
    """
    stop = _stop_on_signals()
    server = build(settings)
    try:
        server.start()
        ready(server)
        stop.wait()
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


def _stop_on_signals() -> threading.Event:
    """An event that the first SIGTERM or SIGINT sets; the second one ends the process as usual."""
    stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    return stop
