"""Calls that cannot be in time are refused at the door, before their messages are received."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from prometheus_client import CollectorRegistry

from protos.residuum.v1 import codec_pb2, models_pb2
from protos.residuum.v1.codec_pb2_grpc import CodecServiceStub
from protos.residuum.v1.models_pb2_grpc import ModelServiceStub
from service.metrics import Metrics
from service.servicers.gate import GateInterceptor
from service.status import Busy

MIB = 2**20


class Handlers(grpc.GenericRpcHandler):
    """Answers every RPC with no bytes, and counts them."""

    def __init__(self):
        self.calls = 0

    def service(self, handler_call_details):
        return grpc.unary_unary_rpc_method_handler(self.answer)

    def answer(self, request, context):
        self.calls += 1
        return b""


@pytest.fixture
def server():
    """A server with a gate: address, handlers, the reason of the overload, registry."""
    handlers, overload, registry = Handlers(), [], CollectorRegistry()
    gate = GateInterceptor(Metrics(registry).requests, lambda: overload[0] if overload else None)
    server = grpc.server(ThreadPoolExecutor(2), interceptors=[gate])
    server.add_generic_rpc_handlers([handlers])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel, handlers, overload, registry
    server.stop(0).wait()


def test_calls_pass_while_there_is_no_overload(server):
    channel, handlers, _, _ = server
    CodecServiceStub(channel).Encode(codec_pb2.EncodeRequest(), timeout=20)
    assert handlers.calls == 1


def test_an_overload_refuses_calls_with_images_however_large_their_messages_are(server):
    channel, handlers, overload, registry = server
    overload.append(Busy("server busy: retry later", "deadline", 0.5))
    # Larger than the server would receive.
    request = codec_pb2.DecodeRequest(records=[bytes(8 * MIB)])
    with pytest.raises(grpc.RpcError) as caught:
        CodecServiceStub(channel).Decode(request, timeout=20)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert caught.value.details() == "server busy: retry later"
    assert ("grpc-retry-pushback-ms", "500") in caught.value.trailing_metadata()
    assert handlers.calls == 0
    assert registry.get_sample_value("residuum_refusals_total", {"reason": "deadline"}) == 1
    labels = {"method": "Decode", "code": "RESOURCE_EXHAUSTED"}
    assert registry.get_sample_value("residuum_requests_total", labels) == 1


def test_calls_about_models_pass_in_an_overload(server):
    channel, handlers, overload, _ = server
    overload.append(Busy("server busy: retry later", "deadline", 0.5))
    ModelServiceStub(channel).ListModels(models_pb2.ListModelsRequest(), timeout=20)
    assert handlers.calls == 1
