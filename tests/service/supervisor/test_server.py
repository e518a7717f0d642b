"""Health, reflection and metrics of a running server."""

import re
import socket
import urllib.error
import urllib.request

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from protos.residuum.v1 import anomaly_pb2, codec_pb2
from protos.residuum.v1.images_pb2 import ModelRef
from service.server.grpc_server import ListenError

TINY = ModelRef(name="tiny")
SERVING = health_pb2.HealthCheckResponse.SERVING


def health(channel, service):
    request = health_pb2.HealthCheckRequest(service=service)
    return health_pb2_grpc.HealthStub(channel).Check(request, timeout=10).status


def http(connection, path):
    """Status and text of a page."""
    try:
        url = f"http://127.0.0.1:{connection.server.metrics_port}{path}"
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def page(connection):
    """All samples of the metrics page, by name and labels."""
    url = f"http://127.0.0.1:{connection.server.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as response:
        text = response.read().decode()
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


@pytest.mark.parametrize("service", ["", "residuum.v1.CodecService", "residuum.v1.AnomalyService"])
def test_the_data_port_reports_readiness(connection, service):
    assert health(connection.channel, service) == SERVING


def test_the_admin_port_reports_readiness(connection):
    assert health(connection.admin_channel, "residuum.v1.ModelService") == SERVING


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/livez", 200, "alive\n"),
        ("/readyz", 200, "the server is ready\n"),
        ("/readyz/tiny", 200, "tiny is ready\n"),
        ("/readyz/tiny/1", 200, "tiny 1 is ready\n"),
        ("/readyz/tiny/7", 503, "tiny 7 is not ready\n"),
        ("/readyz/absent", 503, "absent is not ready\n"),
        ("/", 404, "expected /metrics, /livez or /readyz\n"),
        ("/metrics/more", 404, "expected /metrics, /livez or /readyz\n"),
    ],
)
def test_probes_over_http(connection, path, status, text):
    assert http(connection, path) == (status, text)


def test_reflection_lists_the_services(connection):
    database = ProtoReflectionDescriptorDatabase(connection.channel)
    assert set(database.get_services()) >= {
        "residuum.v1.CodecService",
        "residuum.v1.AnomalyService",
        "residuum.v1.ModelService",
        "grpc.health.v1.Health",
    }


def test_reflection_has_both_versions(connection):
    """The messages are the same; newer tools ask for the newer name."""
    method = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    call = connection.channel.stream_stream(
        method,
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    names = {one.name for one in next(call(iter([request]))).list_services_response.service}
    assert "residuum.v1.CodecService" in names


def test_health_is_answered_while_no_call_is_admitted(bundles, running, pictures, pixels):
    request = codec_pb2.EncodeRequest(model=TINY, pixels=pixels(pictures(1)))
    with running(bundles, workers=1, max_streams=1) as connection:
        stream = connection.codec.EncodeStream(iter([request]))
        next(stream)
        assert health(connection.channel, "") == SERVING
        assert http(connection, "/readyz")[0] == 200


def test_the_metrics_page_counts(bundles, running, tiny, pictures, pixels):
    images = pixels(pictures(3))
    with running(bundles) as connection:
        encoded = connection.codec.Encode(codec_pb2.EncodeRequest(model=TINY, pixels=images))
        connection.codec.Decode(codec_pb2.DecodeRequest(model=TINY, records=encoded.records))
        scored = connection.anomaly.Score(anomaly_pb2.ScoreRequest(model=TINY, pixels=images))
        with pytest.raises(grpc.RpcError):
            connection.codec.Encode(codec_pb2.EncodeRequest(model=TINY))
        samples = page(connection)
    assert samples['residuum_requests_total{code="OK",method="Encode"}'] == 1
    assert samples['residuum_requests_total{code="INVALID_ARGUMENT",method="Encode"}'] == 1
    assert samples['residuum_request_duration_seconds_count{method="Encode"}'] == 2
    for method in ("Encode", "Decode", "Score"):
        assert samples[f'residuum_images_total{{method="{method}",model="tiny"}}'] == 3
        assert samples[f'residuum_received_bytes_total{{method="{method}"}}'] > 0
    assert samples['residuum_sent_bytes_total{method="Encode"}'] == encoded.ByteSize()
    size = sum(map(len, encoded.records))
    assert samples['residuum_record_bytes_sum{model="tiny"}'] == size
    assert samples['residuum_record_bytes_count{model="tiny"}'] == 3
    for method in ("encode", "decode", "score"):
        assert samples[f'residuum_batch_images_sum{{method="{method}",model="tiny"}}'] == 3
        assert samples[f'residuum_compute_seconds_count{{method="{method}",model="tiny"}}'] >= 1
        assert samples[f'residuum_queue_wait_seconds_count{{method="{method}",model="tiny"}}'] == 1
    assert samples["residuum_queue_images"] == 0
    assert samples["residuum_backlog_seconds"] == 0
    assert samples["residuum_streams_open"] == 0
    assert samples["residuum_processes_ready"] == 1
    assert samples["residuum_process_restarts_total"] == 0
    assert samples['process_resident_memory_bytes{process="0"}'] > 10_000_000
    assert samples["residuum_requests_in_progress"] == 0
    assert samples['residuum_p_value_count{model="tiny"}'] == 3
    assert samples['residuum_score_bucket{le="+Inf",model="tiny"}'] == 3
    flagged = sum(result.anomalous for result in scored.results)
    assert samples['residuum_anomalies_total{model="tiny"}'] == flagged
    about = f'model_id="{tiny.model_id.hex()}",name="tiny",provider="cpu"'
    (model,) = [name for name in samples if about in name]
    assert re.fullmatch(r"residuum_model_info\{.*version=\"[^\"]+\"\}", model)
    assert samples[model] == 1


@pytest.mark.parametrize("port", ["port", "admin_port", "metrics_port"])
def test_a_port_in_use_is_reported(bundles, running, port):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(ListenError) as caught, running(bundles, **{port: number}):
            pass
    message = f"cannot listen on 127.0.0.1, port {number}: Address already in use"
    assert str(caught.value) == message
