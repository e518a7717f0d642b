"""However a server ends, its processes end and its folder for metrics is removed."""

import os
import re
import select
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from processes import started

ROOT = Path(__file__).parents[3]
PORTS = ("--host", "127.0.0.1", "--port", "0", "--metrics-port", "0")


@contextmanager
def serving(bundles, folder, rig, *flags):
    """A server of two processes that is ready, and the port of its data."""
    command = [sys.executable, "-m", "service", "--bundles", bundles / "tiny", *PORTS, *flags]
    env = rig.environment(TMPDIR=str(folder))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started([*command, "--processes", "2"], cwd=ROOT, env=env, **pipes) as process:
        port = re.search(rb"port (\d+)", process.stdout.readline())
        assert port, process.stderr.read().decode()
        yield process, int(port[1])


def processes_of(server):
    """The serving processes, as descriptors that can be read when they have ended."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return {int(pid): os.pidfd_open(int(pid)) for pid in children}


def wait_for(*descriptors):
    for descriptor in descriptors:
        assert select.select([descriptor], [], [], 30)[0], "a process has not ended"
        os.close(descriptor)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_serving_processes_end_with_the_first_one(bundles, tmp_path, rig, number):
    with serving(bundles, tmp_path, rig) as (server, _):
        assert len(list(tmp_path.iterdir())) == 1
        processes = processes_of(server)
        assert len(processes) == 2
        server.send_signal(number)
        server.wait(30)
        wait_for(*processes.values())
        errors = server.stderr.read().decode()
    assert server.returncode == (-number if number == signal.SIGKILL else 0)
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_a_serving_process_that_is_killed_leaves_nothing(bundles, tmp_path, rig):
    with serving(bundles, tmp_path, rig) as (server, port):
        (first, descriptor), (_, other) = processes_of(server).items()
        os.kill(first, signal.SIGKILL)
        wait_for(descriptor)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            check = health_pb2_grpc.HealthStub(channel).Check
            answer = check(health_pb2.HealthCheckRequest(), timeout=20, wait_for_ready=True)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        server.send_signal(signal.SIGTERM)
        server.wait(30)
        wait_for(other)
    assert server.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_first_process_that_is_killed_while_the_others_start(bundles, tmp_path, rig):
    command = [sys.executable, "-m", "service", "--bundles", bundles, *PORTS, "--processes", "2"]
    env = rig.environment(TMPDIR=str(tmp_path))
    with started(command, cwd=ROOT, env=env, stderr=subprocess.PIPE) as server:
        while len(processes := processes_of(server)) < 2:
            for descriptor in processes.values():
                os.close(descriptor)
        server.kill()
        server.wait(30)
        wait_for(*processes.values())
        errors = server.stderr.read().decode()
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_the_files_of_metrics_have_their_space_from_the_start(bundles, tmp_path, rig):
    """A full disk would otherwise end a process at the first count in a new page."""
    with serving(bundles, tmp_path, rig):
        files = [path.stat() for path in tmp_path.glob("*/*.db")]
    assert len(files) >= 6
    assert [file for file in files if 512 * file.st_blocks < file.st_size] == []
