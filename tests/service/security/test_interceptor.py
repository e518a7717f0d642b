"""Calls to a real server that asks for tokens."""

import threading

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from protos.residuum.v1 import models_pb2 as pb
from protos.residuum.v1.models_pb2_grpc import ModelServiceStub
from service.security import Role, Tokens, server_credentials

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
SECONDS = 20


@pytest.fixture
def address(rig, token_file):
    with rig.serving(Tokens(token_file)) as address:
        yield address


@pytest.fixture
def channel(rig, address):
    with rig.connected(address) as channel:
        yield channel


def load(channel, *metadata):
    request = pb.LoadModelRequest(bundle="tiny")
    return ModelServiceStub(channel).LoadModel(request, timeout=SECONDS, metadata=metadata)


def test_a_valid_token_is_served_and_the_handler_knows_the_caller(rig, channel):
    assert rig.listed(channel, rig.bearer("camera-token-0123")) == "camera"
    assert rig.listed(channel, rig.bearer("operator-token-0123")) == "operator"
    assert load(channel, rig.bearer("operator-token-0123")).model.name == "tiny"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ([], 'the call has no token; expected metadata "authorization: Bearer TOKEN"'),
        ([("authorization", "Bearer wrong-token-0123456")], "the token is not valid"),
        (
            [("authorization", "Basic camera-token-0123")],
            "the authorization of the call has another scheme; "
            'expected metadata "authorization: Bearer TOKEN"',
        ),
        ([("authorization-bin", b"Bearer camera-token-0123")], "the call has no token; expected"),
    ],
)
def test_a_call_without_a_valid_token_is_unauthenticated(rig, channel, metadata, message):
    for call in (rig.listed, load):
        code, details = rig.status(lambda call=call: call(channel, *metadata))
        assert code is UNAUTHENTICATED
        assert details.startswith(message)


def test_a_data_token_may_not_load_or_unload(rig, channel):
    token = rig.bearer("camera-token-0123")
    stub = ModelServiceStub(channel)
    unload = pb.UnloadModelRequest()
    for call in (
        lambda: load(channel, token),
        lambda: stub.UnloadModel(unload, timeout=SECONDS, metadata=[token]),
    ):
        assert rig.status(call) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "this call requires a token with the role admin; that of camera has the role data",
        )


def test_a_port_may_be_closed_to_data_tokens(rig, token_file):
    with (
        rig.serving(Tokens(token_file), least=Role.ADMIN) as address,
        rig.connected(address) as channel,
    ):
        call = rig.status(lambda: rig.listed(channel, rig.bearer("camera-token-0123")))
        assert call[0] is grpc.StatusCode.PERMISSION_DENIED
        assert rig.listed(channel, rig.bearer("operator-token-0123")) == "operator"


def test_health_needs_no_token(channel):
    stub = HealthStub(channel)
    request = health_pb2.HealthCheckRequest()
    serving = health_pb2.HealthCheckResponse.SERVING
    assert stub.Check(request, timeout=SECONDS).status == serving
    watch = channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        health_pb2.HealthCheckRequest.SerializeToString,
        health_pb2.HealthCheckResponse.FromString,
    )
    answers = watch(request, timeout=SECONDS)
    assert next(answers).status == serving
    answers.cancel()


def test_reflection_needs_a_token(rig, channel):
    def names(*metadata):
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answers = ServerReflectionStub(channel).ServerReflectionInfo(
            iter([request]), timeout=SECONDS, metadata=metadata
        )
        return [s.name for answer in answers for s in answer.list_services_response.service]

    assert rig.status(names)[0] is UNAUTHENTICATED
    assert names(rig.bearer("camera-token-0123")) == ["residuum.v1.ModelService"]


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
@pytest.mark.parametrize("method", ["/residuum.v1.ModelService/ListModels", "/any.Service/Method"])
def test_an_rpc_of_any_kind_is_refused_before_its_first_message(rig, channel, kind, method):
    never = threading.Event()

    def requests():
        never.wait(SECONDS)
        yield b""

    rpc = getattr(channel, kind)(method)
    request = iter(requests()) if kind.startswith("stream") else b""

    def call():
        answer = rpc(request, timeout=SECONDS)
        return list(answer) if kind.endswith("stream") else answer

    try:
        code, details = rig.status(call)
    finally:
        never.set()
    assert (code, details.split(";")[0]) == (UNAUTHENTICATED, "the call has no token")


