"""Ctrl-C ends the command at any moment, and the library's `close` always returns."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import interrupt
import numpy as np
import pytest
from processes import finished, started

from residuum_client.v1 import codec_pb2
from residuum_client.v1.codec_pb2_grpc import (
    CodecServiceServicer,
    add_CodecServiceServicer_to_server,
)

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'clients/python'}{os.pathsep}{ROOT}"}


def test_a_client_closes_after_an_interrupt_inside_grpc():
    """gRPC has registered the call, and is interrupted before it starts the thread that ends it."""
    code = """
import grpc._channel
import numpy as np
from residuum_client import Client, Unavailable

def interrupted(state):
    raise KeyboardInterrupt

grpc._channel._run_channel_spin_thread = interrupted
try:
    with Client("127.0.0.1:1", model="m") as client:
        client.encode([np.zeros((4, 4), np.uint8)])
except KeyboardInterrupt:
    pass
try:
    client.encode([np.zeros((4, 4), np.uint8)])
except Unavailable as error:
    print(error)
"""
    done = finished([sys.executable, "-c", code], env=ENVIRONMENT, seconds=20)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"the client of 127.0.0.1:1 is closed\n"


@pytest.mark.slow
@pytest.mark.parametrize("command", interrupt.COMMANDS)
def test_ctrl_c_at_random_moments_ends_a_command(command: str, target: str, tmp_path: Path):
    """Cheap form of `make bench-interrupt`: one Ctrl-C, then two; the limit allows for load."""
    inputs = interrupt.make_inputs(tmp_path, target, 64)
    chance = np.random.default_rng(interrupt.COMMANDS.index(command))
    for again in (None, chance.uniform(0, 0.1)):
        folder = tmp_path / f"interrupted again after {again}"
        folder.mkdir()
        arguments = inputs.arguments(command, folder / "out")
        outcome = interrupt.run(arguments, moment=chance.uniform(0, 1), again=again)
        assert outcome.complaint(limit=30) == ""
        assert interrupt.broken_outputs(folder, inputs.record) == []


class Silent(CodecServiceServicer):
    """Never answers Encode."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def Encode(self, request, context):  # noqa: N802 - the name of the RPC
        over = threading.Event()
        context.add_callback(over.set)
        self.asked.set()
        over.wait(60)
        return codec_pb2.EncodeResponse()


def interruptible(command: list[str]):
    return started(
        command,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def test_ctrl_c_ends_a_command_that_waits_for_its_server(photos: Path, tmp_path: Path):
    silent, server = Silent(), grpc.server(ThreadPoolExecutor(4))
    add_CodecServiceServicer_to_server(silent, server)
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    arguments = ["compress", photos, "--out", tmp_path / "out", "--server", target, "--model", "m"]
    with interruptible([sys.executable, "-m", "residuum_client", *arguments]) as process:
        assert silent.asked.wait(60)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate()
    server.stop(None).wait()
    assert (process.returncode, stdout, stderr) == (130, b"", b"residuum: interrupted\n")


def test_ctrl_c_ends_a_command_whose_work_cannot_be_stopped(
    bundle: Path, photos: Path, tmp_path: Path
):
    code = """
import sys, threading
from residuum_client import Offline
from residuum_client.__main__ import main

def stuck(*arguments, **options):
    print("stuck", flush=True)
    threading.Event().wait()

Offline.compress_each = stuck
sys.exit(main())
"""
    arguments = ["compress", photos, "--out", tmp_path / "out", "--bundle", bundle]
    with interruptible([sys.executable, "-c", code, *arguments]) as process:
        assert process.stdout.readline() == b"stuck\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    assert (process.returncode, stderr) == (130, b"residuum: interrupted\n")
