"""Calls that are wrong get one status and one sentence, and everyone else is served."""

import shutil
import socket
import threading

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from codec.bundle.bundle import MANIFEST
from protos.residuum.v1 import anomaly_pb2, codec_pb2, models_pb2
from protos.residuum.v1.images_pb2 import ModelRef, Pixels

TINY = ModelRef(name="tiny")
ENCODE = "residuum.v1.CodecService/Encode"
LOAD = "residuum.v1.ModelService/LoadModel"


@pytest.fixture(scope="module")
def folder(bundles, tmp_path_factory):
    """A folder of bundles that the tests of this module may change."""
    folder = tmp_path_factory.mktemp("own") / "bundles"
    shutil.copytree(bundles, folder)
    return folder


@pytest.fixture(scope="module")
def server(folder, running):
    """A server of which a process takes messages of 1 MiB, and few streams."""
    with running(folder, max_message_mb=1, max_streams=4, workers=4) as connection:
        yield connection


@pytest.fixture
def good(pictures, pixels):
    """A request that is in order."""
    return codec_pb2.EncodeRequest(model=TINY, pixels=pixels(pictures(1)))


@pytest.fixture(autouse=True)
def _still_serves(server, good):
    """After each test, everyone else is served."""
    before = server.codec.Encode(good, timeout=20).records
    yield
    assert server.codec.Encode(good, timeout=20).records == before
    for channel in (server.channel, server.admin_channel):
        answer = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=20
        )
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def load(server, bundle):
    with pytest.raises(grpc.RpcError) as caught:
        server.admin.LoadModel(models_pb2.LoadModelRequest(bundle=bundle), timeout=20)
    return caught.value.code().name, caught.value.details()


@pytest.mark.parametrize(
    ("port", "method", "message", "status", "sentence"),
    [
        ("port", ENCODE, b"\xff" * 9, "INVALID_ARGUMENT", "the request of 9 bytes is not a valid"),
        ("port", LOAD, b"\xff" * 9, "INVALID_ARGUMENT", "the request of 9 bytes is not a valid m"),
        ("admin_port", LOAD, b"\xff" * 9, "INVALID_ARGUMENT", "the request of 9 bytes is not a "),
        ("port", ENCODE, bytes(2 << 20), "RESOURCE_EXHAUSTED", "SERVER: Received message larger"),
        ("admin_port", LOAD, bytes(5 << 20), "RESOURCE_EXHAUSTED", "SERVER: Received message la"),
        ("port", ENCODE, b"", "INVALID_ARGUMENT", "the request names no model; loaded models: ti"),
        ("admin_port", LOAD, b"", "NOT_FOUND", "bundle '' is not in the bundle folder; available"),
    ],
)
def test_a_message_that_is_broken_too_large_or_empty(
    server, rig, port, method, message, status, sentence
):
    with rig.connected(getattr(server.server, port)) as channel:
        found = rig.answer(channel, method, message)
    assert (found[0], found[1][: len(sentence)]) == (status, sentence)


def test_a_message_that_was_cut_off(server, rig, good):
    whole = good.SerializeToString()
    with rig.connected(server.server.port) as channel:
        for size in range(1, len(whole), 40):
            status, sentence = rig.answer(channel, ENCODE, whole[:size])
            assert status == "INVALID_ARGUMENT"
            assert "\n" not in sentence


