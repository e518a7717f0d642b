"""Metrics of images by result."""

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import final

from prometheus_client import CollectorRegistry, Counter

from service.metrics.histogram import EachHistogram
from service.metrics.tally import Tally

_BYTES = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512, 1024, 4096, 16384, 65536)
_SCORES = (-8, -4, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 512, 2048)
_P_VALUES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)


@final
class ImageMetrics:
    """Images by result, updated by the servicers."""

    def __init__(self, registry: CollectorRegistry, tally: Tally) -> None:
        self.tally = tally
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
        self._tally = metrics.tally
        self._errors = partial(metrics.item_errors.labels, model, method)
        self._images = metrics.images.labels(model, method)
        self._decoded = metrics.decoded_bytes.labels(model, method)
        self._record_bytes = metrics.record_bytes.labels(model)
        self._evidence = metrics.evidence_records.labels(model)
        self._scores = metrics.scores.labels(model)
        self._p_values = metrics.p_values.labels(model)
        self._anomalies = metrics.anomalies.labels(model)

    def answered(self, images: int, decoded: int, failed: Sequence[str]) -> None:
        """Counts the images of a request, their bytes as pixels, and codes of those that failed."""
        self._tally.add(self._write_answered, (images, decoded))
        for code in failed:
            self._errors(code).inc()

    def encoded(self, records: Sequence[bytes], with_evidence: int) -> None:
        """Counts records, and how many of them hold evidence."""
        self._tally.add(self._write_encoded, list(map(len, records)))
        if with_evidence:
            self._evidence.inc(with_evidence)

    def scored(self, scores: Sequence[float], p_values: Sequence[float], anomalous: int) -> None:
        """Counts scores, and how many of them are anomalous."""
        self._tally.add(self._write_scored, (scores, p_values))
        if anomalous:
            self._anomalies.inc(anomalous)

    def _write_answered(self, answered: Sequence[tuple[int, int]]) -> None:
        images, decoded = zip(*answered, strict=True)
        self._images.inc(sum(images))
        self._decoded.inc(sum(decoded))

    def _write_encoded(self, sizes: Sequence[Sequence[int]]) -> None:
        self._record_bytes.observe_each(chain.from_iterable(sizes))

    def _write_scored(self, scored: Sequence[tuple[Sequence[float], Sequence[float]]]) -> None:
        scores, p_values = zip(*scored, strict=True)
        self._scores.observe_each(chain.from_iterable(scores))
        self._p_values.observe_each(chain.from_iterable(p_values))