def test_a_message_without_a_token_is_not_received(rig, token_file):
    # gRPC refuses a message over its limit when it receives it.
    options = [("grpc.max_receive_message_length", 1000)]
    with (
        rig.serving(Tokens(token_file), options=options) as address,
        rig.connected(address) as channel,
    ):
        request = pb.LoadModelRequest(bundle="x" * 4_000_000)
        stub = ModelServiceStub(channel)

        def code(*metadata):
            call = rig.status(lambda: stub.LoadModel(request, timeout=SECONDS, metadata=metadata))
            return call[0]

        assert code() is UNAUTHENTICATED
        token = rig.bearer("operator-token-0123")
        assert code(token) is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_unknown_rpc_with_a_token_is_unimplemented(rig, channel):
    rpc = channel.unary_unary("/any.Service/Method")
    call = rig.status(lambda: rpc(b"", metadata=[rig.bearer("camera-token-0123")]))
    assert call[0] is grpc.StatusCode.UNIMPLEMENTED


def test_200_kb_of_metadata_are_refused_and_others_are_served(rig, channel):
    token = rig.bearer("camera-token-0123")
    code, _ = rig.status(lambda: rig.listed(channel, token, ("x", "y" * 200_000)))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    code, _ = rig.status(lambda: rig.listed(channel, rig.bearer("z" * 200_000)))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert rig.listed(channel, token) == "camera"


def test_a_token_of_200_kb_is_refused_where_metadata_may_be_as_long(rig, token_file, caplog):
    options = [("grpc.max_metadata_size", 1 << 20), ("grpc.absolute_max_metadata_size", 1 << 20)]
    with (
        rig.serving(Tokens(token_file), options=options) as address,
        rig.connected(address) as channel,
    ):
        code, details = rig.status(lambda: rig.listed(channel, rig.bearer("z" * 200_000)))
        assert (code, details) == (UNAUTHENTICATED, "the token is not valid")
        many = [(f"key{i}", "value") for i in range(5000)]
        assert rig.listed(channel, *many, rig.bearer("camera-token-0123")) == "camera"
    assert caplog.records == []


def test_metadata_of_any_bytes_never_end_the_server(rig, channel):
    for value in ("\x7f\x01", "\u00e9", "Bearer \u00ff\u00fe"):
        code, _ = rig.status(lambda value=value: rig.listed(channel, ("authorization", value)))
        assert code in {UNAUTHENTICATED, grpc.StatusCode.INTERNAL}
    assert rig.listed(channel, rig.bearer("camera-token-0123")) == "camera"


def test_rotated_tokens_count_for_the_next_call_of_an_open_connection(rig, channel, token_file):
    old, new = rig.bearer("camera-token-0123"), rig.bearer("camera-token-4567")
    assert rig.listed(channel, old) == "camera"
    assert rig.status(lambda: rig.listed(channel, new))[0] is UNAUTHENTICATED
    rig.write(token_file, b"camera data camera-token-4567\n")
    assert rig.listed(channel, new) == "camera"
    assert rig.status(lambda: rig.listed(channel, old))[0] is UNAUTHENTICATED


def test_a_token_file_that_vanishes_still_counts(rig, channel, token_file, caplog):
    token_file.unlink()
    for _ in range(3):
        assert rig.listed(channel, rig.bearer("camera-token-0123")) == "camera"
        assert rig.status(lambda: rig.listed(channel))[0] is UNAUTHENTICATED
    assert len(caplog.records) == 1


def test_a_caller_is_never_taken_for_the_one_before(rig, channel, token_file):
    names = ["camera", "operator"] * 20
    calls = [
        ModelServiceStub(channel).ListModels.future(
            pb.ListModelsRequest(), timeout=SECONDS, metadata=[rig.bearer(f"{name}-token-0123")]
        )
        for name in names
    ]
    assert [call.result().models[0].name for call in calls] == names


def test_tokens_work_under_mutual_tls(rig, folder, ca, token_file):
    folder.put(ca.issue_cert("127.0.0.1"))
    credentials = server_credentials(folder.put_client_ca(ca))
    with rig.serving(Tokens(token_file), credentials) as address:
        with rig.connected(address, ca, ca.issue_cert("me")) as channel:
            assert rig.listed(channel, rig.bearer("camera-token-0123")) == "camera"
            assert rig.status(lambda: rig.listed(channel))[0] is UNAUTHENTICATED
        with rig.connected(address, ca) as channel:
            call = rig.status(lambda: rig.listed(channel, rig.bearer("camera-token-0123")))
            assert call[0] is grpc.StatusCode.UNAVAILABLE
