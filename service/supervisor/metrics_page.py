"""The metrics of all processes on one page."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from service.supervisor.supervisor import Supervisor


def registry(supervisor: Supervisor, folder: Path) -> CollectorRegistry:
    """Collects what the serving processes keep in files of the folder, and what is known here."""
    whole = CollectorRegistry()
    whole.register(_ProcessesCollector(folder))
    whole.register(SupervisorCollector(supervisor))
    return whole


@final
class _ProcessesCollector(Collector):
    """What the serving processes count."""

    def __init__(self, folder: Path) -> None:
        self._files = MultiProcessCollector(None, str(folder))  # type: ignore[no-untyped-call]

    def collect(self) -> Iterator[Metric]:
        """The metrics. Called by the client library for each page."""
        for metric in self._files.collect():  # type: ignore[no-untyped-call]
            # OpenMetrics forbids the sum of values that may be negative, and a count without sum.
            if any(float(sample.labels.get("le", 0)) < 0 for sample in metric.samples):
                metric.samples = [one for one in metric.samples if "le" in one.labels]
            yield metric


@final
class SupervisorCollector(Collector):
    """Models, processes, and what the kernel counts of each process."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def collect(self) -> Iterator[Metric]:
        """The metrics. Called by the client library for each page."""
        info, ready, restarts = supervisor_families()
        for model in self._supervisor.models():
            info.add_metric((model.name, model.version, model.model_id.hex(), model.provider), 1)
        processes = self._supervisor.ready_processes()
        ready.add_metric((), len(processes))
        restarts.add_metric((), self._supervisor.restarts)
        yield from (info, ready, restarts)
        pids = {"supervisor": None, **{str(i): one.pid for i, one in enumerate(processes)}}
        yield from _of_processes(pids)


def supervisor_families() -> tuple[GaugeMetricFamily, GaugeMetricFamily, CounterMetricFamily]:
    """Those of the supervisor, without values: model info, processes that are ready, restarts."""
    return (
        GaugeMetricFamily(
            "residuum_model_info",
            "Always 1; the labels describe a loaded model.",
            labels=("name", "version", "model_id", "provider"),
        ),
        GaugeMetricFamily(
            "residuum_processes_ready", "Serving processes that are ready.", labels=()
        ),
        CounterMetricFamily(
            "residuum_process_restarts",
            "Serving processes that ended and were replaced.",
            labels=(),
        ),
    )


def _pid(pid: int | None) -> int | str:
    return "self" if pid is None else pid


def _of_processes(pids: dict[str, int | None]) -> Iterator[Metric]:
    """The metrics `process_*`, labelled with the process."""
    families: dict[str, Metric] = {}
    for label, pid in pids.items():
        collector = ProcessCollector(pid=partial(_pid, pid), registry=None)
        for metric in collector.collect():
            family = families.setdefault(
                metric.name, Metric(metric.name, metric.documentation, metric.type)
            )
            for sample in metric.samples:
                family.add_sample(sample.name, {**sample.labels, "process": label}, sample.value)
    yield from families.values()
