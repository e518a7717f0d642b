"""A serving process as the supervisor sees it: the process and the pipe to it."""

import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import final

from prometheus_client.multiprocess import mark_process_dead

from codec.errors import ResiduumError
from protos.residuum.v1.models_pb2 import Model
from service.log import configure_log
from service.server.commands import Command, Method, Started, StartFailed
from service.settings import Settings
from service.status import Failure, Unavailable

# A new interpreter: gRPC and onnxruntime do not work after a fork of a process with threads.
_CONTEXT = multiprocessing.get_context("spawn")
# Where prometheus_client keeps metrics in files, if this is set when it is imported. It must not be
# set for the supervisor, so one process at a time is started with it.
_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_STARTING = threading.Lock()
_LOG = logging.getLogger(__name__)


class StartError(Exception):
    """A serving process could not start; the message says why."""


class CommandFailed(ResiduumError):
    """A serving process answered with an error."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@final
class ServingProcess:
    """Starts a process that loads these bundles, by default all of the folder.

    It keeps its metrics in files in the folder `metrics`.
    """

    def __init__(
        self, settings: Settings, port: int, bundles: Sequence[str] | None, metrics: Path
    ) -> None:
        self._metrics = metrics
        self.pipe, other = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(
            target=_run, args=(settings, port, bundles, other), name="residuum-serve"
        )
        with _STARTING:
            os.environ[_METRICS_FOLDER] = str(metrics)
            self._process.start()
            del os.environ[_METRICS_FOLDER]
        other.close()
        self._asking = threading.Lock()
        self.started_at = time.monotonic()
        # Descriptions of its models by the names of their bundles; None until it is ready.
        self.models: dict[str, Model] | None = None

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid or 0

    @property
    def sentinel(self) -> int:
        """What multiprocessing.connection.wait takes: it is ready when the process has ended."""
        return self._process.sentinel

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive()

    def read_start(self) -> None:
        """Reads whether it has started. Raises StartError if it could not."""
        try:
            message: Started | StartFailed = self.pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            raise StartError(
                f"a serving process ended with status {self._process.exitcode} while it started"
            ) from None
        if isinstance(message, StartFailed):
            raise StartError(message.sentence)
        self.models = {name: Model.FromString(data) for name, data in message.models.items()}

    def ask(self, method: Method, request: bytes = b"") -> bytes:
        """The answer to a command. Raises CommandFailed, and Unavailable."""
        try:
            with self._asking:
                self.pipe.send(Command(method, request))
                answer: bytes | Failure = self.pipe.recv()
        except (EOFError, OSError):
            raise Unavailable("a serving process ended; retry later") from None
        if isinstance(answer, Failure):
            raise CommandFailed(answer)
        return answer

    def drain(self) -> None:
        """Asks it to finish its calls and to end, without waiting for that."""
        try:
            with self._asking:
                self.pipe.send(Command(Method.DRAIN))
        except OSError:
            _LOG.debug("process %d has ended already", self.pid)

    def join(self, seconds: float) -> None:
        """Waits until it has ended; kills it after these seconds."""
        self._process.join(seconds)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.pipe.close()
        mark_process_dead(self.pid, str(self._metrics))  # type: ignore[no-untyped-call]


def _run(
    settings: Settings, port: int, bundles: Sequence[str] | None, supervisor: Connection
) -> None:
    # Here, since the supervisor needs neither onnxruntime nor the codec.
    from service.server.process import run

    configure_log(settings.log_format)
    run(settings, port, bundles, supervisor)
