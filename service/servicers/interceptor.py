"""What surrounds every RPC: limits, metrics, and the conversion of errors to statuses."""

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, final

import grpc
from google.protobuf.message import Message

from codec.errors import InvalidInput
from protos.inference.open_inference_pb2 import ModelInferRequest
from protos.residuum.v1.anomaly_pb2 import ScoreResponse
from protos.residuum.v1.codec_pb2 import DecodeResponse, EncodeResponse
from service.call import Call, start_call
from service.metrics import RequestMetrics
from service.parsing import parse
from service.runtime.concurrency import Concurrency
from service.runtime.idle_streams import IdleStreams
from service.servicers.open_inference import stream_error
from service.status import Busy, Failure, abort, failure_of

if TYPE_CHECKING:
    from service.tracing.spans import CallSpans

_LOG = logging.getLogger("residuum.calls")
# Health and reflection, on the same ports, are neither counted nor limited.
_PREFIXES = ("/residuum.v1.", "/inference.")
# Responses of streams that say in their `status` why a message failed.
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
        spans: "CallSpans | None" = None,
    ) -> None:
        self._metrics = metrics
        self._calls = calls
        self._streams = streams
        self._idle_streams = idle_streams
        self._spans = spans

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of an RPC, wrapped. Called by gRPC."""
        handler = continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(_PREFIXES):
            return handler
        rpc = handler_call_details.method
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                partial(self._handle, rpc, handler.unary_unary),
                partial(parse, handler.request_deserializer),
                handler.response_serializer,
            )
        if handler.stream_stream:
            return grpc.stream_stream_rpc_method_handler(
                partial(self._handle_stream, rpc, handler.stream_stream),
                partial(parse, handler.request_deserializer),
                handler.response_serializer,
            )
        return handler

    def _handle(
        self,
        rpc: str,
        respond: Unary,
        request: Message | InvalidInput,
        context: grpc.ServicerContext,
    ) -> Message:
        response = self._respond(rpc, respond, request, context)
        if isinstance(response, Failure):
            abort(context, response)
        return response

    def _handle_stream(
        self,
        rpc: str,
        respond: Stream,
        requests: Iterator[Message | InvalidInput],
        context: grpc.ServicerContext,
    ) -> Iterator[Message]:
        try:
            with self._streams.enter():
                yield from self._answers(rpc, respond, requests, context)
        except Busy as error:
            failure = failure_of(error)
            self._metrics.refusals.labels(failure.reason).inc()
            abort(context, failure)

    def _answers(
        self,
        rpc: str,
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
            response = self._respond(rpc, respond_to_one, request, context)
            if isinstance(response, Failure):
                if response.code is grpc.StatusCode.CANCELLED:
                    abort(context, response)
                response = _failed(rpc, request, response)
            yield response

    def _respond(
        self,
        rpc: str,
        respond: Unary,
        request: Message | InvalidInput,
        context: grpc.ServicerContext,
    ) -> Message | Failure:
        started = time.perf_counter()
        call, metrics = start_call(context.invocation_metadata()), self._metrics.of(rpc)
        span = self._spans.start(call, rpc) if self._spans else None
        code, received, sent = grpc.StatusCode.OK, 0, 0
        try:
            message = _parsed(request)
            with self._calls.enter():
                response = respond(message, context)
            received, sent = message.ByteSize(), response.ByteSize()
        except Exception as error:  # noqa: BLE001 - every error becomes a status
            failure = failure_of(error)
            code = failure.code
            if failure.reason:
                self._metrics.refusals.labels(failure.reason).inc()
            return failure
        else:
            return response
        finally:
            seconds = time.perf_counter() - started
            metrics.answered(code.name, seconds, received, sent)
            self._metrics.tally.write(self._calls.count())
            if _LOG.isEnabledFor(logging.DEBUG):
                _log_call(call, metrics.method, code, seconds)
            if self._spans and span:
                self._spans.end(span, call, code)


def _log_call(call: Call, method: str, code: grpc.StatusCode, seconds: float) -> None:
    fields = {
        "method": method,
        "model": call.model,
        "images": call.images,
        "code": code.name,
        "seconds": round(seconds, 6),
    }
    _LOG.debug("%s: %s", method, code.name, extra={"fields": fields})


def _failed(rpc: str, request: Message | InvalidInput, failure: Failure) -> Message:
    """The response to a message of a stream that says why it failed."""
    method = rpc.rpartition("/")[2]
    if method == "ModelStreamInfer":
        parsed = request if isinstance(request, ModelInferRequest) else ModelInferRequest()
        return stream_error(parsed, failure)
    response: Callable[..., Message] = _WITH_STATUS[method]
    return response(id=getattr(request, "id", 0), status=failure.status())


def _parsed(request: Message | InvalidInput) -> Message:
    if isinstance(request, InvalidInput):
        raise request
    return request
