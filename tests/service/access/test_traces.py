"""What the log says of access, and what goes on without it: metrics and probes."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from processes import started

from protos.residuum.v1 import models_pb2
from protos.residuum.v1.images_pb2 import ModelRef
from service.server.access import warn_of_plain_tokens
from service.settings import Settings

ROOT = Path(__file__).parents[3]
PORTS = ("--host", "127.0.0.1", "--port", "0", "--metrics-port", "0", "--admin-port", "0")
SERVICE = "residuum.v1.ModelService"


def test_each_load_and_unload_is_a_line_with_caller_and_status(bundles, secrets, ca, rig):
    """Also those that were refused, on either port, by each process."""
    files = secrets().certify(ca).trust(ca).admit()
    flags = ["--bundles", bundles, *PORTS, *files.flags(), "--log-format", "json"]
    load = models_pb2.LoadModelRequest(bundle="tiny").SerializeToString()
    unload = models_pb2.UnloadModelRequest(model=ModelRef(name="absent")).SerializeToString()
    data, admin = (rig.bearer(rig.tokens[role]) for role in ("data", "admin"))
    calls = [
        ("admin", "LoadModel", load, admin, "OK"),
        ("admin", "LoadModel", load, data, "PERMISSION_DENIED"),
        ("admin", "LoadModel", load, (), "UNAUTHENTICATED"),
        ("admin", "LoadModel", b"\xff", admin, "INVALID_ARGUMENT"),
        ("admin", "UnloadModel", unload, admin, "NOT_FOUND"),
        ("port", "LoadModel", load, data, "PERMISSION_DENIED"),
        ("port", "UnloadModel", unload, admin, "PERMISSION_DENIED"),
        ("admin", "ListModels", b"", admin, "OK"),
    ]
    command = [sys.executable, "-m", "service", *flags]
    with started(command, cwd=ROOT, env=rig.environment(), stderr=subprocess.PIPE) as process:
        lines = map(json.loads, process.stderr)
        ports = next(line for line in lines if "admin" in line and "port" in line)
        for port, method, request, metadata, status in calls:
            with rig.connected(ports[port], ca, ca.issue_cert("x", common_name="camera 7")) as own:
                assert rig.answer(own, f"{SERVICE}/{method}", request, metadata)[0] == status
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read().decode()
    assert not any(token in rest for token in rig.tokens.values())
    found = [json.loads(line) for line in rest.splitlines()]
    audit = [line for line in found if line["logger"] == "residuum.audit"]
    callers = {admin: "admin-caller", data: "data-caller", (): None}
    expected = [
        (method, callers[metadata], status) for _, method, _, metadata, status in calls[:-1]
    ]
    # The lines of two processes may change places.
    said = [(line["method"], line["caller"], line["status"]) for line in audit]
    assert sorted(map(str, said)) == sorted(map(str, expected))
    assert {line["certificate"] for line in audit} == {"camera 7"}
    assert {line.get("bundle", "") for line in audit} == {"tiny", ""}
    assert all(line["peer"].startswith("ipv4:127.0.0.1:") for line in audit)


def test_metrics_and_probes_need_no_token_and_no_certificate(bundles, running, secrets, ca):
    with running(bundles, **secrets().certify(ca).trust(ca).admit().settings()) as connection:
        for path in ("metrics", "livez", "readyz", "readyz/tiny"):
            url = f"http://127.0.0.1:{connection.server.metrics_port}/{path}"
            with urllib.request.urlopen(url, timeout=20) as response:
                assert response.status == 200


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({"host": "0.0.0.0"}, "0.0.0.0"),  # noqa: S104
        ({"host": "127.0.0.1", "admin_port": 0, "admin_host": "::"}, "::"),
        ({"host": "127.0.0.1", "admin_port": 0}, None),
        ({"host": "127.0.0.1", "admin_host": "::"}, None),
        ({"host": "0.0.0.0", "tls_cert": "a", "tls_key": "b"}, None),  # noqa: S104
        ({"host": "0.0.0.0", "tokens": None}, None),  # noqa: S104
    ],
)
def test_tokens_that_others_could_read_are_warned_of(caplog, settings, host):
    warn_of_plain_tokens(Settings(bundles="bundles", **{"tokens": "tokens", **settings}))
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == (host is not None)
    assert all(line.startswith(f"tokens are sent to {host} without") for line in warnings)


def test_a_client_that_fails_a_handshake_causes_no_line_in_the_log(bundles, secrets, ca, rig):
    """Lines of gRPC are not JSON, and a stranger could fill the disk with them."""
    flags = ["--bundles", bundles / "tiny", *PORTS, *secrets().certify(ca).trust(ca).flags()]
    command = [sys.executable, "-m", "service", *flags]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(command, cwd=ROOT, env=rig.environment(), **pipes) as process:
        ports = re.search(rb"port (\d+), admin (\d+)", process.stdout.readline()).groups()
        for port in map(int, ports):
            with rig.connected(port, ca) as channel:
                assert rig.answer(channel, "grpc.health.v1.Health/Check")[0] == "UNAVAILABLE"
        process.send_signal(signal.SIGTERM)
        lines = process.stderr.read().decode().splitlines()
    assert [line for line in lines if "draining" not in line] == []
