"""A server as a command, with all that it writes."""

import io
import json
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from PIL import Image
from processes import started

from service.settings import PREFIX

ROOT = Path(__file__).parents[3]
PORTS = ("--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--metrics-port", "0")


class JsonServer:
    """A server that writes JSON; `lines` are all that it has written so far."""

    def __init__(self, process):
        self.process = process
        self.lines = []
        self.ready = self.wait_for("model is ready")

    def wait_for(self, message):
        """The next line with this message."""
        for text in self.process.stdout:
            self.lines.append(json.loads(text))
            if self.lines[-1]["message"] == message:
                return self.lines[-1]
        raise AssertionError(self.lines)

    def channel(self, port="port"):
        return grpc.insecure_channel(f"127.0.0.1:{self.ready[port]}")

    def stop(self):
        """Ends the server; gives all lines."""
        self.process.send_signal(signal.SIGTERM)
        self.lines += map(json.loads, self.process.stdout)
        assert self.process.wait() == 0
        return self.lines


@pytest.fixture
def json_server():
    """Starts servers with --log-format json."""

    @contextmanager
    def run(bundles, *arguments, **variables):
        inherited = {name: text for name, text in os.environ.items() if name[:9] != PREFIX}
        flags = ["--bundles", bundles, *PORTS, "--log-format", "json", *arguments]
        with started(
            [sys.executable, "-m", "service", *flags],
            cwd=ROOT,
            env={**inherited, **variables},
            stdout=-1,
            stderr=-2,
        ) as process:
            yield JsonServer(process)

    return run


@pytest.fixture
def picture_bytes(pictures):
    """A PNG file of 16 x 16 gray pixels."""
    file = io.BytesIO()
    Image.fromarray(pictures(1)[0, ..., 0]).save(file, "png")
    return file.getvalue()
