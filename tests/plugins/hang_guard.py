"""No test can hang the suite: a hard limit that kills the test with all its child processes.

pytest-timeout raises an exception in the test when `timeout` seconds are over. A test that blocks
again while it cleans up, for example in `Popen.__exit__`, survives that. `hang_grace` seconds
later this plugin writes the stack of every thread, kills every process that the test has started,
and ends its own process: with pytest-xdist the test is reported as crashed and the other tests
go on in a new worker; without it the run ends there, with the name of the test.
"""

import faulthandler
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

# Set for all child processes, so that orphans are found too.
TAG = "PYTEST_HANG_GUARD"
# Seconds for fixtures of the session, threads and atexit handlers once the last test is done.
SHUTDOWN = 60
# If a thread holds the interpreter's lock, faulthandler ends the process this much later.
FALLBACK = 10
EXIT_STATUS = 3


class HangGuard:
    """A thread that ends the process when a deadline passes."""

    def __init__(self) -> None:
        self.stderr = os.dup(2)  # the real one: pytest captures from here on
        self.changed = threading.Condition()
        self.name, self.seconds, self.deadline = "", 0.0, math.inf
        os.environ[TAG] = str(os.getpid())
        threading.Thread(target=self._watch, name="hang guard", daemon=True).start()

    def arm(self, name: str, seconds: float) -> None:
        with self.changed:
            self.name, self.seconds, self.deadline = name, seconds, time.monotonic() + seconds
            self.changed.notify()
        faulthandler.dump_traceback_later(seconds + FALLBACK, exit=True, file=self.stderr)

    def disarm(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        with self.changed:
            self.deadline = math.inf
            self.changed.notify()

    def stop_if_ending(self) -> None:
        """Blocks for good if the process is about to end: killed children may free the test."""
        with self.changed:
            pass

    def _watch(self) -> None:
        with self.changed:
            while (left := self.deadline - time.monotonic()) > 0:
                self.changed.wait(min(left, threading.TIMEOUT_MAX))
            self._end()

    def _end(self) -> None:
        line = f"hang guard: {self.name} did not end within {self.seconds:g} s"
        os.write(self.stderr, f"\n{line}; it is killed with its child processes\n".encode())
        faulthandler.dump_traceback(self.stderr, all_threads=True)
        kill_started_by(os.getpid())
        os.write(self.stderr, f"{line}; this process ends\n".encode())
        os._exit(EXIT_STATUS)


def kill_started_by(pid: int) -> None:
    """Kills the descendants of a process, and the orphans among them by the tag they inherited."""
    for _ in range(5):  # a process may start others while it is being killed
        victims = _started_by(pid)
        if not victims:
            return
        for victim in victims:
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)


def _started_by(pid: int) -> set[int]:
    """Process ids; none without /proc."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if stat[0] != "Z":  # a zombie is dead already
            parents[int(folder.name)] = int(stat[1])
            if f"{TAG}={pid}".encode() in environment:
                found.add(int(folder.name))
    found.add(pid)
    while children := {child for child, parent in parents.items() if parent in found} - found:
        found |= children
    return found - {pid}


GUARD = pytest.StashKey[HangGuard]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("hang_grace", "seconds after `timeout` until a test is killed", default="20")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[GUARD] = HangGuard()


def _limit(item: pytest.Item) -> float:
    """Seconds that pytest-timeout allows the test; 0 for no limit."""
    marker = item.get_closest_marker("timeout")
    if marker and marker.args:
        return float(marker.args[0])
    option = item.config.getoption("timeout")
    return float(item.config.getini("timeout") or 0) if option is None else float(option)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    guard, limit = item.config.stash[GUARD], _limit(item)
    if limit > 0:
        guard.arm(item.nodeid, limit + float(item.config.getini("hang_grace")))
    try:
        return (yield)
    finally:
        guard.disarm()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> None:
    item.config.stash[GUARD].stop_if_ending()


def pytest_enter_pdb(config: pytest.Config) -> None:
    config.stash[GUARD].disarm()


def pytest_sessionfinish(session: pytest.Session) -> None:
    # A worker of pytest-xdist may wait for the others for longer; xdist ends it when they are done.
    if not hasattr(session.config, "workerinput"):
        session.config.stash[GUARD].arm("the end of the run", SHUTDOWN)
