"""Several serving processes on one port: who answers, what is counted, who is replaced."""

import contextlib
import os
import re
import shutil
import signal
import threading
import time
import urllib.error
import urllib.request

import grpc
import pytest

from protos.residuum.v1 import codec_pb2, models_pb2
from protos.residuum.v1.codec_pb2_grpc import CodecServiceStub
from protos.residuum.v1.images_pb2 import ModelRef
from protos.residuum.v1.models_pb2_grpc import ModelServiceStub
from service.server.heartbeat import Heartbeat
from service.supervisor import supervisor

TINY = ModelRef(name="tiny")
SEPARATE = [("grpc.use_local_subchannel_pool", 1)]
CONNECTIONS = 16


@pytest.fixture(scope="module")
def folder(bundles, tmp_path_factory):
    """A folder of bundles that the tests of this module may change."""
    folder = tmp_path_factory.mktemp("own") / "bundles"
    shutil.copytree(bundles, folder)
    return folder


@pytest.fixture(scope="module")
def two(folder, running):
    """A server of two processes."""
    with (
        pytest.MonkeyPatch.context() as patch,
        running(folder, processes=2) as connection,
        watched(connection.server),
    ):
        # Those that end soon are replaced at once as well.
        patch.setattr(supervisor, "_STABLE_SECONDS", 0.0)
        yield connection


@contextlib.contextmanager
def watched(server):
    """The supervisor replaces processes during the block."""
    reader, writer = os.pipe()
    watcher = threading.Thread(target=server.supervisor.watch, args=(reader,))
    watcher.start()
    try:
        yield
    finally:
        os.write(writer, b".")
        watcher.join()


@pytest.fixture
def request_(pictures, pixels):
    return codec_pb2.EncodeRequest(model=TINY, pixels=pixels(pictures(2)))


def connections(server):
    """Channels with separate connections, which the kernel spreads over the processes."""
    address = f"127.0.0.1:{server.port}"
    return [grpc.insecure_channel(address, options=SEPARATE) for _ in range(CONNECTIONS)]


def pids(connection):
    return [process.pid for process in connection.server.supervisor.ready_processes()]


def sample(connection, name):
    url = f"http://127.0.0.1:{connection.server.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as response:
        lines = dict(line.rsplit(" ", 1) for line in response.read().decode().splitlines())
    return float(lines.get(name, 0))


def wait_for_two(connection, *, without=()):
    """Waits until two processes serve, none of them one of these."""
    while len(found := pids(connection)) < 2 or set(without) & set(found):
        pass


IMAGES = 'residuum_images_total{method="Encode",model="tiny"}'


def test_both_processes_answer_and_one_page_counts_their_calls(two, request_):
    before = sample(two, IMAGES)
    channels = connections(two.server)
    for channel in channels:
        CodecServiceStub(channel).Encode(request_, timeout=20)
        channel.close()
    assert sample(two, IMAGES) - before == 2 * CONNECTIONS
    assert sample(two, "residuum_processes_ready") == 2
    assert len(set(pids(two))) == 2


def test_a_process_that_is_killed_is_replaced_and_its_counts_stay(two, request_):
    (first, second), before = pids(two), sample(two, IMAGES)
    two.codec.Encode(request_, timeout=20)
    restarts = sample(two, "residuum_process_restarts_total")
    os.kill(first, signal.SIGKILL)
    wait_for_two(two, without=[first])
    assert second in pids(two)
    assert sample(two, IMAGES) - before == 2
    assert sample(two, "residuum_process_restarts_total") == restarts + 1


def test_a_process_that_hangs_is_killed_and_replaced(two, request_, caplog):
    hung = two.server.supervisor.ready_processes()[0]
    pid = hung.pid
    os.kill(pid, signal.SIGSTOP)
    hung.seconds_silent()  # reads what it has written before
    hung._last_heartbeat = time.monotonic() - 61  # a minute passes
    while hung.alive:  # until a heartbeat of the other process wakes the supervisor
        pass
    wait_for_two(two, without=[pid])
    two.codec.Encode(request_, timeout=20)
    (killed,) = (message for message in caplog.messages if "killed" in message)
    assert re.fullmatch(f"process {pid} is killed: no heartbeat for [0-9]+ s", killed)


def test_a_command_to_a_process_that_hangs_fails_and_holds_up_nothing(two, request_):
    hung = two.server.supervisor.ready_processes()[-1]
    pid = hung.pid
    os.kill(pid, signal.SIGSTOP)
    load = models_pb2.LoadModelRequest(bundle="tiny")
    loading = two.admin.LoadModel.future(load, timeout=30)
    while not hung._asking.locked():
        pass
    hung.seconds_silent()
    hung._last_heartbeat = time.monotonic() - 61
    assert loading.exception() is None
    wait_for_two(two, without=[pid])
    two.admin.LoadModel(load, timeout=20)


