"""What happens around every call, whatever it asks: its caller, its count, its time, its status."""

import threading
import time
from collections.abc import Callable
from typing import NoReturn, TypeVar, final

import grpc
from google.protobuf.message import Message

from service.batching import CALLER, Caller
from service.metrics import Metrics
from service.status import status_of

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
# How long a refused client library waits before it tries again by itself, milliseconds.
_PUSHBACK = (("grpc-retry-pushback-ms", "200"),)


@final
class Calls:
    """Answers calls, one after another in each thread, and counts them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._in_progress = 0
        metrics.in_progress.set_function(self.in_progress)

    def in_progress(self) -> int:
        """How many calls are being answered now."""
        return self._in_progress

    def answer(
        self,
        method: str,
        handle: Callable[[Request], Response],
        request: Request,
        context: grpc.ServicerContext,
    ) -> Response:
        """`handle(request)`, or the end of the call with the status of what `handle` raised."""
        started = time.perf_counter()
        self._metrics.bytes_in.labels(method).inc(request.ByteSize())
        token = CALLER.set(Caller(context.is_active, context.time_remaining))
        self._add(1)
        code = grpc.StatusCode.OK
        try:
            response = handle(request)
            self._metrics.bytes_out.labels(method).inc(response.ByteSize())
        except Exception as error:  # noqa: BLE001 - every error becomes a status here
            code, sentence = status_of(error)
            _refuse(context, code, sentence)
        else:
            return response
        finally:
            self._add(-1)
            CALLER.reset(token)
            self._metrics.requests.labels(method, code.name).inc()
            self._metrics.seconds.labels(method).observe(time.perf_counter() - started)

    def _add(self, calls: int) -> None:
        with self._lock:
            self._in_progress += calls


def _refuse(context: grpc.ServicerContext, code: grpc.StatusCode, sentence: str) -> NoReturn:
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        context.set_trailing_metadata(_PUSHBACK)
    context.abort(code, sentence)
