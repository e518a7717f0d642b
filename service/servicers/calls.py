"""What happens around every call: its admission, its count, its time, its status."""

import time
from collections.abc import Callable
from typing import NoReturn, TypeVar, final

import grpc
from google.protobuf.message import Message

from service.metrics import Metrics
from service.runtime.admission import Admission
from service.runtime.batching import STILL_WANTED
from service.status import status_of

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
# How long a refused client library waits before it tries again by itself, milliseconds.
_PUSHBACK = (("grpc-retry-pushback-ms", "200"),)


@final
class Calls:
    """Answers calls, and counts them."""

    def __init__(self, metrics: Metrics, admission: Admission) -> None:
        self._metrics = metrics
        self._admission = admission
        metrics.in_progress.set_function(admission.in_progress)

    def answer(
        self,
        method: str,
        handle: Callable[[Request], Response],
        request: Request,
        context: grpc.ServicerContext,
        images: int = 0,
    ) -> Response:
        """`handle(request)`, or the end of the call with the status of what `handle` raised.

        `images` is how many the request holds: the measure of its work.
        """
        started = time.perf_counter()
        self._metrics.bytes_in.labels(method).inc(request.ByteSize())
        token = STILL_WANTED.set(context.is_active)
        code = grpc.StatusCode.OK
        try:
            with self._admission.admit(images, context.time_remaining()):
                response = handle(request)
            self._metrics.bytes_out.labels(method).inc(response.ByteSize())
        except Exception as error:  # noqa: BLE001 - every error becomes a status here
            code, sentence = status_of(error)
            _refuse(context, code, sentence)
        else:
            return response
        finally:
            STILL_WANTED.reset(token)
            self._metrics.requests.labels(method, code.name).inc()
            self._metrics.seconds.labels(method).observe(time.perf_counter() - started)


def _refuse(context: grpc.ServicerContext, code: grpc.StatusCode, sentence: str) -> NoReturn:
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        context.set_trailing_metadata(_PUSHBACK)
    context.abort(code, sentence)
