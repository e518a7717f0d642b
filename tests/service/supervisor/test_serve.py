"""`residuum-serve`: its output, how it drains, how it fails."""

import io
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import onnxruntime
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from PIL import Image

from codec.bundle.bundle import load_bundle, write_bundle
from protos.residuum.v1 import anomaly_pb2
from protos.residuum.v1.anomaly_pb2_grpc import AnomalyServiceStub
from protos.residuum.v1.images_pb2 import Files, ModelRef
from service.__main__ import main
from service.settings import PREFIX
from service.supervisor import serve

ROOT = Path(__file__).parents[3]
PORTS = ("--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--metrics-port", "0")


@contextmanager
def started(*arguments, stdout=subprocess.PIPE, **variables):
    """A server process, killed at the end of the test."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    with subprocess.Popen(
        [sys.executable, "-m", "service", *map(str, arguments)],
        cwd=ROOT,
        env={**inherited, **{name: str(value) for name, value in variables.items()}},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def failure(monkeypatch, capsys):
    """Runs the command in this process; gives its exit status and standard error."""

    def run(*arguments, **variables):
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["residuum-serve", *map(str, arguments)])
        monkeypatch.setattr(serve, "catch", lambda *_: None)
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code, capsys.readouterr().err

    return run


def wait_until_draining(port):
    """Blocks until the server reports that it is not ready."""
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10).close()
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return
            raise


def peak_memory(pid):
    """The most memory that the processes of a server have had, bytes."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    peaks = [
        re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{one}/status").read_text(encoding="ascii"))
        for one in (pid, *children)
    ]
    return 1024 * sum(int(peak[1]) for peak in peaks)


def first_failure(target, request):
    """The error of the first call on a new connection that fails."""
    while True:
        with grpc.insecure_channel(target) as late:
            try:
                AnomalyServiceStub(late).Score(request, timeout=10)
            except grpc.RpcError as error:
                return error


@pytest.fixture
def picture_file():
    """Makes a PNG file of a blank square image, by mode of Pillow and side."""

    def make(mode, side):
        out = io.BytesIO()
        Image.new(mode, (side, side), "white").save(out, "PNG")
        return out.getvalue()

    return make


@pytest.fixture
def server(bundles):
    """A server process that is ready, the address of its data port, and its metrics port."""
    with started("--bundles", bundles, *PORTS) as process:
        lines = [process.stdout.readline() for _ in range(2)]
        found = re.fullmatch(r"tiny \S+ on cpu: port (\d+), admin \d+, metrics (\d+)\n", lines[0])
        assert found, lines
        assert lines[1].startswith("tiny-map ")
        yield process, f"127.0.0.1:{found[1]}", found[2]


def test_sigterm_lets_a_call_finish_and_exits_with_0(server, pictures, pixels):
    process, target, metrics = server
    request = anomaly_pb2.ScoreRequest(model=ModelRef(name="tiny"), pixels=pixels(pictures(2)))
    requests = queue.SimpleQueue()
    with grpc.insecure_channel(target) as channel:
        stream = AnomalyServiceStub(channel).ScoreStream(iter(requests.get, None), timeout=30)
        requests.put(request)
        assert len(next(stream).results) == 2
        process.send_signal(signal.SIGTERM)
        wait_until_draining(metrics)
        # The stream was opened before the signal, so it is still answered.
        requests.put(request)
        assert len(next(stream).results) == 2
        assert first_failure(target, request).code() is grpc.StatusCode.UNAVAILABLE
        requests.put(None)
        assert list(stream) == []
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_a_signal_right_after_the_start_is_not_lost(server):
    process, _, _ = server
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_second_signal_ends_the_process_at_once(server, pictures, pixels):
    process, target, metrics = server
    request = anomaly_pb2.ScoreRequest(model=ModelRef(name="tiny"), pixels=pixels(pictures(1)))
    with grpc.insecure_channel(target) as channel:
        requests = queue.SimpleQueue()
        stream = AnomalyServiceStub(channel).ScoreStream(iter(requests.get, None), timeout=30)
        requests.put(request)
        assert len(next(stream).results) == 1
        process.send_signal(signal.SIGTERM)
        wait_until_draining(metrics)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == -signal.SIGTERM
        requests.put(None)
        stream.cancel()


def test_a_port_in_use_is_reported_with_status_1(bundles, failure):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, errors = failure("--bundles", bundles, *PORTS, "--port", port)
    assert status == 1
    assert errors == (
        f"residuum-serve: cannot listen on 127.0.0.1, port {port}: Address already in use\n"
    )


