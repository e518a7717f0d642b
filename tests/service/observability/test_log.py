"""The log of a server as JSON, line by line."""

import contextvars
import json
import os
import signal
import socket
import sys
from datetime import datetime

import grpc
import pytest
from processes import finished

from protos.residuum.v1 import codec_pb2, models_pb2
from protos.residuum.v1.codec_pb2_grpc import CodecServiceStub
from protos.residuum.v1.images_pb2 import ModelRef
from protos.residuum.v1.models_pb2_grpc import ModelServiceStub
from service.call import start_call
from service.log import JsonFormatter
from service.status import failure_of

SECONDS = 20
TRACE = "0af7651916cd43dd8448eb211c80319c"
NAMED = (("x-request-id", "camera-7"), ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"))


@pytest.fixture
def request_(pictures, pixels):
    return codec_pb2.EncodeRequest(model=ModelRef(name="tiny"), pixels=pixels(pictures(2)))


def with_message(lines, message):
    return [line for line in lines if line["message"] == message]


def test_every_line_of_every_process_is_an_object(bundles, json_server, request_):
    with json_server(bundles, "--log-level", "debug", "--processes", "2") as server:
        with server.channel() as data:
            CodecServiceStub(data).Encode(request_, timeout=SECONDS, metadata=NAMED)
            (killed,) = {line["process"] for line in [server.wait_for("Encode: OK")]}
        with server.channel("admin") as admin:
            load = models_pb2.LoadModelRequest(bundle="tiny")
            ModelServiceStub(admin).LoadModel(load, timeout=SECONDS, metadata=NAMED)
        os.kill(killed, signal.SIGKILL)
        server.wait_for(f"process {killed} has ended; starting another")
        lines = server.stop()
    for line in lines:
        assert {"time", "level", "logger", "process", "message"} <= line.keys()
        datetime.fromisoformat(line["time"])
    assert {killed, server.process.pid} <= {line["process"] for line in lines}
    assert with_message(lines, "draining, 20 seconds at most")


def test_at_the_level_debug_a_call_has_a_line(bundles, json_server, request_):
    with json_server(bundles, "--log-level", "debug") as server:
        with server.channel() as data:
            stub = CodecServiceStub(data)
            stub.Encode(request_, timeout=SECONDS, metadata=NAMED)
            request_.model.name = "absent"
            with pytest.raises(grpc.RpcError):
                stub.Encode(request_, timeout=SECONDS)
        lines = server.stop()
    (line,) = with_message(lines, "Encode: OK")
    assert 0 < line["seconds"] < SECONDS
    expected = {"method": "Encode", "model": "tiny", "images": 2, "code": "OK", "level": "DEBUG"}
    assert expected.items() <= line.items()
    assert (line["request_id"], line["trace_id"]) == ("camera-7", TRACE)
    (line,) = with_message(lines, "Encode: NOT_FOUND")
    assert len(line["request_id"]) == 12
    assert "trace_id" not in line
    assert {line["logger"].split(".")[0] for line in lines} <= {"residuum", "service"}


def test_at_the_level_info_only_administrative_calls_have_one(bundles, json_server, request_):
    with json_server(bundles) as server:
        with server.channel() as data, server.channel("admin") as admin:
            CodecServiceStub(data).Encode(request_, timeout=SECONDS, metadata=NAMED)
            load = models_pb2.LoadModelRequest(bundle="tiny")
            ModelServiceStub(admin).LoadModel(load, timeout=SECONDS, metadata=NAMED)
        lines = server.stop()
    of_call = [line for line in lines if line.get("request_id") == "camera-7"]
    (line,) = of_call
    expected = {"logger": "residuum.audit", "method": "LoadModel", "bundle": "tiny", "status": "OK"}
    assert expected.items() <= line.items()
    assert line["trace_id"] == TRACE


def test_an_internal_error_is_logged_under_the_id_that_the_client_sent(caplog):
    def fail():
        start_call(NAMED)
        failure = failure_of(RuntimeError("a secret"))
        return failure.message, json.loads(JsonFormatter().format(caplog.records[-1]))

    message, line = contextvars.copy_context().run(fail)
    assert message == "internal error; the server log has details under camera-7"
    assert line["request_id"] == "camera-7"
    assert line["trace_id"] == TRACE
    assert "a secret" in line["exception"]


def lines_of(code):
    """What a process with this code writes to stderr, as JSON."""
    done = finished([sys.executable, "-c", f"from service.log import configure_log\n{code}"])
    return [json.loads(text) for text in done.stderr.splitlines()]


def test_warnings_and_what_nothing_catches_are_lines_too():
    first, second, third = lines_of("""
configure_log("json")
import threading, warnings
warnings.warn("old", stacklevel=1)
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise SystemError("new")
""")
    assert "UserWarning: old" in first["message"]
    assert "ZeroDivisionError" in second["exception"]
    assert "SystemError: new" in third["exception"]
    assert {second["level"], third["level"]} == {"CRITICAL"}


def test_values_that_json_does_not_know_are_written_as_text():
    (line,) = lines_of("""
configure_log("json")
import logging, pathlib
logging.info("a\\nb \\ud800", extra={"fields": {"path": pathlib.Path("x"), "level": "forged"}})
""")
    assert line["message"] == "a\nb \ud800"
    assert line["path"] == "x"
    assert line["level"] == "INFO"


def test_the_audit_log_is_written_at_every_level():
    (line,) = lines_of("""
configure_log("json", "error")
import logging
logging.getLogger("service.x").warning("no")
logging.getLogger("residuum.audit").info("yes")
""")
    assert line["message"] == "yes"


def test_libraries_say_nothing_at_the_level_debug():
    (line,) = lines_of("""
configure_log("json", "debug")
import logging
logging.getLogger("PIL.PngImagePlugin").debug("no")
logging.getLogger("service.x").debug("yes")
""")
    assert line["message"] == "yes"


def test_why_a_server_cannot_start_is_a_line(bundles):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        flags = ["--bundles", bundles, "--host", "127.0.0.1", "--metrics-port", "0"]
        flags += ["--port", str(port), "--log-format", "json"]
        done = finished([sys.executable, "-m", "service", *flags])
    (text,) = done.stderr.splitlines()
    line = json.loads(text)
    assert done.returncode == 1
    assert line["message"].startswith(f"cannot listen on 127.0.0.1, port {port}")
    assert line["level"] == "CRITICAL"
