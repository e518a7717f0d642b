"""Every number that a server tells Prometheus, on one screen.

Units are in the names; labels come from finite sets: the methods of the protocol, the status codes,
the loaded models. Counters get their `_total` from the library.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Protocol, final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_BYTES = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512, 1024, 4096, 16384, 65536)
_SCORES = (-8, -4, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 512, 2048)
_P_VALUES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)


class Labelled(Protocol):
    """What the page says about a loaded model."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def model_id(self) -> bytes: ...
    @property
    def provider(self) -> str: ...


class Made(Protocol):
    """What the page counts of a record."""

    @property
    def record(self) -> bytes: ...
    @property
    def evidence_bytes(self) -> int: ...


class Verdict(Protocol):
    """What the page counts of a score."""

    @property
    def value(self) -> float: ...
    @property
    def p_value(self) -> float: ...
    @property
    def anomalous(self) -> bool: ...


@final
class Metrics:
    """All metrics of one server, in the registry that was given."""

    # fmt: off
    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace="residuum", registry=registry)
        gauge = partial(Gauge, namespace="residuum", registry=registry)
        histogram = partial(Histogram, namespace="residuum", registry=registry)
        call, model, graph = ["method"], ["model"], ["model", "graph"]
        self.requests = counter("requests", "Requests answered.", ["method", "code"])
        self.seconds = histogram("request_duration_seconds", "To answer.", call, buckets=_SECONDS)
        self.in_progress = gauge("requests_in_progress", "Requests being answered.")
        self.bytes_in = counter("received_bytes", "Size of requests.", call)
        self.bytes_out = counter("sent_bytes", "Size of answers.", call)
        self.batch_rows = histogram("batch_rows", "Images per graph run.", graph, buckets=_ROWS)
        self.queue_rows = gauge("queue_rows", "Images waiting for a graph.", graph)
        self.images = counter("images", "Images answered.", ["model", "method"])
        self.record_bytes = histogram("record_bytes", "Size of records.", model, buckets=_BYTES)
        self.evidence = counter("evidence_records", "Records with evidence.", model)
        self.scores = histogram("score", "Fused anomaly scores.", model, buckets=_SCORES)
        self.p_values = histogram("p_value", "Uniform if normal.", model, buckets=_P_VALUES)
        self.anomalies = counter("anomalies", "Images judged anomalous.", model)
        self.models = gauge("model_info", "1: loaded", ["name", "version", "model_id", "provider"])
        ProcessCollector(registry=registry)
    # fmt: on

    def count_records(self, model: str, made: Sequence[Made]) -> None:
        """Counts the records that were made in one call."""
        self.images.labels(model, "Encode").inc(len(made))
        self.evidence.labels(model).inc(sum(one.evidence_bytes > 0 for one in made))
        size = self.record_bytes.labels(model)
        for one in made:
            size.observe(len(one.record))

    def count_images(self, model: str, images: int) -> None:
        """Counts the images that were restored in one call."""
        self.images.labels(model, "Decode").inc(images)

    def count_scores(self, model: str, scores: Sequence[Verdict]) -> None:
        """Counts the verdicts of one call."""
        self.images.labels(model, "Score").inc(len(scores))
        self.anomalies.labels(model).inc(sum(score.anomalous for score in scores))
        value, p_value = self.scores.labels(model), self.p_values.labels(model)
        for score in scores:
            value.observe(score.value)
            p_value.observe(score.p_value)

    def show_models(self, models: Iterable[Labelled]) -> None:
        """Tells which models are loaded, and no others."""
        self.models.clear()
        for model in models:
            self.models.labels(model.name, model.version, model.model_id.hex(), model.provider).set(
                1
            )
