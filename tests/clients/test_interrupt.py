"""Ctrl-C ends the command at any moment, and the library's `close` always returns."""

import os
import sys
from pathlib import Path

import interrupt
import numpy as np
import pytest
from processes import finished

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


@pytest.mark.parametrize("command", interrupt.COMMANDS)
def test_ctrl_c_at_random_moments_ends_a_command(command: str, target: str, tmp_path: Path):
    """Cheap form of `make bench-interrupt`: one Ctrl-C, then two; the limit allows for load."""
    inputs = interrupt.make_inputs(tmp_path, target, 64)
    chance = np.random.default_rng(interrupt.COMMANDS.index(command))
    for again in (None, chance.uniform(0, 0.1)):
        out = tmp_path / f"out {again}"
        outcome = interrupt.run(
            inputs.arguments(command, out), moment=chance.uniform(0, 1), again=again
        )
        assert outcome.complaint(limit=30) == ""
        assert interrupt.broken_outputs(out, inputs.record) == []
