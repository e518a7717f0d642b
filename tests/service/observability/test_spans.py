"""Spans of calls, as a receiver of OTLP gets them."""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from processes import finished

from protos.residuum.v1 import codec_pb2
from protos.residuum.v1.images_pb2 import ModelRef
from service.tracing import open_spans

SECONDS = 20
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
ENCODE = "residuum.v1.CodecService/Encode"


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what it gets."""

    def __init__(self):
        self.requests = []

    def Export(self, request, context):  # noqa: N802
        self.requests.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    @property
    def resources(self):
        return [one for request in self.requests for one in request.resource_spans]

    @property
    def spans(self):
        scopes = [scope for resource in self.resources for scope in resource.scope_spans]
        return [span for scope in scopes for span in scope.spans]


@pytest.fixture
def receiver(monkeypatch):
    server = grpc.server(ThreadPoolExecutor(2))
    receiver = Receiver()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)
    monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    server.start()
    yield receiver
    server.stop(0).wait()


@pytest.fixture
def request_(pictures, pixels):
    return codec_pb2.EncodeRequest(model=ModelRef(name="tiny"), pixels=pixels(pictures(3)))


def traceparent(flags="01"):
    return (("traceparent", f"00-{TRACE}-{SPAN}-{flags}"),)


def attributes(one):
    values = {pair.key: pair.value for pair in one.attributes}
    return {key: getattr(value, value.WhichOneof("value")) for key, value in values.items()}


def named(receiver, name):
    return [span for span in receiver.spans if span.name == name]


def test_a_call_is_a_child_of_its_client_and_has_children(bundles, running, receiver, request_):
    metadata = (*traceparent(), ("x-request-id", "camera-7"))
    with running(bundles) as connection:
        connection.codec.Encode(request_, timeout=SECONDS, metadata=metadata)
    (call,), (wait,), (compute,) = (
        named(receiver, name) for name in (ENCODE, "queue wait", "compute")
    )
    assert call.kind == Span.SPAN_KIND_SERVER
    assert (call.trace_id.hex(), call.parent_span_id.hex()) == (TRACE, SPAN)
    assert attributes(call) == {
        "rpc.system": "grpc",
        "rpc.service": "residuum.v1.CodecService",
        "rpc.method": "Encode",
        "rpc.grpc.status_code": 0,
        "residuum.request_id": "camera-7",
        "residuum.model": "tiny",
        "residuum.images": 3,
    }
    assert call.status.code == Status.STATUS_CODE_UNSET
    assert {span.parent_span_id for span in (wait, compute)} == {call.span_id}
    assert {span.trace_id for span in (wait, compute)} == {call.trace_id}
    assert wait.start_time_unix_nano <= wait.end_time_unix_nano == compute.start_time_unix_nano
    assert compute.start_time_unix_nano < compute.end_time_unix_nano
    assert {attributes(one.resource)["service.name"] for one in receiver.resources} == {"residuum"}


def test_without_a_parent_each_call_is_a_trace(bundles, running, receiver, request_):
    with running(bundles) as connection:
        connection.codec.Encode(request_, timeout=SECONDS)
        connection.codec.Encode(request_, timeout=SECONDS, metadata=(("traceparent", "00-bad"),))
    calls = named(receiver, ENCODE)
    assert [call.parent_span_id for call in calls] == [b"", b""]
    assert len({call.trace_id for call in calls}) == 2


def test_a_failed_call_has_its_status(bundles, running, receiver, request_):
    with running(bundles) as connection:
        request_.model.name = "absent"
        with pytest.raises(grpc.RpcError):
            connection.codec.Encode(request_, timeout=SECONDS)
    (call,) = receiver.spans
    assert attributes(call)["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
    # It is the client's mistake.
    assert call.status.code == Status.STATUS_CODE_UNSET


def test_a_call_that_its_client_does_not_sample_has_no_span(bundles, running, receiver, request_):
    with running(bundles) as connection:
        connection.codec.Encode(request_, timeout=SECONDS, metadata=traceparent("00"))
    assert receiver.spans == []


def test_each_message_of_a_stream_has_a_span(bundles, running, receiver, request_):
    with running(bundles) as connection:
        stream = connection.codec.EncodeStream(iter([request_] * 3), metadata=traceparent())
        assert len(list(stream)) == 3
    calls = named(receiver, f"{ENCODE}Stream")
    assert [call.parent_span_id.hex() for call in calls] == [SPAN] * 3
    assert len(named(receiver, "compute")) == 3


def test_the_log_has_the_trace_of_the_span(bundles, json_server, receiver, request_):
    with json_server(bundles, "--log-level", "debug") as server:
        with server.channel() as data:
            encode = data.unary_unary(
                f"/{ENCODE}",
                codec_pb2.EncodeRequest.SerializeToString,
                codec_pb2.EncodeResponse.FromString,
            )
            encode(request_, timeout=SECONDS)
        lines = server.stop()
    (line,) = [line for line in lines if line["message"] == "Encode: OK"]
    (call,) = named(receiver, ENCODE)
    assert line["trace_id"] == call.trace_id.hex()
    assert line["request_id"] == attributes(call)["residuum.request_id"]


def test_a_receiver_that_is_gone_costs_no_call(bundles, running, monkeypatch, request_):
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    with running(bundles) as connection:
        assert connection.codec.Encode(request_, timeout=SECONDS).records


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {ENDPOINT: ""},
        {ENDPOINT: "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"},
        {ENDPOINT: "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_spans_are_off_without_a_receiver(environment, caplog):
    assert open_spans(environment) is None
    assert caplog.records == []


def test_another_protocol_is_reported(caplog):
    name = "OTEL_EXPORTER_OTLP_PROTOCOL"
    assert open_spans({ENDPOINT: "http://127.0.0.1:9", name: "http/protobuf"}) is None
    expected = "OTEL_EXPORTER_OTLP_PROTOCOL is 'http/protobuf', expected grpc; no spans are sent"
    assert caplog.messages == [expected]


def test_without_the_extra_a_receiver_is_reported_and_nothing_is_loaded():
    code = f"""
import sys
sys.modules["opentelemetry"] = None
from service.tracing import open_spans
assert open_spans({{}}) is None
assert open_spans({{"{ENDPOINT}": "http://127.0.0.1:9"}}) is None
"""
    done = finished([sys.executable, "-c", code])
    assert done.returncode == 0
    assert done.stderr.decode().strip() == (
        f"{ENDPOINT} is set, but OpenTelemetry is not installed; no spans are sent: "
        "pip install 'residuum[tracing]'"
    )


def test_a_setting_of_opentelemetry_that_is_not_valid_is_reported(monkeypatch, caplog):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")
    assert open_spans({ENDPOINT: "http://127.0.0.1:9"}) is None
    assert "the variables OTEL_* are not valid, no spans are sent" in caplog.text
