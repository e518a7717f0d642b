"""Whether a server is ready: the standard health check of gRPC, as pure functions."""

import time
from collections.abc import Iterator

from grpc_health.v1 import health_pb2

from residuum_client.errors import DeadlineExceeded, ResiduumError, Unavailable
from residuum_client.options import check_given

# Seconds between two checks.
PAUSE = 0.1


def request() -> health_pb2.HealthCheckRequest:
    """Asks about the server as a whole."""
    return health_pb2.HealthCheckRequest()


class Waiting:
    """Waits at most this number of seconds: check for each of `times`, and report what fails.

    Raises InvalidInput.
    """

    def __init__(self, target: str, seconds: float) -> None:
        self._target = target
        self._seconds: float = check_given("seconds", seconds)
        self._reason = f"no answer from {target}"

    def times(self) -> Iterator[float]:
        """The timeouts of the checks, seconds. Raises Unavailable when the time is over."""
        end = time.monotonic() + self._seconds
        while (left := end - time.monotonic()) > 0:
            yield left
        raise Unavailable(f"{self._reason}; waited {self._seconds:g} s")

    def is_over(self, response: health_pb2.HealthCheckResponse) -> bool:
        """Whether the server is ready by this answer."""
        states = health_pb2.HealthCheckResponse.ServingStatus
        self._reason = f"{self._target} is not ready: it answers {states.Name(response.status)}"
        return bool(response.status == states.SERVING)

    def failed(self, error: ResiduumError) -> None:
        """Takes note of a check without an answer. Raises any error that waiting does not heal."""
        if not isinstance(error, Unavailable | DeadlineExceeded):
            raise error
        if isinstance(error, Unavailable):
            self._reason = str(error)
