"""What surrounds every RPC: admission, metrics, and the conversion of errors to statuses."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NoReturn, final

import grpc
from google.protobuf.message import DecodeError, Message

from codec.errors import InvalidInput
from service.metrics import RequestMetrics
from service.runtime.admission import Admission
from service.runtime.batching import STILL_WANTED
from service.servicers.message_conversion import count_images
from service.status import status_of

# Health and reflection, on the same ports, are neither counted nor admitted.
_PREFIX = "/residuum.v1."
# How long a client library waits before it retries a rejected call, milliseconds.
_PUSHBACK = (("grpc-retry-pushback-ms", "200"),)

Unary = Callable[[Message, grpc.ServicerContext], Message]
Stream = Callable[[Iterator[Message], grpc.ServicerContext], Iterator[Message]]


# The base class is generic only in the type stubs.
@final
class RpcInterceptor(grpc.ServerInterceptor):  # type: ignore[type-arg]
    """Handles unary RPCs, and each message of a stream as if it were one."""

    def __init__(self, metrics: RequestMetrics, admission: Admission) -> None:
        self._metrics = metrics
        self._admission = admission
        metrics.in_progress.set_function(admission.in_progress)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of an RPC, wrapped. Called by gRPC."""
        handler = continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(_PREFIX):
            return handler
        method = handler_call_details.method.rpartition("/")[2]
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                partial(self._handle, method, handler.unary_unary),
                partial(_parse, handler.request_deserializer),
                handler.response_serializer,
            )
        if handler.stream_stream:
            return grpc.stream_stream_rpc_method_handler(
                partial(self._handle_stream, method, handler.stream_stream),
                partial(_parse, handler.request_deserializer),
                handler.response_serializer,
            )
        return handler

    def _handle_stream(
        self,
        method: str,
        respond: Stream,
        requests: Iterator[Message | InvalidInput],
        context: grpc.ServicerContext,
    ) -> Iterator[Message]:
        def respond_to_one(request: Message, context: grpc.ServicerContext) -> Message:
            return next(respond(iter([request]), context))

        for request in requests:
            yield self._handle(method, respond_to_one, request, context)

    def _handle(
        self,
        method: str,
        respond: Unary,
        request: Message | InvalidInput,
        context: grpc.ServicerContext,
    ) -> Message:
        started = time.perf_counter()
        token = STILL_WANTED.set(context.is_active)
        code = grpc.StatusCode.OK
        try:
            message = _parsed(request)
            self._metrics.bytes_in.labels(method).inc(message.ByteSize())
            with self._admission.admit(count_images(message), context.time_remaining()):
                response = respond(message, context)
            self._metrics.bytes_out.labels(method).inc(response.ByteSize())
        except Exception as error:  # noqa: BLE001 - every error becomes a status
            code, details = status_of(error)
            _abort(context, code, details)
        else:
            return response
        finally:
            STILL_WANTED.reset(token)
            self._metrics.requests.labels(method, code.name).inc()
            self._metrics.seconds.labels(method).observe(time.perf_counter() - started)


def _parse(parse: Callable[[bytes], Message], data: bytes) -> Message | InvalidInput:
    """The request, or what is wrong with it: gRPC would answer INTERNAL and log a traceback."""
    try:
        return parse(data)
    except DecodeError as error:
        return InvalidInput(f"the request of {len(data)} bytes is not a valid message: {error}")


def _parsed(request: Message | InvalidInput) -> Message:
    if isinstance(request, InvalidInput):
        raise request
    return request


def _abort(context: grpc.ServicerContext, code: grpc.StatusCode, message: str) -> NoReturn:
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        context.set_trailing_metadata(_PUSHBACK)
    context.abort(code, message)
