"""Several addresses: they take turns, and a call goes on to the next if one does not answer."""

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import numpy as np
import pytest
from small_servers import one_each, serving

from residuum_client import AsyncClient, Client, DeadlineExceeded, InvalidInput, Unavailable
from residuum_client.transport.address import check_targets
from residuum_client.transport.replicas import REST, ROUNDS, Replicas

IMAGE = np.zeros((4, 4), np.uint8)


class Counted:
    """Counts the calls of each server."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def at(self, name, answer=one_each):
        def counted(request, context):
            self.calls[name] += 1
            return answer(request, context)

        return counted


def failing(request, context):
    context.abort(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")


def encode_many(kind, target, count, **options):
    """Calls one after another with one client, by `Client` or `AsyncClient`."""
    if kind is Client:
        with Client(target, model="m", **options) as client:
            return [client.encode_one(IMAGE) for _ in range(count)]

    async def body():
        async with AsyncClient(target, model="m", **options) as client:
            return [await client.encode_one(IMAGE) for _ in range(count)]

    return asyncio.run(body())


both = pytest.mark.parametrize("kind", [Client, AsyncClient])


@both
@pytest.mark.parametrize("form", [list, tuple, ",".join])
def test_addresses_take_turns(kind, form):
    counted = Counted()
    with serving(counted.at("a")) as a, serving(counted.at("b")) as b:
        assert encode_many(kind, form([a, b]), 6) == [b"record"] * 6
    assert counted.calls == {"a": 3, "b": 3}


@both
def test_a_call_goes_on_when_an_address_is_gone(kind):
    counted = Counted()
    with ExitStack() as gone:
        absent = gone.enter_context(serving(one_each))
    with serving(counted.at("b")) as b:
        assert encode_many(kind, [absent, b], 4) == [b"record"] * 4
    assert counted.calls == {"b": 4}


@both
def test_a_server_that_is_shutting_down_is_left_for_the_next(kind):
    counted = Counted()
    with serving(counted.at("a", failing)) as a, serving(counted.at("b")) as b:
        assert encode_many(kind, [a, b], 3) == [b"record"] * 3
    assert counted.calls["b"] == 3


@both
def test_without_any_server_the_error_names_all_addresses(kind):
    with serving(one_each) as a, serving(one_each) as b:
        addresses = [a, b]
    with pytest.raises(Unavailable) as caught:
        encode_many(kind, addresses, 1)
    assert str(caught.value) == f"no server answers at {a},{b}: connection refused"


@both
def test_a_timeout_is_for_all_addresses_together(kind):
    over = threading.Event()

    def never(request, context):
        over.wait(30)
        return one_each(request, context)

    with serving(never) as a, serving(never) as b:
        with pytest.raises(DeadlineExceeded, match=r"within 0\.2 s"):
            encode_many(kind, [a, b], 1, timeout=0.2)
        over.set()


@both
def test_an_error_of_the_image_is_not_tried_elsewhere(kind):
    counted = Counted()

    def broken(request, context):
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "image 0: is broken")

    with (
        serving(counted.at("a", broken)) as a,
        serving(counted.at("b")) as b,
        pytest.raises(InvalidInput, match=r"^is broken$"),
    ):
        encode_many(kind, [a, b], 1)
    assert counted.calls == {"a": 1}


def test_a_closed_client_of_several_addresses_says_so():
    client = Client("localhost:1,localhost:2", model="m")
    client.close()
    with pytest.raises(Unavailable, match="the client of localhost:1,localhost:2 is closed"):
        client.encode_one(IMAGE)


def test_many_threads_share_a_client_of_several_addresses():
    counted = Counted()
    with (
        serving(counted.at("a")) as a,
        serving(counted.at("b")) as b,
        Client([a, b], model="m") as client,
        ThreadPoolExecutor(4) as threads,
    ):
        records = list(threads.map(client.encode_one, [IMAGE] * 400))
    assert records == [b"record"] * 400
    assert counted.calls == {"a": 200, "b": 200}


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("a:1", ("a:1",)),
        ("a:1,b:2,a:1", ("a:1", "b:2")),
        (["a:1,b:2", "c:3"], ("a:1", "b:2", "c:3")),
        (("dns:///a:1", "b:2"), ("dns:///a:1", "b:2")),
        ("ipv4:10.0.0.1:1,10.0.0.2:2", ("ipv4:10.0.0.1:1,10.0.0.2:2",)),
        ("unix:/tmp/a,b", ("unix:/tmp/a,b",)),
    ],
)
def test_several_addresses_are_a_list_or_have_commas(target, found):
    assert check_targets(target) == found


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ([], "the list of addresses is empty; expected HOST:PORT"),
        ("a:1,", "the address '' has no host"),
        (["a:1", 3], "the address is 3; expected HOST:PORT"),
        ("a:1,b", "the address 'b' has no port; expected b:PORT"),
    ],
)
def test_each_address_is_checked(target, sentence):
    with pytest.raises(InvalidInput) as caught:
        check_targets(target)
    assert sentence in str(caught.value)


def test_an_address_that_failed_is_asked_last_until_it_has_rested_or_answers():
    now = [10.0]
    replicas = Replicas(3, lambda: now[0])
    assert replicas.order() == [0, 1, 2] * ROUNDS
    replicas.failed(1)
    assert replicas.order() == [2, 0, 1] * ROUNDS
    now[0] += REST
    assert replicas.order() == [2, 0, 1] * ROUNDS
    assert replicas.order() == [0, 1, 2] * ROUNDS
    replicas.failed(1)
    replicas.answered(1)
    assert replicas.order() == [1, 2, 0] * ROUNDS
