"""Two servers, stopped and started again in turn while clients call: no call fails."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from processes import started

from residuum_client import Client, ResiduumError

ROOT = Path(__file__).parents[3]
RESTARTS, CALLERS, CALLS_BETWEEN = 2, 4, 40


def free_ports(count):
    """Ports that nobody listens on."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in held]


def server(bundles, port):
    """A server on a port, when it is ready."""
    address = ["--host", "127.0.0.1", "--port", str(port), "--admin-port", "0"]
    return started(
        [sys.executable, "-m", "service", "--bundles", bundles, *address, "--metrics-port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )


class Callers:
    """Threads that call until they are stopped, and what became of their calls."""

    def __init__(self, client, images):
        self.failures, self._done = Counter(), 0
        self._client, self._images = client, images
        self._changed, self._stopped = threading.Condition(), False
        self._threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]

    def _call(self):
        while not self._stopped:
            try:
                self._client.encode(self._images)
            except ResiduumError as error:
                self.failures[str(error)] += 1
            with self._changed:
                self._done += 1
                self._changed.notify_all()

    def wait(self, calls):
        """Waits until this number of further calls has ended."""
        with self._changed:
            wanted = self._done + calls
            assert self._changed.wait_for(lambda: self._done >= wanted, timeout=60)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopped = True
        for thread in self._threads:
            thread.join()


def test_no_call_fails_while_servers_are_replaced(bundles):
    ports = free_ports(2)
    images = list(np.random.default_rng(0).integers(0, 255, (4, 16, 16, 1), np.uint8))
    target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    with ExitStack() as stack:
        running = [stack.enter_context(server(bundles, port)) for port in ports]
        for process in running:
            assert process.stdout.readline()
        with Client(target, model="tiny", timeout=30) as client, Callers(client, images) as callers:
            for number in range(RESTARTS):
                callers.wait(CALLS_BETWEEN)
                place = number % 2
                os.kill(running[place].pid, signal.SIGTERM)
                assert running[place].wait(60) == 0
                running[place] = stack.enter_context(server(bundles, ports[place]))
                assert running[place].stdout.readline()
            callers.wait(CALLS_BETWEEN)
    assert callers.failures == {}
