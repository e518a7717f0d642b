"""Starts the serving processes, replaces those that end, and keeps their models equal."""

import logging
import math
import os
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import final

from protos.residuum.v1 import models_pb2 as pb
from service.server.commands import Method, Start
from service.server.heartbeat import HUNG_SECONDS, LATE_SECONDS
from service.settings import Settings
from service.status import Unavailable
from service.supervisor.serving_process import CommandFailed, ServingProcess, StartError

_LOG = logging.getLogger(__name__)
# A process that ends this soon is replaced later each time, up to the longest pause; seconds.
_STABLE_SECONDS, _SHORTEST_PAUSE, _LONGEST_PAUSE = 10.0, 0.1, 10.0
# How much longer than the drain a process may take to end, seconds.
_JOIN_SECONDS = 5.0
# How long a command that is in progress is waited for, before signals are looked at again.
_LOCK_SECONDS = 0.1


@final
class Supervisor:
    """The serving processes on one port, and the models that they have loaded.

    They keep their metrics in files in a folder.
    """

    def __init__(self, settings: Settings, port: int, metrics: Path) -> None:
        self._settings = settings
        self._port = port
        self._metrics = metrics
        self._processes: list[ServingProcess] = []
        self._models: dict[str, pb.Model] = {}
        # Held while models or processes change.
        self._changing = threading.Lock()
        self._restart_at = math.inf
        self._pause = _SHORTEST_PAUSE
        self._draining = False
        self.restarts = 0

    def start(self) -> None:
        """Starts the processes, which load all bundles."""
        self._processes = [self._started_process() for _ in range(process_count(self._settings))]

    def wait_until_ready(self, terminated: int | None) -> bool:
        """Whether every process became ready before the file descriptor could be read.

        Raises StartError.
        """
        for process in self._processes:
            if terminated is not None and terminated in wait([terminated, process.pipe]):
                return False
            process.read_start()
        self._models = dict(self._processes[0].models or {})
        return True

    def ready(self, name: str = "", version: str = "") -> bool:
        """Whether a process is ready, and has a model of this name and version if one is given."""
        models = [
            model
            for model in self.models()
            if model.name == name and version in {"", model.version}
        ]
        return bool(self.ready_processes() and (models or not name) and not self._draining)

    def ready_processes(self) -> list[ServingProcess]:
        """The processes that serve."""
        return [
            one
            for one in self._processes
            if one.models is not None and one.alive and one.seconds_silent() < LATE_SECONDS
        ]

    def models(self) -> list[pb.Model]:
        """The models that are served."""
        ready = self.ready_processes()
        lacked = {name for name in self._models if ready and all(p.lacks(name) for p in ready)}
        return [model for name, model in self._models.items() if name not in lacked]

    def watch(self, terminated: int) -> None:
        """Replaces processes that end or hang, until the file descriptor can be read."""
        while True:
            alive = [one for one in self._processes if one.alive]
            starting = [one.pipe for one in alive if one.models is None]
            sentinels = [one.sentinel for one in alive]
            changed = wait([terminated, *starting, *sentinels], self._longest_wait(alive))
            if terminated in changed:
                return
            self._kill_hung(alive)
            # A command to a process that hangs keeps the lock until that process is killed.
            if self._changing.acquire(timeout=_LOCK_SECONDS):
                try:
                    self._note_started(changed)
                    self._replace_ended()
                finally:
                    self._changing.release()

    def _longest_wait(self, alive: Sequence[ServingProcess]) -> float | None:
        """Seconds until something is to do; None if that is as long as nothing happens."""
        pause = self._restart_at - time.monotonic()
        if len(alive) < len(self._processes) and math.isinf(pause):
            # One has ended since its sentinel said so: a process closes its files before.
            pause = 0.0
        hung = min((HUNG_SECONDS - one.seconds_silent() for one in alive), default=math.inf)
        seconds = max(0.0, min(pause, hung))
        return None if math.isinf(seconds) else seconds

    def _kill_hung(self, alive: Sequence[ServingProcess]) -> None:
        for process in alive:
            silent = process.seconds_silent()
            if silent >= HUNG_SECONDS:
                _LOG.error("process %d is killed: no heartbeat for %.0f s", process.pid, silent)
                process.kill()

    def drain(self, seconds: float) -> None:
        """Lets all processes finish their calls for up to `seconds`, and ends them."""
        self._draining = True
        for process in self._processes:
            process.drain()
        end = time.monotonic() + seconds + _JOIN_SECONDS
        for process in self._processes:
            process.join(max(0.0, end - time.monotonic()))
        self._processes = []

    def load(self, request: pb.LoadModelRequest) -> pb.LoadModelResponse:
        """Loads a bundle in every process. Raises CommandFailed, and Unavailable."""
        with self._changing:
            answer = self._ask_all(Method.LOAD, request.SerializeToString())
            response = pb.LoadModelResponse.FromString(answer)
            loaded = response.model
            others = {
                bundle: model
                for bundle, model in self._models.items()
                if (model.name, model.version) != (loaded.name, loaded.version)
            }
            self._models = {**others, request.bundle: loaded}
            for process in self.ready_processes():
                process.note_loaded(request.bundle, loaded)
            return response

    def unload(self, request: pb.UnloadModelRequest) -> pb.UnloadModelResponse:
        """Unloads a model in every process. Raises CommandFailed, and Unavailable."""
        with self._changing:
            ref = request.model
            listed = pb.ListModelsResponse.FromString(self.ask_one(Method.LIST))
            versions = [model.version for model in listed.models if model.name == ref.name]
            if versions and not ref.version:
                ref.version = versions[-1]
            self._ask_all(Method.UNLOAD, request.SerializeToString())
            self._models = {
                bundle: model
                for bundle, model in self._models.items()
                if (model.name, model.version) != (ref.name, ref.version)
            }
            return pb.UnloadModelResponse()

    def ask_one(self, method: Method, request: bytes = b"") -> bytes:
        """The answer of a process that is ready. Raises CommandFailed, and Unavailable."""
        for process in self.ready_processes():
            return process.ask(method, request)
        raise Unavailable("no serving process is ready; retry later")

    def _ask_all(self, method: Method, request: bytes) -> bytes:
        """The answer of the first process; another that does not answer the same is replaced."""
        processes = self.ready_processes()
        answer = self.ask_one(method, request)
        for process in processes[1:]:
            try:
                process.ask(method, request)
            except (CommandFailed, Unavailable) as error:
                _LOG.error("process %d is replaced: %s", process.pid, error)
                process.drain()
        return answer

    def _note_started(self, changed: Sequence[object]) -> None:
        for process in self._processes:
            if process.models is None and process.pipe in changed:
                try:
                    process.read_start()
                except StartError as error:
                    _LOG.error("%s", error)
                else:
                    if process.start.bundles != self._loaded_bundles():
                        process.drain()  # the models changed while it started

    def _loaded_bundles(self) -> dict[str, bytes]:
        """The digests of the bundles by their names."""
        return {bundle: model.bundle_digest for bundle, model in self._models.items()}

    def _all_are_served(self) -> bool:
        """Whether a process has all models."""
        return any(not any(map(one.lacks, self._models)) for one in self.ready_processes())

    def _replace_ended(self) -> None:
        ended = [one for one in self._processes if not one.alive]
        now = time.monotonic()
        if not ended:
            return
        if math.isinf(self._restart_at):
            stable = all(one.seconds_ready > _STABLE_SECONDS for one in ended)
            self._pause = _SHORTEST_PAUSE if stable else min(2 * self._pause, _LONGEST_PAUSE)
            self._restart_at = now + self._pause
            for one in ended:
                _LOG.error("process %d has ended; starting another", one.pid)
        elif now >= self._restart_at:
            self._restart_at = math.inf
            for one in ended:
                one.join(0)
                self.restarts += 1
                self._processes[self._processes.index(one)] = self._started_process(
                    # If no other serves, some of the models are better than none.
                    bundles=self._loaded_bundles(),
                    complete=self._all_are_served(),
                )

    def _started_process(
        self, bundles: Mapping[str, bytes] | None = None, *, complete: bool = True
    ) -> ServingProcess:
        return ServingProcess(
            Start(self._settings, self._port, bundles, complete=complete), self._metrics
        )


def process_count(settings: Settings) -> int:
    """The number of serving processes: one per usable core, or thread of a graph, for auto."""
    if settings.processes != "auto":
        return settings.processes
    return max(1, min(len(os.sched_getaffinity(0)), cpu_quota()) // settings.threads)


def cpu_quota() -> int:
    """The cores that the control group of this process may use, at least 1."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):  # no limit reads "max"
        return os.cpu_count() or 1
