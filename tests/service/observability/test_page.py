"""The metrics page of several processes: what it has, and that it is valid."""

import shutil
import subprocess
import urllib.request

import grpc
import pytest
from prometheus_client import parser
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics import parser as openmetrics_parser

from protos.residuum.v1 import anomaly_pb2, codec_pb2
from protos.residuum.v1.anomaly_pb2_grpc import AnomalyServiceStub
from protos.residuum.v1.codec_pb2_grpc import CodecServiceStub
from protos.residuum.v1.images_pb2 import Files, ModelRef
from service.reference import PAGE

SECONDS = 20
CALLS, IMAGES = 16, 3
SEPARATE = [("grpc.use_local_subchannel_pool", 1)]
TINY = ModelRef(name="tiny")
FORMATS = {"text/plain": parser, "application/openmetrics-text": openmetrics_parser}


def scrape(connection, kind="text/plain"):
    url = f"http://127.0.0.1:{connection.server.metrics_port}/metrics"
    request = urllib.request.Request(url, headers={"Accept": f"{kind}; version=1.0.0"})
    with urllib.request.urlopen(request, timeout=SECONDS) as response:  # noqa: S310
        return response.read().decode()


def samples(connection):
    families = parser.text_string_to_metric_families(scrape(connection))
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def of(found, name, /, **labels):
    return found[(f"residuum_{name}", *sorted(labels.items()))]


@pytest.fixture(scope="module")
def two(bundles, running, pictures, pixels):
    """Two processes that have each answered calls of every kind, some of them wrong."""
    images = pixels(pictures(IMAGES))
    with running(bundles, processes=2) as connection:
        address = f"127.0.0.1:{connection.server.port}"
        for _ in range(CALLS):
            with grpc.insecure_channel(address, options=SEPARATE) as channel:
                codec = CodecServiceStub(channel)
                request = codec_pb2.EncodeRequest(model=TINY, pixels=images)
                records = codec.Encode(request, timeout=SECONDS).records
                codec.Decode(codec_pb2.DecodeRequest(model=TINY, records=records), timeout=SECONDS)
                request = anomaly_pb2.ScoreRequest(model=TINY, pixels=images)
                AnomalyServiceStub(channel).Score(request, timeout=SECONDS)
                request = codec_pb2.EncodeRequest(model=ModelRef(name="absent"), pixels=images)
                with pytest.raises(grpc.RpcError):
                    codec.Encode(request, timeout=SECONDS)
        yield connection


def test_the_sums_are_those_of_both_processes(two):
    found = samples(two)
    for method in ("Encode", "Decode", "Score"):
        labels = {"model": "tiny", "method": method}
        assert of(found, "requests_total", method=method, code="OK") == CALLS
        assert of(found, "images_total", **labels) == CALLS * IMAGES
        assert of(found, "decoded_bytes_total", **labels) == CALLS * IMAGES * 16 * 16
        lower = {**labels, "method": method.lower()}
        assert of(found, "queue_wait_seconds_count", **lower) == CALLS
        assert of(found, "batch_images_sum", **lower) == CALLS * IMAGES
        assert 0 < of(found, "estimated_image_seconds", **lower) < SECONDS
    for name in ("record_bytes_count", "p_value_count"):
        assert of(found, name, model="tiny") == CALLS * IMAGES
    assert of(found, "score_bucket", model="tiny", le="+Inf") == CALLS * IMAGES
    assert of(found, "processes_ready") == 2


def test_the_sum_is_of_what_each_process_has_counted(two):
    images = ("residuum_images_total", ("method", "Encode"), ("model", "tiny"))
    counts = []
    for process in two.server.supervisor.ready_processes():
        file = two.server.supervisor._metrics / f"counter_{process.pid}.db"
        found = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for metric in MultiProcessCollector.merge([file])
            for sample in metric.samples
        }
        counts.append(found[images])
    assert min(counts) > 0
    assert sum(counts) == CALLS * IMAGES


def test_names_of_models_that_are_not_loaded_are_no_labels(two):
    assert "absent" not in scrape(two)


def test_a_loaded_model_is_described(two, tiny):
    found = samples(two)
    labels = {"name": "tiny", "version": "1", "provider": "cpu"}
    assert of(found, "model_info", **labels, model_id=tiny.bundle.model_id.hex()) == 1


@pytest.mark.parametrize("kind", FORMATS)
def test_the_page_can_be_read_and_each_metric_is_documented(two, kind):
    documented = PAGE.read_text()
    families = list(FORMATS[kind].text_string_to_metric_families(scrape(two, kind)))
    names = [family.name for family in families]
    assert len(set(names)) == len(names) > 20
    for family in families:
        assert family.documentation
        assert family.name.startswith("process_") or f"`{family.name}" in documented
        keys = [(sample.name, *sorted(sample.labels.items())) for sample in family.samples]
        assert len(set(keys)) == len(keys)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_no_fault(two):
    command = ["promtool", "check", "metrics"]
    page = scrape(two).encode()
    checked = subprocess.run(command, input=page, check=False, capture_output=True)
    assert (checked.returncode, checked.stderr) == (0, b"")


def test_files_count_as_the_pixels_that_they_hold(bundles, running, picture_bytes):
    with running(bundles) as connection:
        request = codec_pb2.EncodeRequest(model=TINY, files=Files(files=[picture_bytes] * 2))
        connection.codec.Encode(request, timeout=SECONDS)
        found = samples(connection)
    assert of(found, "decoded_bytes_total", model="tiny", method="Encode") == 2 * 16 * 16
