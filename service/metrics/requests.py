"""Metrics of requests."""

from collections import Counter as Tallied
from collections.abc import Sequence
from functools import partial
from typing import Literal, final

from prometheus_client import CollectorRegistry, Counter, Gauge

from service.metrics.histogram import SECONDS, EachHistogram
from service.metrics.tally import Tally

# Of gauges, when a page has the values of several processes: the sum over those that are alive.
_SUM: Literal["livesum"] = "livesum"


@final
class RequestMetrics:
    """Per RPC, updated by the interceptor. Each message of a stream counts as a request."""

    def __init__(self, registry: CollectorRegistry, tally: Tally) -> None:
        self.tally = tally
        counter = partial(Counter, namespace="residuum", registry=registry)
        gauge = partial(Gauge, namespace="residuum", registry=registry, multiprocess_mode=_SUM)
        histogram = partial(EachHistogram, namespace="residuum", registry=registry)
        self.requests = counter("requests", "Requests answered.", ["method", "code"])
        self.refusals = counter("refusals", "Requests and streams refused.", ["reason"])
        self.seconds = histogram(
            "request_duration_seconds",
            "Time from the arrival of a request to its response.",
            ["method"],
            buckets=SECONDS,
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
        self.method = method
        self._tally = metrics.tally
        self._requests = metrics.requests
        self._seconds = metrics.seconds.labels(method)
        self._bytes_in = metrics.bytes_in.labels(method)
        self._bytes_out = metrics.bytes_out.labels(method)

    def answered(self, code: str, seconds: float, received: int = 0, sent: int = 0) -> None:
        """Counts a request with the name of its status code, and bytes of both messages."""
        self._tally.add(self._write, (code, seconds, received, sent))

    def _write(self, answered: Sequence[tuple[str, float, int, int]]) -> None:
        codes, seconds, received, sent = zip(*answered, strict=True)
        for code, count in Tallied(codes).items():
            self._requests.labels(self.method, code).inc(count)
        self._seconds.observe_each(seconds)
        self._bytes_in.inc(sum(received))
        self._bytes_out.inc(sum(sent))
