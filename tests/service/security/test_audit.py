"""The audit log of a real server."""

import json
import logging
import os
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from protos.residuum.v1 import models_pb2 as pb
from protos.residuum.v1.images_pb2 import ModelRef
from protos.residuum.v1.models_pb2_grpc import ModelServiceStub
from service.log import JsonFormatter, TextFormatter
from service.security import Tokens, server_credentials

SECONDS = 20


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "residuum.audit")

    def read():
        records = [record for record in caplog.records if record.name == "residuum.audit"]
        texts = [TextFormatter("%(message)s").format(record) for record in records]
        assert not any("-token-" in text or "\n" in text for text in texts)
        found = [json.loads(JsonFormatter().format(record)) for record in records]
        for line, text in zip(found, texts, strict=True):
            message, fields = text.split(" {", 1)
            assert message == line["message"]
            assert json.loads("{" + fields).items() <= line.items()
        return found

    return read


def load(rig, address, bundle, *metadata, **tls):
    with rig.connected(address, **tls) as channel:
        request = pb.LoadModelRequest(bundle=bundle)
        stub = ModelServiceStub(channel)
        return rig.status(lambda: stub.LoadModel(request, timeout=SECONDS, metadata=metadata))[0]


def test_a_line_has_time_caller_peer_method_bundle_status_and_seconds(rig, token_file, lines):
    before = datetime.now(UTC)
    with rig.serving(Tokens(token_file)) as address:
        load(rig, address, "tiny", rig.bearer("operator-token-0123"))
    (line,) = lines()
    assert before - timedelta(seconds=1) < datetime.fromisoformat(line.pop("time"))
    assert line.pop("process") == os.getpid()
    assert line.pop("peer").startswith("ipv4:127.0.0.1:")
    assert 0 <= line.pop("seconds") < SECONDS
    assert line == {
        "level": "INFO",
        "logger": "residuum.audit",
        "message": "LoadModel: OK",
        "caller": "operator",
        "role": "admin",
        "certificate": None,
        "method": "LoadModel",
        "bundle": "tiny",
        "status": "OK",
    }


def test_refused_calls_are_logged_with_the_caller_as_far_as_it_is_known(rig, token_file, lines):
    with rig.serving(Tokens(token_file)) as address:
        load(rig, address, "tiny")
        load(rig, address, "tiny", rig.bearer("guessed-token-0123"))
        load(rig, address, "tiny", rig.bearer("camera-token-0123"))
    found = [(line["caller"], line["role"], line["status"]) for line in lines()]
    assert found == [
        (None, None, "UNAUTHENTICATED"),
        (None, None, "UNAUTHENTICATED"),
        ("camera", "data", "PERMISSION_DENIED"),
    ]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_status_is_the_one_that_the_client_gets(rig, lines):
    with rig.serving() as address, rig.connected(address) as channel:
        code = load(rig, address, "broken")
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        request = pb.UnloadModelRequest(model=ModelRef(name="tiny", version="1.0"))
        call = rig.status(lambda: ModelServiceStub(channel).UnloadModel(request, timeout=SECONDS))
        assert call[0] is grpc.StatusCode.UNKNOWN
    first, second = lines()
    assert (first["bundle"], first["status"]) == ("broken", "FAILED_PRECONDITION")
    assert (second["model"], second["version"]) == ("tiny", "1.0")
    assert (second["method"], second["status"]) == ("UnloadModel", "UNKNOWN")


def test_calls_that_are_not_administrative_have_no_line(rig, token_file, lines):
    with rig.serving(Tokens(token_file)) as address, rig.connected(address) as channel:
        rig.listed(channel, rig.bearer("operator-token-0123"))
        rig.status(lambda: rig.listed(channel))
    assert lines() == []


@pytest.mark.parametrize(("options", "name"), [({"common_name": "robot-7"}, "robot-7"), ({}, "me")])
def test_the_client_certificate_is_named_by_its_common_name_if_it_has_one(
    rig, folder, ca, lines, options, name
):
    folder.put(ca.issue_cert("127.0.0.1"))
    with rig.serving(credentials=server_credentials(folder.put_client_ca(ca))) as address:
        client = ca.issue_cert("me", **options)
        assert load(rig, address, "tiny", ca=ca, client=client) is grpc.StatusCode.OK
    (line,) = lines()
    assert (line["certificate"], line["caller"], line["status"]) == (name, None, "OK")


def test_what_a_client_sends_cannot_forge_a_line(rig, lines):
    with rig.serving() as address:
        load(rig, address, 'x"}\n{"caller": "operator"\u2028' + "y" * 100_000)
    (line,) = lines()
    assert line["bundle"].startswith('x"}\n{"caller"')
    assert len(line["bundle"]) == 200