def test_a_process_that_is_late_is_not_ready(two):
    late = two.server.supervisor.ready_processes()[0]
    os.kill(late.pid, signal.SIGSTOP)
    late.seconds_silent()  # reads what it has written before
    late._last_heartbeat = time.monotonic() - 16
    assert late.pid not in pids(two)
    os.kill(late.pid, signal.SIGCONT)
    wait_for_two(two)


def test_a_bundle_that_changed_on_disk_is_served_by_no_replacement(two, folder, caplog):
    damaged = folder / "tiny" / "encoder.onnx"
    whole = damaged.read_bytes()
    (first, second) = pids(two)
    damaged.write_bytes(b"")
    os.kill(first, signal.SIGKILL)
    while second not in pids(two) or len(pids(two)) > 1:
        pass
    assert listed(two) == {("tiny", "tiny-map")}
    damaged.write_bytes(whole)
    wait_for_two(two, without=[first])
    assert listed(two) == {("tiny", "tiny-map")}


def test_what_a_damaged_bundle_leaves_is_served_when_no_other_process_is_left(folder, running):
    damaged = folder / "tiny" / "encoder.onnx"
    whole = damaged.read_bytes()
    with running(folder) as connection, watched(connection.server):
        (pid,) = pids(connection)
        damaged.write_bytes(b"")
        os.kill(pid, signal.SIGKILL)
        while not set(pids(connection)) - {pid}:
            pass
        damaged.write_bytes(whole)
        assert listed(connection) == {("tiny-map",)}
        ready = connection.server.supervisor.ready
        assert (ready("tiny"), ready("tiny-map")) == (False, True)
        connection.admin.LoadModel(models_pb2.LoadModelRequest(bundle="tiny"), timeout=20)
        assert ready("tiny")
        assert listed(connection) == {("tiny", "tiny-map")}


def test_the_files_of_processes_that_ended_are_small(two):
    files = list(two.server.supervisor._metrics.glob("*.db"))
    ended = [path for path in files if not any(f"_{pid}." in path.name for pid in pids(two))]
    assert ended
    assert max(path.stat().st_size for path in ended) < 64 * 1024


def test_a_process_has_a_heartbeat_unless_its_executor_is_stuck():
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    for computing, written in ((0.0, b"."), (119.0, b"."), (121.0, None)):
        Heartbeat(writer, lambda seconds=computing: seconds).beat()
        if written is None:
            with pytest.raises(BlockingIOError):
                os.read(reader, 10)
        else:
            assert os.read(reader, 10) == written
    os.close(reader)
    Heartbeat(writer, lambda: 0.0).beat()  # nobody reads
    os.close(writer)


def test_a_model_is_loaded_and_unloaded_in_every_process(two, folder):
    shutil.copytree(folder / "tiny", folder / "again")
    two.admin.UnloadModel(models_pb2.UnloadModelRequest(model=TINY))
    assert listed(two) == {("tiny-map",)}
    two.admin.LoadModel(models_pb2.LoadModelRequest(bundle="again"))
    assert listed(two) == {("tiny", "tiny-map")}


def test_a_replacement_has_the_models_of_the_others(two):
    two.admin.UnloadModel(models_pb2.UnloadModelRequest(model=TINY))
    killed = pids(two)[0]
    os.kill(killed, signal.SIGKILL)
    wait_for_two(two, without=[killed])
    assert listed(two) == {("tiny-map",)}
    two.admin.LoadModel(models_pb2.LoadModelRequest(bundle="tiny"))


def listed(connection):
    """The lists of models that the processes give."""
    answers = set()
    for channel in connections(connection.server):
        answer = ModelServiceStub(channel).ListModels(models_pb2.ListModelsRequest(), timeout=20)
        answers.add(tuple(model.name for model in answer.models))
        channel.close()
    return answers


def test_without_a_process_the_admin_port_says_so_and_probes_are_alive(bundles, running):
    with running(bundles) as connection:
        (pid,) = pids(connection)
        os.kill(pid, signal.SIGKILL)
        while pids(connection):
            pass
        with pytest.raises(grpc.RpcError) as caught:
            connection.admin.ListModels(models_pb2.ListModelsRequest(), timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert caught.value.details() == "no serving process is ready; retry later"
        port = connection.server.metrics_port
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=10) as response:
            assert response.status == 200
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10)
