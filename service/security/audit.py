"""The audit log: one line per administrative call, on the logger `residuum.audit`."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, final

import grpc

from protos.residuum.v1.models_pb2 import LoadModelRequest, UnloadModelRequest
from service.call import ensure_call
from service.security.authorisation import ADMINISTRATIVE, current_caller

LOGGER = "residuum.audit"
_LOG = logging.getLogger(LOGGER)
# Names come from the client.
_MAX_CHARACTERS = 200
_IDENTITIES = ("x509_common_name", "x509_subject_alternative_name")


# The base class is generic only in the type stubs.
@final
class AuditInterceptor(grpc.ServerInterceptor):  # type: ignore[type-arg]
    """Logs administrative calls with their outcome, also refused ones; comes before all others."""

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of an RPC, wrapped if it is administrative. Called by gRPC."""
        handler = continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method not in ADMINISTRATIVE:
            return handler
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                partial(_respond, handler.unary_unary, method),
                handler.request_deserializer,
                handler.response_serializer,
            )
        # A refusal, of AuthInterceptor.
        return grpc.stream_unary_rpc_method_handler(partial(_respond, handler.stream_unary, method))


def _respond(
    respond: Callable[[Any, grpc.ServicerContext], Any],
    method: str,
    request: object,
    context: grpc.ServicerContext,
) -> Any:
    ensure_call(context)
    started = time.perf_counter()
    failed = True
    try:
        response = respond(request, context)
        failed = False
        return response
    finally:
        seconds = time.perf_counter() - started
        fields = entry(method, request, context, failed=failed, seconds=seconds)
        _LOG.info("%s: %s", fields["method"], fields["status"], extra={"fields": fields})


def entry(
    method: str, request: object, context: grpc.ServicerContext, *, failed: bool, seconds: float
) -> dict[str, Any]:
    """The fields of a line. `request` is not a message if the call was refused before it came."""
    caller = current_caller()
    # Absent from the type stubs. None unless a handler has set it.
    code = context.code()  # type: ignore[attr-defined]
    default = grpc.StatusCode.UNKNOWN if failed else grpc.StatusCode.OK
    return {
        "caller": caller.name if caller else None,
        "role": caller.role if caller else None,
        "certificate": _certificate(context),
        "peer": context.peer(),
        "method": method.rpartition("/")[2],
        **_subject(request),
        "status": getattr(code or default, "name", str(code)),
        "seconds": round(seconds, 6),
    }


def _certificate(context: grpc.ServicerContext) -> str | None:
    """Common name of the client's certificate, or its first alternative name if it has none."""
    identities = context.auth_context()
    # Without a common name, gRPC gives an empty one.
    names = [name for kind in _IDENTITIES for name in identities.get(kind, ()) if name]
    return bytes(names[0]).decode("utf-8", "replace")[:_MAX_CHARACTERS] if names else None


def _subject(request: object) -> dict[str, str]:
    if isinstance(request, LoadModelRequest):
        return {"bundle": request.bundle[:_MAX_CHARACTERS]}
    if isinstance(request, UnloadModelRequest):
        return {
            "model": request.model.name[:_MAX_CHARACTERS],
            "version": request.model.version[:_MAX_CHARACTERS],
        }
    return {}