@pytest.mark.parametrize("name", ["port", "admin_port", "metrics_port"])
@pytest.mark.parametrize(
    "words", [b"GET\r\n\r\n", bytes(100), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" * 9]
)
def test_bytes_of_another_protocol(server, name, words):
    with socket.create_connection(("127.0.0.1", getattr(server.server, name)), 20) as other:
        other.sendall(words)
        other.shutdown(socket.SHUT_WR)
        while other.recv(4096):
            pass


@pytest.mark.parametrize("name", ["absent", "tiny 1", "../tiny", "\x1b[31m", "x" * 5000])
def test_models_that_are_not_there(server, name):
    ref = ModelRef(name=name)
    calls = [
        (server.codec.Encode, codec_pb2.EncodeRequest(model=ref)),
        (server.codec.Decode, codec_pb2.DecodeRequest(model=ref)),
        (server.anomaly.Score, anomaly_pb2.ScoreRequest(model=ref)),
        (server.models.GetModel, models_pb2.GetModelRequest(model=ref)),
        (server.admin.UnloadModel, models_pb2.UnloadModelRequest(model=ref)),
    ]
    for call, request in calls:
        with pytest.raises(grpc.RpcError) as caught:
            call(request, timeout=20)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert caught.value.details().endswith("is not loaded; loaded models: tiny 1, tiny-map 1")
        assert len(caught.value.details()) < 300


def test_a_version_that_is_not_there(server):
    request = codec_pb2.EncodeRequest(model=ModelRef(name="tiny", version="7"))
    with pytest.raises(grpc.RpcError) as caught:
        server.codec.Encode(request, timeout=20)
    sentence = "model 'tiny 7' is not loaded; loaded models: tiny 1, tiny-map 1"
    assert (caught.value.code().name, caught.value.details()) == ("NOT_FOUND", sentence)


def test_pixels_that_do_not_fit_their_size(server):
    pixels = Pixels(count=2**31, height=2**31, width=2**31, channels=1, data=b"few")
    with pytest.raises(grpc.RpcError) as caught:
        server.codec.Encode(codec_pb2.EncodeRequest(model=TINY, pixels=pixels), timeout=20)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_bundle_with_a_wrong_digest_does_not_replace_the_model(server, folder):
    graph = folder / "tiny" / "encoder.onnx"
    before = graph.read_bytes()
    graph.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    status, sentence = load(server, "tiny")
    graph.write_bytes(before)
    assert (status, "encoder.onnx" in sentence, "\n" in sentence) == (
        "FAILED_PRECONDITION",
        True,
        False,
    )


def test_a_bundle_that_was_copied_only_in_part(server, folder):
    shutil.copytree(folder / "tiny", folder / "part")
    (folder / "part" / "encoder.onnx").unlink()
    assert load(server, "part")[0] == "FAILED_PRECONDITION"
    (folder / "part" / MANIFEST).unlink()
    assert load(server, "part")[0] == "NOT_FOUND"
    shutil.rmtree(folder / "part")


@pytest.mark.parametrize("name", ["..", "../bundles/tiny", "/etc", "tiny/", "\x00", "x" * 5000])
def test_names_that_are_no_bundle_of_the_folder(server, name):
    status, sentence = load(server, name)
    assert status == "NOT_FOUND"
    assert sentence.endswith("is not in the bundle folder; available: tiny, tiny-map")
    assert len(sentence) < 300


def test_a_folder_of_bundles_that_is_gone(server, folder):
    elsewhere = folder.rename(folder.with_name("elsewhere"))
    status, sentence = load(server, "tiny")
    elsewhere.rename(folder)
    assert status == "FAILED_PRECONDITION"
    assert sentence == f"bundle folder {folder}: No such file or directory"


def test_silent_streams_of_reflection_leave_threads_for_calls(server, rig):
    """One that holds many of them is refused further ones."""
    over = threading.Event()

    def first_and_silence():
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        over.wait()

    for port in (server.server.port, server.server.admin_port):
        with rig.connected(port) as channel:
            open_one = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
            streams = [open_one(first_and_silence(), timeout=20) for _ in range(64)]
            answers = [_code(stream) for stream in streams]
            assert rig.answer(channel, "grpc.health.v1.Health/Check") == ("OK", "")
            for stream in streams:
                stream.cancel()
        assert answers.count("OK") == 4
        assert answers.count("RESOURCE_EXHAUSTED") == 60
    over.set()


def _code(stream):
    try:
        next(stream)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"
