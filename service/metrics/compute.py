"""Metrics of the queue and of what is computed."""

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Literal, final

from prometheus_client import CollectorRegistry, Gauge

from service.metrics.histogram import SECONDS, EachHistogram
from service.metrics.tally import Tally

# Of gauges, when a page has the values of several processes: the sum over those that are alive, or
# the one that was set last.
_SUM: Literal["livesum"] = "livesum"
_NEWEST: Literal["livemostrecent"] = "livemostrecent"
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@final
class ComputeMetrics:
    """The queue of images, and the slices in which they are computed; updated by the executor."""

    def __init__(self, registry: CollectorRegistry, tally: Tally) -> None:
        self.tally = tally
        gauge = partial(Gauge, namespace="residuum", registry=registry, multiprocess_mode=_SUM)
        histogram = partial(EachHistogram, namespace="residuum", registry=registry)
        self.queued = gauge("queue_images", "Images and records waiting.")
        self.backlog = gauge(
            "backlog_seconds", "Expected time until all that wait are computed.", unit="seconds"
        )
        self.wait_seconds = histogram(
            "queue_wait_seconds",
            "Time from the arrival of a request in the queue to the start of its first images.",
            ["model", "method"],
            buckets=SECONDS,
            unit="seconds",
        )
        self.compute_seconds = histogram(
            "compute_seconds",
            "Time to compute images and records that share a run.",
            ["model", "method"],
            buckets=SECONDS,
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
        self._last = (0, 0.0)

    def of(self, model: str, method: str) -> "TaskMetrics":
        """Those of one model and method."""
        key = (model, method)
        found = self._tasks.get(key)
        return found or self._tasks.setdefault(key, TaskMetrics(self, model, method))

    def waiting(self, images: int, seconds: float) -> None:
        """Sets how many images wait, and the seconds until all are computed."""
        self.tally.add(self._write_waiting, (images, seconds))

    def _write_waiting(self, waiting: Sequence[tuple[int, float]]) -> None:
        if waiting[-1] != self._last:
            self._last = waiting[-1]
            images, seconds = self._last
            self.queued.set(images)
            self.backlog.set(seconds)


@final
class TaskMetrics:
    """The compute metrics of one model and method."""

    def __init__(self, metrics: ComputeMetrics, model: str, method: str) -> None:
        self._tally = metrics.tally
        self._wait_seconds = metrics.wait_seconds.labels(model, method)
        self._compute_seconds = metrics.compute_seconds.labels(model, method)
        self._batch_images = metrics.batch_images.labels(model, method)
        self._image_seconds = metrics.image_seconds.labels(model, method)

    def computed(
        self, images: int, seconds: float, expected: float, waits: Sequence[float]
    ) -> None:
        """Counts a run of images, which took some seconds; 0 are expected if nothing is known.

        `waits` are the seconds that requests had waited of which it computed the first images.
        """
        self._tally.add(self._write, (images, seconds, expected, waits))

    def _write(self, computed: Sequence[tuple[int, float, float, Sequence[float]]]) -> None:
        images, seconds, expected, waits = zip(*computed, strict=True)
        self._wait_seconds.observe_each(chain.from_iterable(waits))
        self._batch_images.observe_each(images)
        self._compute_seconds.observe_each(seconds)
        self._image_seconds.set((expected[-1] or seconds[-1]) / images[-1])
