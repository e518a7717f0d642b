"""Waiting for a server that starts."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from small_servers import one_each, serving

from residuum_client import AsyncClient, Client, InvalidInput, ServerError, Unavailable

STATES = health_pb2.HealthCheckResponse


class Checked(health.HealthServicer):
    """Is ready from the second check on."""

    def __init__(self) -> None:
        super().__init__()
        self.checks = 0
        self.set("", STATES.NOT_SERVING)

    def Check(self, request, context):  # noqa: N802 - the name of the RPC
        self.checks += 1
        if self.checks == 2:
            self.set("", STATES.SERVING)
        return super().Check(request, context)


def with_health(servicer: health.HealthServicer):
    """Adds it to a server."""
    return lambda server: health_pb2_grpc.add_HealthServicer_to_server(servicer, server)


def wait(kind, target, seconds):
    if kind is Client:
        with Client(target, model="m") as client:
            return client.wait_ready(seconds)

    async def body():
        async with AsyncClient(target, model="m") as client:
            await client.wait_ready(seconds)

    return asyncio.run(body())


both = pytest.mark.parametrize("kind", [Client, AsyncClient])


@both
def test_a_real_server_is_ready(kind, target):
    wait(kind, target, 30)


@both
def test_it_asks_until_the_server_is_ready(kind):
    servicer = Checked()
    with serving(one_each, add=with_health(servicer)) as target:
        wait(kind, target, 30)
    assert servicer.checks == 2


@both
def test_a_server_that_is_not_ready_in_time_is_unavailable(kind):
    servicer = health.HealthServicer()
    servicer.set("", STATES.NOT_SERVING)
    with (
        serving(one_each, add=with_health(servicer)) as target,
        pytest.raises(Unavailable) as caught,
    ):
        wait(kind, target, 0.2)
    assert str(caught.value) == f"{target} is not ready: it answers NOT_SERVING; waited 0.2 s"


@both
def test_without_a_server_it_says_so(kind):
    with serving(one_each) as target:
        pass
    with pytest.raises(Unavailable) as caught:
        wait(kind, target, 2)
    assert str(caught.value) == f"no server answers at {target}: connection refused; waited 2 s"


@both
def test_other_failures_end_the_wait_at_once(kind):
    with serving(one_each) as target, pytest.raises(ServerError, match="UNIMPLEMENTED"):
        wait(kind, target, 1000)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "5", None])
def test_the_seconds_are_checked(seconds):
    with pytest.raises(InvalidInput, match=r"seconds is .*, expected seconds above 0"):
        wait(Client, "localhost:1", seconds)


def test_the_last_reason_is_named():
    with serving(one_each) as target:
        credentials = grpc.ssl_channel_credentials()
        with (
            Client(target, model="m", credentials=credentials) as client,
            pytest.raises(Unavailable, match="it uses no TLS; leave out the credentials; waited"),
        ):
            client.wait_ready(1)
