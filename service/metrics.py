"""Prometheus metrics, declared here and updated where the events happen.

METRICS.md lists them and is generated from this module: run `make reference` after a change.
Labels have few values: RPC names, status codes, loaded models. The library adds `_total` to the
names of counters.
"""

from collections.abc import Iterable
from functools import partial
from typing import Literal, final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from service.histogram import EachHistogram

# Of gauges, when a page has the values of several processes: the sum over those that are alive.
_SUM: Literal["livesum"] = "livesum"
_NEWEST: Literal["livemostrecent"] = "livemostrecent"
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
        self._methods: dict[str, MethodMetrics] = {}

    def of(self, rpc: str) -> "MethodMetrics":
        """Those of one RPC, by its full name."""
        found = self._methods.get(rpc)
        return found or self._methods.setdefault(rpc, MethodMetrics(self, rpc.rpartition("/")[2]))


@final
class MethodMetrics:
    """The request metrics of one RPC. Looking up labels takes longer than counting."""

    def __init__(self, metrics: RequestMetrics, method: str) -> None:
        self._requests = metrics.requests
        self.method = method
        self._codes: dict[str, Counter] = {}
        self._seconds = metrics.seconds.labels(method)
        self._bytes_in = metrics.bytes_in.labels(method)
        self._bytes_out = metrics.bytes_out.labels(method)

    def transferred(self, received: int, sent: int) -> None:
        """Counts the messages of a request that succeeded, bytes."""
        self._bytes_in.inc(received)
        self._bytes_out.inc(sent)

    def answered(self, code: str, seconds: float) -> None:
        """Counts a request with the name of its status code."""
        counter = self._codes.get(code)
        if counter is None:
            counter = self._codes[code] = self._requests.labels(self.method, code)
        counter.inc()
        self._seconds.observe(seconds)


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
        self.image_seconds = gauge(
            "estimated_image_seconds",
            "Time that an image or record is expected to take, in the run that came last.",
            ["model", "method"],
            unit="seconds",
            multiprocess_mode=_NEWEST,
        )
        self._tasks: dict[tuple[str, str], TaskMetrics] = {}

    def of(self, model: str, method: str) -> "TaskMetrics":
        """Those of one model and method."""
        key = (model, method)
        found = self._tasks.get(key)
        return found or self._tasks.setdefault(key, TaskMetrics(self, model, method))


@final
class TaskMetrics:
    """The compute metrics of one model and method."""

    def __init__(self, metrics: ComputeMetrics, model: str, method: str) -> None:
        self.wait_seconds = metrics.wait_seconds.labels(model, method)
        self._compute_seconds = metrics.compute_seconds.labels(model, method)
        self._batch_images = metrics.batch_images.labels(model, method)
        self._image_seconds = metrics.image_seconds.labels(model, method)

    def computed(self, images: int, seconds: float, expected: float) -> None:
        """Counts a run of images, which took some seconds; 0 are expected if nothing is known."""
        self._batch_images.observe(images)
        self._compute_seconds.observe(seconds)
        self._image_seconds.set((expected or seconds) / images)


@final
class ImageMetrics:
    """Images by result, updated by the servicers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace="residuum", registry=registry)
        histogram = partial(EachHistogram, namespace="residuum", registry=registry)
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
        self._models: dict[tuple[str, str], ModelMetrics] = {}

    def of(self, model: str, method: str) -> "ModelMetrics":
        """Those of one model, and of a method: Encode, Decode or Score."""
        key = (model, method)
        found = self._models.get(key)
        return found or self._models.setdefault(key, ModelMetrics(self, model, method))


@final
class ModelMetrics:
    """The image metrics of one model and method."""

    def __init__(self, metrics: ImageMetrics, model: str, method: str) -> None:
        self._errors = partial(metrics.item_errors.labels, model, method)
        self._images = metrics.images.labels(model, method)
        self._decoded = metrics.decoded_bytes.labels(model, method)
        self._record_bytes = metrics.record_bytes.labels(model)
        self._evidence = metrics.evidence_records.labels(model)
        self._scores = metrics.scores.labels(model)
        self._p_values = metrics.p_values.labels(model)
        self._anomalies = metrics.anomalies.labels(model)

    def answered(self, images: int, decoded: int, failed: Iterable[str]) -> None:
        """Counts the images of a request, their bytes as pixels, and codes of those that failed."""
        self._images.inc(images)
        self._decoded.inc(decoded)
        for code in failed:
            self._errors(code).inc()

    def encoded(self, records: Iterable[bytes], with_evidence: int) -> None:
        """Counts records, and how many of them hold evidence."""
        self._record_bytes.observe_each(map(len, records))
        if with_evidence:
            self._evidence.inc(with_evidence)

    def scored(self, scores: Iterable[float], p_values: Iterable[float], anomalous: int) -> None:
        """Counts scores, and how many of them are anomalous."""
        self._scores.observe_each(scores)
        self._p_values.observe_each(p_values)
        if anomalous:
            self._anomalies.inc(anomalous)


@final
class Metrics:
    """All metrics that a worker updates, in the given registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = RequestMetrics(registry)
        self.compute = ComputeMetrics(registry)
        self.images = ImageMetrics(registry)
