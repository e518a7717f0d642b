"""What the executor reports, as metrics."""

from collections.abc import Callable

from service.metrics import ComputeMetrics
from service.runtime.executor import Observer
from service.runtime.jobs import Job, Slice, Task


def observer(metrics: ComputeMetrics, calls_in_progress: Callable[[], float]) -> Observer:
    """An observer that updates the metrics."""

    def computed(done: Slice, seconds: float) -> None:
        metrics.of(*_labels(done.task)).computed(done.images, seconds, done.expected)

    def waited(job: Job, seconds: float) -> None:
        metrics.of(*_labels(job.task)).wait_seconds.observe(seconds)

    def queued(images: int, seconds: float) -> None:
        metrics.queued.set(images)
        metrics.backlog.set(seconds)

    return Observer(
        computed=computed, waited=waited, queued=queued, calls_in_progress=calls_in_progress
    )


def _labels(task: Task) -> tuple[str, str]:
    """Name of the model and method of a task."""
    model, _version, method = task.cost_key[:3]
    return model, method
