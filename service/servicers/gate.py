"""Refuses calls at the door while the server is overloaded, for a fraction of what a call costs.

A call that goes through the handler is received, parsed and given to a thread before it is refused.
At ten times the capacity that alone would take all of the machine. Here it is refused on gRPC's own
thread as soon as its headers are there.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NoReturn, final

import grpc

from service.metrics import RequestMetrics
from service.status import Busy, Failure, failure_of

# The calls with images or records; those about models are never refused here.
_METHODS = frozenset(
    {
        "/residuum.v1.CodecService/Encode",
        "/residuum.v1.CodecService/Decode",
        "/residuum.v1.AnomalyService/Score",
        "/inference.GRPCInferenceService/ModelInfer",
    }
)


# The base class is generic only in the type stubs.
@final
class GateInterceptor(grpc.ServerInterceptor):  # type: ignore[type-arg]
    """Asks `overload`, for every call with images, why it is refused; None lets it in."""

    def __init__(self, metrics: RequestMetrics, overload: Callable[[], Busy | None]) -> None:
        self._metrics = metrics
        self._overload = overload
        self._latest: Busy | None = None
        self._refusal: Any = None

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of an RPC, or one that refuses it. Called by gRPC, on its one thread."""
        rpc = handler_call_details.method
        if rpc not in _METHODS or (busy := self._overload()) is None:
            return continuation(handler_call_details)
        self._metrics.refusals.labels(busy.reason).inc()
        self._metrics.of(rpc).answered(grpc.StatusCode.RESOURCE_EXHAUSTED.name, 0.0)
        # Overload means that calls are in progress, which write the rest when they end.
        self._metrics.tally.write(calls_in_progress=1)
        if busy is not self._latest:
            # As one of a stream of requests it need not wait for the first.
            self._refusal = grpc.stream_unary_rpc_method_handler(_Refusal(failure_of(busy)))
            self._latest = busy
        return self._refusal


@final
class _AtOnce(ThreadPoolExecutor):
    """Runs what it gets in the thread of the caller."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The result of the function."""
        future: Future[Any] = Future()
        future.set_result(function(*args, **kwargs))
        return future


@final
class _Refusal:
    """A handler that ends a call."""

    # gRPC runs a handler that has this attribute there. Without it, a thread of the server would.
    experimental_thread_pool = _AtOnce(1)

    def __init__(self, failure: Failure) -> None:
        self._failure = failure
        self._trailing = failure.trailing_metadata()

    def __call__(self, _requests: object, context: grpc.ServicerContext) -> NoReturn:
        context.set_trailing_metadata(self._trailing)
        context.abort(self._failure.code, self._failure.message)
