"""A serving process as the supervisor sees it: the process and the pipe to it."""

import contextlib
import logging
import math
import os
import subprocess
import sys
import threading
import time
from multiprocessing import Pipe
from pathlib import Path
from typing import final

from prometheus_client.multiprocess import mark_process_dead

from codec.errors import ResiduumError
from protos.residuum.v1.models_pb2 import Model
from service.server.commands import Command, Method, Start, Started, StartFailed
from service.server.metrics_files import FOLDER, shrink_files
from service.status import Failure, Unavailable

_LOG = logging.getLogger(__name__)


class StartError(Exception):
    """The server or a serving process could not start; the message says why."""


class CommandFailed(ResiduumError):
    """A serving process answered with an error."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@final
class ServingProcess:
    """Starts a process, which keeps its metrics in files in the folder `metrics`."""

    def __init__(self, start: Start, metrics: Path) -> None:
        self.start = start
        self._metrics = metrics
        self.pipe, other = Pipe()
        # The process has the other end: it writes heartbeats, and the end closes when it ends.
        self.sentinel, heartbeats = os.pipe()
        os.set_blocking(self.sentinel, False)
        # A new interpreter, since gRPC and onnxruntime do not work after a fork of a process with
        # threads. Ctrl-C in a terminal reaches the supervisor only.
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "service.server.process", str(other.fileno()), str(heartbeats)],
            env={
                # By default glibc keeps freed memory in eight arenas per core.
                "MALLOC_ARENA_MAX": "2",
                **os.environ,
                "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
                FOLDER: str(metrics),
            },
            pass_fds=[other.fileno(), heartbeats],
            start_new_session=True,
        )
        other.close()
        os.close(heartbeats)
        self.pipe.send(start)
        self._asking, self._sending = threading.Lock(), threading.Lock()
        self._reading = threading.Lock()
        # Descriptions of its models by the names of their bundles; None until it is ready.
        self.models: dict[str, Model] | None = None
        self._ready_at = math.inf
        self._last_heartbeat = math.inf

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def seconds_ready(self) -> float:
        """For how long it has been ready; negative before."""
        return time.monotonic() - self._ready_at

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def seconds_silent(self) -> float:
        """For how long there was no heartbeat; negative before it is ready."""
        with self._reading, contextlib.suppress(BlockingIOError):
            if self.sentinel >= 0 and os.read(self.sentinel, 4096):
                self._last_heartbeat = time.monotonic()
        return time.monotonic() - self._last_heartbeat

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()
        self._last_heartbeat = math.inf

    def note_loaded(self, bundle: str, model: Model) -> None:
        """It has loaded a bundle since it started."""
        self.models = {**(self.models or {}), bundle: model}

    def lacks(self, bundle: str) -> bool:
        """Whether it could not load this bundle when it started."""
        return bundle in (self.start.bundles or {}) and bundle not in (self.models or {})

    def read_start(self) -> None:
        """Reads whether it has started. Raises StartError if it could not."""
        try:
            message: Started | StartFailed = self.pipe.recv()
        except (EOFError, OSError):
            status = self._process.wait()
            raise StartError(
                f"a serving process ended with status {status} while it started"
            ) from None
        if isinstance(message, StartFailed):
            raise StartError(message.sentence)
        self._ready_at = self._last_heartbeat = time.monotonic()
        self.models = {name: Model.FromString(data) for name, data in message.models.items()}

    def ask(self, method: Method, request: bytes = b"") -> bytes:
        """The answer to a command. Raises CommandFailed, and Unavailable."""
        try:
            with self._asking:
                self._send(Command(method, request))
                answer: bytes | Failure = self.pipe.recv()
        except (EOFError, OSError):
            raise Unavailable("a serving process ended; retry later") from None
        if isinstance(answer, Failure):
            raise CommandFailed(answer)
        return answer

    def drain(self) -> None:
        """Asks it to finish its calls and to end, without waiting for that."""
        with contextlib.suppress(OSError):  # it may have ended
            self._send(Command(Method.DRAIN))

    def join(self, seconds: float) -> None:
        """Waits until it has ended; kills it after these seconds."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            _LOG.warning("process %d is killed: it has not ended", self.pid)
            self._process.kill()
            self._process.wait()
        self.pipe.close()
        with self._reading:
            os.close(self.sentinel)
            self.sentinel = -1
        mark_process_dead(self.pid, str(self._metrics))  # type: ignore[no-untyped-call]
        shrink_files(self._metrics, self.pid)

    def _send(self, command: Command) -> None:
        """Sends a command, also while another thread waits for the answer to an earlier one."""
        with self._sending:
            self.pipe.send(command)
