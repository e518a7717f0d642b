"""The load generator of the benchmarks, against a real gRPC server."""

import asyncio
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest
from serving.callers.wire import Wire, connect

METHOD, MESSAGE = "/a.B/C", b"m" * 40_000
SECONDS = 5.0


@contextmanager
def server(answer, options=()):
    """A server that answers every call with this function; yields its address."""

    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            return grpc.unary_unary_rpc_method_handler(answer)

    with ThreadPoolExecutor(8) as pool:
        running = grpc.server(pool, [Handler()], options=list(options))
        port = running.add_insecure_port("127.0.0.1:0")
        running.start()
        yield f"127.0.0.1:{port}"
        running.stop(None).wait()


def make_calls(address, count, seconds=SECONDS):
    """The calls, after all have ended."""

    async def run():
        ended = []
        wires = await connect(address, lambda: Wire(METHOD, MESSAGE, seconds, ended.append), 2)
        for number in range(count):
            wires[number % 2].call()
        deadline = time.monotonic() + 20
        while len(ended) < count and time.monotonic() < deadline:
            for wire in wires:
                wire.expire()
            await asyncio.sleep(0.001)
        for wire in wires:
            wire.close()
        return ended

    return asyncio.run(run())


def statuses(calls):
    return Counter(call.status for call in calls)


def test_a_server_gets_whole_messages_and_the_deadline():
    received = []

    def answer(request, context):
        received.append((request, context.time_remaining()))
        return b"x" * 1000

    with server(answer) as address:
        calls = make_calls(address, 200)
    assert statuses(calls) == {"OK": 200}
    assert {request for request, _ in received} == {MESSAGE}
    assert all(0 < remaining <= SECONDS for _, remaining in received)
    assert all(call.begun <= call.ended < call.deadline for call in calls)


@pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE])
def test_the_status_of_a_refused_call_is_seen(code):
    with server(lambda _, context: context.abort(code, "busy")) as address:
        assert statuses(make_calls(address, 50)) == {code.name: 50}


def test_a_call_without_an_answer_ends_at_its_deadline_and_is_given_up():
    given_up = threading.Semaphore(0)

    def answer(_, context):
        ended = threading.Event()
        context.add_callback(ended.set)
        ended.wait(20)
        given_up.release()
        return b""

    with server(answer) as address:
        assert statuses(make_calls(address, 4, 0.2)) == {"DEADLINE_EXCEEDED": 4}
        assert all(given_up.acquire(timeout=20) for _ in range(4))


def test_a_caller_keeps_to_the_streams_at_once_that_a_server_allows():
    free, allowed = threading.Semaphore(2 * 2), []

    def answer(_, context):
        allowed.append(free.acquire(blocking=False))
        if allowed[-1]:
            free.release()
        return b""

    with server(answer, [("grpc.max_concurrent_streams", 2)]) as address:
        assert statuses(make_calls(address, 100)) == {"OK": 100}
    assert all(allowed)
