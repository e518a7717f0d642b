"""Answers messages that cannot be parsed; gRPC would answer INTERNAL and log a traceback."""

from collections.abc import Callable
from functools import partial
from typing import Any, final

import grpc
from google.protobuf.message import DecodeError, Message

from codec.errors import InvalidInput
from service.status import abort, failure_of


# The base class is generic only in the type stubs.
@final
class ParseInterceptor(grpc.ServerInterceptor):  # type: ignore[type-arg]
    """Ends unary RPCs whose request is not a valid message with INVALID_ARGUMENT."""

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of an RPC, wrapped. Called by gRPC."""
        handler = continuation(handler_call_details)
        if handler is None or not handler.unary_unary:
            return handler
        return grpc.unary_unary_rpc_method_handler(
            partial(_respond, handler.unary_unary),
            partial(parse, handler.request_deserializer),
            handler.response_serializer,
        )


def parse(deserialise: Callable[[bytes], Message], data: bytes) -> Message | InvalidInput:
    """The request, or what is wrong with it."""
    try:
        return deserialise(data)
    except DecodeError as error:
        return InvalidInput(f"the request of {len(data)} bytes is not a valid message: {error}")


def _respond(
    respond: Callable[[Message, grpc.ServicerContext], Message],
    request: Message | InvalidInput,
    context: grpc.ServicerContext,
) -> Message:
    if isinstance(request, InvalidInput):
        abort(context, failure_of(request))
    return respond(request, context)
