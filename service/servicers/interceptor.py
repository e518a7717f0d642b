"""What surrounds every RPC: limits, metrics, and the conversion of errors to statuses."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, final

import grpc
from google.protobuf.message import DecodeError, Message

from codec.errors import InvalidInput
from protos.inference.open_inference_pb2 import ModelInferRequest
from protos.residuum.v1.anomaly_pb2 import ScoreResponse
from protos.residuum.v1.codec_pb2 import DecodeResponse, EncodeResponse
from service.metrics import RequestMetrics
from service.runtime.concurrency import Concurrency
from service.runtime.idle_streams import IdleStreams
from service.servicers.open_inference import stream_error
from service.status import Busy, Failure, abort, failure_of

# Health and reflection, on the same ports, are neither counted nor limited.
_PREFIXES = ("/residuum.v1.", "/inference.")

_WITH_STATUS = {
    "EncodeStream": EncodeResponse,
    "DecodeStream": DecodeResponse,
    "ScoreStream": ScoreResponse,
}

Unary = Callable[[Message, grpc.ServicerContext], Message]
Stream = Callable[[Iterator[Message], grpc.ServicerContext], Iterator[Message]]


# The base class is generic only in the type stubs.
@final
class RpcInterceptor(grpc.ServerInterceptor):  # type: ignore[type-arg]
    """Handles unary RPCs, and each message of a stream as if it were one."""

    def __init__(
        self,
        metrics: RequestMetrics,
        calls: Concurrency,
        streams: Concurrency,
        idle_streams: IdleStreams,
    ) -> None:
        self._metrics = metrics
        self._calls = calls
        self._streams = streams
        self._idle_streams = idle_streams

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of an RPC, wrapped. Called by gRPC."""
        handler = continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(_PREFIXES):
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

    def _handle(
        self,
        method: str,
        respond: Unary,
        request: Message | InvalidInput,
        context: grpc.ServicerContext,
    ) -> Message:
        response = self._respond(method, respond, request, context)
        if isinstance(response, Failure):
            abort(context, response)
        return response

    def _handle_stream(
        self,
        method: str,
        respond: Stream,
        requests: Iterator[Message | InvalidInput],
        context: grpc.ServicerContext,
    ) -> Iterator[Message]:
        try:
            with self._streams.enter():
                yield from self._answers(method, respond, requests, context)
        except Busy as error:
            failure = failure_of(error)
            self._metrics.refusals.labels(failure.reason).inc()
            abort(context, failure)

    def _answers(
        self,
        method: str,
        respond: Stream,
        requests: Iterator[Message | InvalidInput],
        context: grpc.ServicerContext,
    ) -> Iterator[Message]:
        """The responses of a stream. A message that fails does not end it."""

        def respond_to_one(request: Message, context: grpc.ServicerContext) -> Message:
            return next(respond(iter([request]), context))

        while True:
            with self._idle_streams.wait(context):
                request = next(requests, None)
            if request is None:
                return
            response = self._respond(method, respond_to_one, request, context)
            if isinstance(response, Failure):
                if response.code is grpc.StatusCode.CANCELLED:
                    abort(context, response)
                response = _failed(method, request, response)
            yield response

    def _respond(
        self,
        method: str,
        respond: Unary,
        request: Message | InvalidInput,
        context: grpc.ServicerContext,
    ) -> Message | Failure:
        started = time.perf_counter()
        code = grpc.StatusCode.OK
        try:
            message = _parsed(request)
            with self._calls.enter():
                response = respond(message, context)
            self._metrics.bytes_in.labels(method).inc(message.ByteSize())
            self._metrics.bytes_out.labels(method).inc(response.ByteSize())
        except Exception as error:  # noqa: BLE001 - every error becomes a status
            failure = failure_of(error)
            code = failure.code
            if failure.reason:
                self._metrics.refusals.labels(failure.reason).inc()
            return failure
        else:
            return response
        finally:
            self._metrics.requests.labels(method, code.name).inc()
            self._metrics.seconds.labels(method).observe(time.perf_counter() - started)


def _failed(method: str, request: Message | InvalidInput, failure: Failure) -> Message:
    """The response to a message of a stream that says why it failed."""
    if method == "ModelStreamInfer":
        parsed = request if isinstance(request, ModelInferRequest) else ModelInferRequest()
        return stream_error(parsed, failure)
    response: Callable[..., Message] = _WITH_STATUS[method]
    return response(id=getattr(request, "id", 0), status=failure.status())


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
