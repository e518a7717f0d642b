"""Prometheus metrics, declared here and updated where the events happen.

METRICS.md lists them and is generated from this module: run `make reference` after a change.
Labels have few values: RPC names, status codes, loaded models. The library adds `_total` to the
names of counters.
"""

from functools import partial
from typing import Literal, final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# Of gauges, when a page has the values of several processes: the sum over those that are alive.
_SUM: Literal["livesum"] = "livesum"
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
        gauge = partial(Gauge, namespace="residuum", registry=registry, multiprocess_mode=_SUM)
        histogram = partial(Histogram, namespace="residuum", registry=registry)
        self.requests = counter("requests", "Requests answered.", ["method", "code"])
        self.refusals = counter("refusals", "Requests and streams refused.", ["reason"])
        self.seconds = histogram(
            "request_duration_seconds",
            "Time from the arrival of a request to its response.",
            ["method"],
            buckets=_SECONDS,
            unit="seconds",
        )
        self.in_progress = gauge("requests_in_progress", "Requests in progress.")
        self.streams = gauge("streams_open", "Streams that are open.")
        self.memory = gauge(
            "memory_budget_bytes", "Memory counted for the requests in progress.", unit="bytes"
        )
        self.bytes_in = counter(
            "received_bytes", "Total size of request messages.", ["method"], unit="bytes"
        )
        self.bytes_out = counter(
            "sent_bytes", "Total size of response messages.", ["method"], unit="bytes"
        )


@final
class ComputeMetrics:
    """The queue of images, and the slices in which they are computed; updated by the executor."""

    def __init__(self, registry: CollectorRegistry) -> None:
        gauge = partial(Gauge, namespace="residuum", registry=registry, multiprocess_mode=_SUM)
        histogram = partial(Histogram, namespace="residuum", registry=registry)
        self.queued = gauge("queue_images", "Images and records waiting.")
        self.backlog = gauge(
            "backlog_seconds", "Expected time until all that wait are computed.", unit="seconds"
        )
        self.wait_seconds = histogram(
            "queue_wait_seconds",
            "Time from the arrival of a request in the queue to the start of its first images.",
            ["model", "method"],
            buckets=_SECONDS,
            unit="seconds",
        )
        self.compute_seconds = histogram(
            "compute_seconds",
            "Time to compute images and records that share a run.",
            ["model", "method"],
            buckets=_SECONDS,
            unit="seconds",
        )
        self.batch_images = histogram(
            "batch_images",
            "Images and records that share a run.",
            ["model", "method"],
            buckets=_ROWS,
        )


@final
class ImageMetrics:
    """Images by result, updated by the servicers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace="residuum", registry=registry)
        histogram = partial(Histogram, namespace="residuum", registry=registry)
        self.images = counter("images", "Images encoded, decoded or scored.", ["model", "method"])
        self.decoded_bytes = counter(
            "decoded_bytes",
            "Total size of the images of requests, as pixels.",
            ["model", "method"],
            unit="bytes",
        )
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
    """All metrics that a worker updates, in the given registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = RequestMetrics(registry)
        self.compute = ComputeMetrics(registry)
        self.images = ImageMetrics(registry)
