"""The call that a thread answers: its id, its trace, and what it turned out to be about."""

import re
import uuid
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field

import grpc

# Printable ASCII without blanks, so that an id is one word of a line of the log.
_REQUEST_ID = re.compile(r"[!-~]{1,128}")
# W3C Trace Context: version, trace, parent and flags. Later versions may append fields.
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_CURRENT: ContextVar["Call | None"] = ContextVar("call", default=None)

Metadata = Iterable[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class TraceParent:
    """The span of a client, of which the work of a call is part."""

    trace_id: str
    span_id: str
    flags: int


@dataclass(slots=True)
class Call:
    """A call, or a message of a stream; `metadata` is what its client sent with it.

    `times` are when its images arrived in the queue, and when their computation started and ended,
    by time.monotonic.
    """

    metadata: Metadata = ()
    trace_id: str = ""
    model: str = ""
    images: int = 0
    times: tuple[float, float, float] | None = None
    _id: str = field(default="", init=False)

    @property
    def request_id(self) -> str:
        """The id that the client sent as `x-request-id`, if it is one; otherwise a new one."""
        if not self._id:
            sent = _value(self.metadata, "x-request-id")
            self._id = sent if _REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex[:12]
        return self._id

    @property
    def trace(self) -> str:
        """The trace of the call, 32 hexadecimal digits; empty without one."""
        if not self.trace_id and (parent := self.parent()):
            self.trace_id = parent.trace_id
        return self.trace_id

    def parent(self) -> TraceParent | None:
        """The span of the client, if it sent a valid one."""
        return parse_traceparent(_value(self.metadata, "traceparent"))


def parse_traceparent(text: str) -> TraceParent | None:
    """What a header `traceparent` says; None if it is not valid."""
    match = _TRACEPARENT.fullmatch(text)
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more) or not int(trace_id, 16) * int(span_id, 16):
        return None
    return TraceParent(trace_id, span_id, int(flags, 16))


def current_call() -> Call | None:
    """The call that this thread answers; None outside of calls."""
    return _CURRENT.get()


def start_call(metadata: Metadata) -> Call:
    """A new current call. Another one of the same RPC, earlier in its stream, passes on its id."""
    call, before = Call(metadata), _CURRENT.get()
    if before is not None:
        call._id = before.request_id
    _CURRENT.set(call)
    return call


def ensure_call(context: grpc.ServicerContext) -> None:
    """Makes the RPC of a context the current call unless there is one."""
    if _CURRENT.get() is None:
        start_call(context.invocation_metadata())


def _value(metadata: Metadata, key: str) -> str:
    """The value of a key that was sent once, otherwise empty."""
    values = [value for name, value in metadata if name == key]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else ""
