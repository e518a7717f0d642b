"""The status of each call, by the port, the token and the certificate of the caller."""

from datetime import UTC, datetime, timedelta

import pytest

from protos.residuum.v1 import codec_pb2, models_pb2
from protos.residuum.v1.images_pb2 import ModelRef

OK, UNAVAILABLE = "OK", "UNAVAILABLE"
UNKNOWN, DENIED = "UNAUTHENTICATED", "PERMISSION_DENIED"
# The statuses for nobody, a caller with a data token, and one with an admin token.
ALL, KNOWN = (OK, OK, OK), (UNKNOWN, OK, OK)
ADMIN, NOBODY = (UNKNOWN, DENIED, OK), (UNKNOWN, DENIED, DENIED)
TINY = ModelRef(name="tiny")


@pytest.fixture(scope="module")
def requests(pictures, pixels):
    """Messages of methods that need more than an empty one."""
    encode = codec_pb2.EncodeRequest(model=TINY, pixels=pixels(pictures(1))).SerializeToString()
    absent = models_pb2.UnloadModelRequest(model=ModelRef(name="absent"))
    return {
        "Encode": encode,
        "EncodeStream": encode,
        "GetModel": models_pb2.GetModelRequest(model=TINY).SerializeToString(),
        "LoadModel": models_pb2.LoadModelRequest(bundle="tiny").SerializeToString(),
        "UnloadModel": absent.SerializeToString(),
    }


@pytest.fixture(scope="module")
def guarded(bundles, running, secrets, ca):
    """A server with TLS and tokens."""
    with running(bundles, **secrets().certify(ca).admit().settings()) as connection:
        yield connection.server


@pytest.fixture(scope="module")
def mutual(bundles, running, secrets, ca):
    """A server that asks for client certificates, and for no token."""
    with running(bundles, **secrets().certify(ca).trust(ca).settings()) as connection:
        yield connection.server


@pytest.mark.parametrize(
    ("port", "method", "statuses"),
    [
        ("port", "residuum.v1.CodecService/Encode", KNOWN),
        ("port", "residuum.v1.CodecService/EncodeStream", KNOWN),
        ("port", "residuum.v1.ModelService/ListModels", KNOWN),
        ("port", "residuum.v1.ModelService/GetModel", KNOWN),
        ("port", "residuum.v1.ModelService/LoadModel", NOBODY),
        ("port", "residuum.v1.ModelService/UnloadModel", NOBODY),
        ("port", "inference.GRPCInferenceService/ServerLive", KNOWN),
        ("port", "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", KNOWN),
        ("port", "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", KNOWN),
        ("port", "grpc.health.v1.Health/Check", ALL),
        ("port", "some.Service/Method", (UNKNOWN, "UNIMPLEMENTED", "UNIMPLEMENTED")),
        ("admin_port", "residuum.v1.ModelService/ListModels", ADMIN),
        ("admin_port", "residuum.v1.ModelService/GetModel", ADMIN),
        ("admin_port", "residuum.v1.ModelService/LoadModel", ADMIN),
        ("admin_port", "residuum.v1.ModelService/UnloadModel", (UNKNOWN, DENIED, "NOT_FOUND")),
        ("admin_port", "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", ADMIN),
        ("admin_port", "grpc.health.v1.Health/Check", ALL),
        ("admin_port", "residuum.v1.CodecService/Encode", (UNKNOWN, DENIED, "UNIMPLEMENTED")),
    ],
)
def test_a_token_decides_which_methods_can_be_called(
    guarded, ca, rig, requests, port, method, statuses
):
    data, admin = rig.tokens["data"], rig.tokens["admin"]
    nobody = {
        "no token": (),
        "unknown": rig.bearer("another-token-0123456789"),
        "a part": rig.bearer(admin[:-1]),
        "another scheme": (("authorization", f"Basic {admin}"),),
        "no scheme": (("authorization", admin),),
        "two": rig.bearer(admin) * 2,
    }
    callers = {**nobody, "data": rig.bearer(data), "admin": rig.bearer(admin)}
    request = requests.get(method.rpartition("/")[2], b"")
    with rig.connected(getattr(guarded, port), ca) as channel:
        found = {
            name: rig.answer(channel, method, request, metadata)[0]
            for name, metadata in callers.items()
        }
    assert found == {
        **dict.fromkeys(nobody, statuses[0]),
        "data": statuses[1],
        "admin": statuses[2],
    }


@pytest.mark.parametrize("port", ["port", "admin_port"])
@pytest.mark.parametrize(
    ("trusted", "client", "statuses"),
    [
        ("ca", None, (OK, UNAVAILABLE)),
        ("ca", "ca", (OK, OK)),
        ("ca", "other_ca", (OK, UNAVAILABLE)),
        ("ca", "expired", (OK, UNAVAILABLE)),
        ("other_ca", None, (UNAVAILABLE, UNAVAILABLE)),
        ("other_ca", "ca", (UNAVAILABLE, UNAVAILABLE)),
        (None, None, (UNAVAILABLE, UNAVAILABLE)),
    ],
)
def test_certificates_decide_who_can_connect(
    request, guarded, mutual, rig, port, trusted, client, statuses
):
    """Of a server with TLS, and of one that also asks for a certificate."""
    trusted = trusted and request.getfixturevalue(trusted)
    leaf = client and _client(request, client)
    for server, status in zip((guarded, mutual), statuses, strict=True):
        with rig.connected(getattr(server, port), trusted, leaf) as channel:
            assert rig.answer(channel, "grpc.health.v1.Health/Check")[0] == status


def _client(request, kind):
    """A certificate of a client."""
    if kind != "expired":
        return request.getfixturevalue(kind).issue_cert("camera")
    then = datetime.now(UTC) - timedelta(days=2)
    dates = {"not_before": then, "not_after": then + timedelta(days=1)}
    return request.getfixturevalue("ca").issue_cert("camera", **dates)


def test_a_client_certificate_is_enough_for_the_admin_port(mutual, ca, rig, requests):
    with rig.connected(mutual.admin_port, ca, ca.issue_cert("operator")) as channel:
        load = requests["LoadModel"]
        assert rig.answer(channel, "residuum.v1.ModelService/LoadModel", load) == (OK, "")


def test_without_a_flag_there_is_no_admin_port(bundles, running):
    with running(bundles, admin_port=None) as connection:
        assert connection.server.admin_port is None


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ((), 'the call has no token; expected metadata "authorization: Bearer TOKEN"'),
        ((("authorization", "Bearer wrong"),), "the token is not valid"),
        ((("authorization", "Basic eA=="),), "the authorization of the call has another scheme; "),
    ],
)
def test_a_refusal_says_what_is_expected(guarded, ca, rig, metadata, sentence):
    with rig.connected(guarded.port, ca) as channel:
        method = "residuum.v1.CodecService/Encode"
        assert rig.answer(channel, method, b"", metadata)[1].startswith(sentence)