def test_a_missing_folder_is_reported_before_a_port_in_use(tmp_path, failure):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, errors = failure("--bundles", tmp_path / "nowhere", *PORTS, "--port", port)
    assert status == 1
    assert errors == (
        f"residuum-serve: bundle folder {tmp_path / 'nowhere'}: No such file or directory\n"
    )


def test_names_of_files_are_printed_without_control_characters(tmp_path, failure):
    (tmp_path / "red\x1b[31m\nfolder").mkdir()
    status, errors = failure("--bundles", tmp_path, *PORTS)
    assert status == 1
    assert errors == (
        f"residuum-serve: no bundles in {tmp_path}: expected folders with manifest.json, or "
        "uncompressed .tar files; there is red�[31m folder\n"
    )


def test_a_damaged_bundle_is_reported_with_status_1(bundles, tmp_path):
    shutil.copytree(bundles / "tiny", tmp_path / "broken")
    (tmp_path / "broken" / "encoder.onnx").write_bytes(b"")
    with started("--bundles", tmp_path, *PORTS) as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert re.fullmatch(r"residuum-serve: bundle \S+/broken: encoder.onnx has 0 bytes.*\n", errors)


def test_a_full_disk_behind_stdout_does_not_stop_the_server(bundles):
    with (
        Path("/dev/full").open("w") as full,
        started("--bundles", bundles / "tiny", *PORTS, stdout=full) as process,
    ):
        line = next(line for line in process.stderr if "stdout" in line)
        port = re.search(r"cannot write to stdout: No space .*; tiny 1 on cpu: port (\d+)", line)[1]
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate()
        assert (process.returncode, "Traceback" in rest, "Exception" in rest) == (0, False, False)


def test_a_misspelt_variable_is_reported_with_status_2(bundles, failure):
    status, errors = failure("--bundles", bundles, *PORTS, RESIDUUM_TREADS="2")
    assert status == 2
    assert errors.startswith("residuum-serve: unknown environment variables RESIDUUM_TREADS; ")
    assert errors.count("\n") == 1


def test_a_missing_provider_is_reported_with_status_1(bundles, failure):
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has the provider")
    status, errors = failure("--bundles", bundles, *PORTS, "--provider", "cuda")
    assert status == 1
    assert errors.startswith("residuum-serve: provider 'cuda' is not in this onnxruntime")


@pytest.mark.parametrize(
    ("variable", "folder"),
    [
        ("PROMETHEUS_MULTIPROC_DIR", "nowhere"),
        ("PROMETHEUS_MULTIPROC_DIR", "."),
        ("prometheus_multiproc_dir", "file"),
    ],
)
def test_a_folder_for_metrics_of_several_processes_is_ignored_with_a_line(
    bundles, tmp_path, variable, folder
):
    (tmp_path / "file").touch()
    with started("--bundles", bundles / "tiny", *PORTS, **{variable: tmp_path / folder}) as process:
        port = process.stdout.readline().rpartition(" ")[2].strip()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
            assert b"residuum_requests_in_progress 0.0" in response.read()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert f"WARNING service: {variable} is ignored: " in errors
    assert "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_many_large_images_at_once_take_the_memory_of_few(bundles, tmp_path, picture_file):
    bundle = load_bundle(bundles / "tiny")
    spec = replace(bundle.manifest.input, fit="resize")
    members = {name: (bundles / "tiny" / name).read_bytes() for name in bundle.manifest.members}
    write_bundle(tmp_path / "tiny", replace(bundle.manifest, input=spec), members)
    request = anomaly_pb2.ScoreRequest(
        model=ModelRef(name="tiny"), files=Files(files=[picture_file("RGBA", 3000)])
    )
    with started("--bundles", tmp_path, *PORTS, "--max-decoded-mb", "64") as process:
        port = re.search(r"port (\d+)", process.stdout.readline())[1]
        before = peak_memory(process.pid)
        with (
            grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
            ThreadPoolExecutor(16) as pool,
        ):
            score = AnomalyServiceStub(channel).Score
            responses = list(pool.map(lambda _: score(request, timeout=60), range(16)))
        after = peak_memory(process.pid)
    assert all(len(response.results) == 1 for response in responses)
    # One takes 45 MB.
    assert after - before < 130 * 2**20
