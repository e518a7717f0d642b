"""Health, reflection and metrics of a running server."""

import re
import socket
import urllib.request

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from protos.residuum.v1 import anomaly_pb2, codec_pb2
from protos.residuum.v1.images_pb2 import ModelRef
from service.server.server import ListenError

TINY = ModelRef(name="tiny")
SERVING = health_pb2.HealthCheckResponse.SERVING


def health(channel, service):
    request = health_pb2.HealthCheckRequest(service=service)
    return health_pb2_grpc.HealthStub(channel).Check(request, timeout=10).status


def page(connection):
    """All samples of the metrics page, by name and labels."""
    url = f"http://127.0.0.1:{connection.server.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as response:
        text = response.read().decode()
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


@pytest.mark.parametrize("service", ["", "residuum.v1.CodecService", "residuum.v1.AnomalyService"])
def test_both_ports_report_readiness(connection, service):
    assert health(connection.channel, service) == SERVING
    assert health(connection.admin_channel, service) == SERVING


def test_liveness_has_a_separate_health_service(connection):
    assert health(connection.admin_channel, "liveness") == SERVING


def test_reflection_lists_the_services(connection):
    database = ProtoReflectionDescriptorDatabase(connection.channel)
    assert set(database.get_services()) >= {
        "residuum.v1.CodecService",
        "residuum.v1.AnomalyService",
        "residuum.v1.ModelService",
        "grpc.health.v1.Health",
    }


def test_health_is_answered_while_every_thread_is_busy(bundles, running, pictures, pixels):
    request = codec_pb2.EncodeRequest(model=TINY, pixels=pixels(pictures(1)))
    with running(bundles, workers=1) as connection:
        stream = connection.codec.EncodeStream(iter([request]))
        next(stream)
        assert health(connection.admin_channel, "") == SERVING


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
    assert samples['residuum_batch_rows_sum{graph="encoder",model="tiny"}'] == 6
    assert samples['residuum_batch_rows_sum{graph="decoder",model="tiny"}'] == 6
    assert samples['residuum_queue_rows{graph="encoder",model="tiny"}'] == 0
    assert samples["residuum_requests_in_progress"] == 0
    assert samples['residuum_p_value_count{model="tiny"}'] == 3
    assert samples['residuum_score_count{model="tiny"}'] == 3
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
