"""Spans of calls, sent to a receiver of OTLP over gRPC in a thread of this process.

The variables OTEL_* of the OpenTelemetry SDK say where to, and how many calls are sampled.
"""

import math
import os
import threading
import time
from typing import final

import grpc
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from service.call import Call, TraceParent

# The names of OpenTelemetry's semantic conventions for gRPC.
_SYSTEM = {"rpc.system": "grpc"}
_CODE = "rpc.grpc.status_code"
# Codes that are faults of a server.
_FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
# What is left to send when the process ends is given up after this time, seconds.
_LAST_SECONDS = 2.0


@final
class CallSpans:
    """A span per call, or message of a stream, with children for its queue wait and its compute."""

    def __init__(self) -> None:
        name = os.environ.get("OTEL_SERVICE_NAME", "residuum")
        resource = Resource.create({"service.name": name, "process.pid": os.getpid()})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("residuum")

    def start(self, call: Call, rpc: str) -> trace.Span:
        """The span of a call that begins; the call gets its trace."""
        service, _, method = rpc.removeprefix("/").rpartition("/")
        span = self._tracer.start_span(
            f"{service}/{method}",
            context=_context(call.parent()),
            kind=trace.SpanKind.SERVER,
            attributes={**_SYSTEM, "rpc.service": service, "rpc.method": method},
        )
        call.trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        return span

    def end(self, span: trace.Span, call: Call, code: grpc.StatusCode) -> None:
        """Ends the span of a call with its status."""
        if span.is_recording():
            number: int = code.value[0]
            span.set_attribute(_CODE, number)
            span.set_attribute("residuum.request_id", call.request_id)
            span.set_attribute("residuum.images", call.images)
            if call.model:
                span.set_attribute("residuum.model", call.model)
            if code in _FAULTS:
                span.set_status(trace.StatusCode.ERROR)
            if call.times is not None:
                self._add_children(span, *call.times)
        span.end()

    def close(self) -> None:
        """Sends what is left, for a short time: a receiver that is gone holds nothing up."""
        closing = threading.Thread(target=self._provider.shutdown, name="spans", daemon=True)
        closing.start()
        closing.join(_LAST_SECONDS)

    def _add_children(self, span: trace.Span, arrived: float, started: float, end: float) -> None:
        """From the moments of time.monotonic when images arrived, were started, and were done."""
        zero = time.time_ns() - time.monotonic_ns()
        arrived_ns, started_ns, end_ns = (
            zero + round(1e9 * min(moment, end)) for moment in (arrived, started, end)
        )
        context = trace.set_span_in_context(span, Context())
        wait = self._tracer.start_span("queue wait", context=context, start_time=arrived_ns)
        wait.end(started_ns)
        if started < math.inf:
            compute = self._tracer.start_span("compute", context=context, start_time=started_ns)
            compute.end(end_ns)


def _context(parent: TraceParent | None) -> Context:
    """The context of a span: its parent is that of the client."""
    if parent is None:
        return Context()
    remote = trace.SpanContext(
        trace_id=int(parent.trace_id, 16),
        span_id=int(parent.span_id, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(parent.flags),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(remote), Context())
