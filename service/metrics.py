"""Prometheus metrics, declared here and updated where the events happen.

METRICS.md lists them and is generated from this module: run `make reference` after a change.
Labels have few values: RPC names, status codes, loaded models. The library adds `_total` to the
names of counters.
"""

from functools import partial
from typing import final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_BYTES = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512, 1024, 4096, 16384, 65536)
_SCORES = (-8, -4, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 512, 2048)
_P_VALUES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)


@final
class RequestMetrics:
    """Per RPC, updated by the interceptor. Each message of a stream counts as a request."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace="residuum", registry=registry)
        gauge = partial(Gauge, namespace="residuum", registry=registry)
        histogram = partial(Histogram, namespace="residuum", registry=registry)
        self.requests = counter("requests", "Requests answered.", ["method", "code"])
        self.seconds = histogram(
            "request_duration_seconds",
            "Time from the arrival of a request to its response.",
            ["method"],
            buckets=_SECONDS,
            unit="seconds",
        )
        self.in_progress = gauge("requests_in_progress", "Requests in progress.")
        self.memory = gauge(
            "images_memory_bytes", "Memory taken by the images of requests.", unit="bytes"
        )
        self.waiting = gauge("requests_waiting", "Requests that wait for memory.")
        self.bytes_in = counter(
            "received_bytes", "Total size of request messages.", ["method"], unit="bytes"
        )
        self.bytes_out = counter(
            "sent_bytes", "Total size of response messages.", ["method"], unit="bytes"
        )


@final
class ModelMetrics:
    """Which models are loaded, and the batches of their graphs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        gauge = partial(Gauge, namespace="residuum", registry=registry)
        histogram = partial(Histogram, namespace="residuum", registry=registry)
        self.info = gauge(
            "model_info",
            "Always 1; the labels describe a loaded model.",
            ["name", "version", "model_id", "provider"],
        )
        self.batch_rows = histogram(
            "batch_rows",
            "Images or tiles per run of a graph.",
            ["model", "graph"],
            buckets=_ROWS,
            unit="rows",
        )
        self.queue_rows = gauge(
            "queue_rows", "Images or tiles waiting for a graph.", ["model", "graph"], unit="rows"
        )


@final
class ImageMetrics:
    """Images by result, updated by the servicers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace="residuum", registry=registry)
        histogram = partial(Histogram, namespace="residuum", registry=registry)
        self.images = counter("images", "Images encoded, decoded or scored.", ["model", "method"])
        self.item_errors = counter(
            "item_errors",
            "Images and records of partial requests that failed.",
            ["model", "method", "code"],
        )
        self.record_bytes = histogram(
            "record_bytes", "Size of a record.", ["model"], buckets=_BYTES, unit="bytes"
        )
        self.evidence_records = counter(
            "evidence_records", "Records that hold evidence.", ["model"]
        )
        self.scores = histogram("score", "Anomaly score of an image.", ["model"], buckets=_SCORES)
        self.p_values = histogram(
            "p_value",
            "p-value of an image; uniform while images are normal.",
            ["model"],
            buckets=_P_VALUES,
        )
        self.anomalies = counter("anomalies", "Images flagged as anomalous.", ["model"])


@final
class Metrics:
    """All metrics of one server, and those of its process, in the given registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = RequestMetrics(registry)
        self.models = ModelMetrics(registry)
        self.images = ImageMetrics(registry)
        ProcessCollector(registry=registry)
