"""What the executor reports, as metrics."""

from collections.abc import Callable

from service.metrics import ComputeMetrics
from service.runtime.executor import Observer
from service.runtime.jobs import Slice


def observer(metrics: ComputeMetrics, calls_in_progress: Callable[[], float]) -> Observer:
    """An observer that updates the metrics."""

    def computed(done: Slice, seconds: float) -> None:
        model, _version, method = done.task.cost_key[:3]
        waits = [done.started - part.job.arrived for part in done.parts if part.start == 0]
        metrics.of(model, method).computed(done.images, seconds, done.expected, waits)
        # Comes after `queued`.
        metrics.tally.write(calls_in_progress())

    return Observer(computed=computed, queued=metrics.waiting, calls_in_progress=calls_in_progress)
