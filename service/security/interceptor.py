"""Refuses calls without a valid token or with the wrong role, before any message is received."""

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn, final

import grpc

from service.security.authorisation import (
    PermissionDenied,
    Role,
    Unauthenticated,
    authorise,
    required_role,
    set_caller,
)
from service.security.tokens import Tokens


# The base class is generic only in the type stubs.
@final
class AuthInterceptor(grpc.ServerInterceptor):  # type: ignore[type-arg]
    """Checks the token of every RPC of any service, except health; see `required_role`.

    It comes before all interceptors except that of the audit log.
    """

    def __init__(self, tokens: Tokens, least: Role = Role.DATA) -> None:
        self._tokens = tokens
        self._least = least

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of an RPC, or one that refuses it. Called by gRPC, on its one thread."""
        role = required_role(handler_call_details.method, self._least)
        if role is None:
            return continuation(handler_call_details)
        try:
            caller = self._tokens.caller(handler_call_details.invocation_metadata)
            set_caller(caller)
            authorise(caller, role)
        except Unauthenticated as error:
            return _refusal(grpc.StatusCode.UNAUTHENTICATED, str(error))
        except PermissionDenied as error:
            return _refusal(grpc.StatusCode.PERMISSION_DENIED, str(error))
        return continuation(handler_call_details)


def _refusal(code: grpc.StatusCode, message: str) -> Any:
    """A handler for any RPC. As one of a stream of requests it need not wait for the first."""
    return grpc.stream_unary_rpc_method_handler(partial(_refuse, code, message))


def _refuse(
    code: grpc.StatusCode, message: str, _requests: object, context: grpc.ServicerContext
) -> NoReturn:
    context.abort(code, message)
