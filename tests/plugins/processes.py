"""Child processes that cannot outlive their test: a session each, killed whole at a deadline."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Any

# Far more than any command of a test needs, far less than the time limit of a test.
SECONDS = 60.0

Argument = str | PathLike[str]


@contextlib.contextmanager
def started(
    command: Sequence[Argument], *, seconds: float = SECONDS, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A child process in a new session, killed with all its children at the end.

    After `seconds` the whole process group is killed, which also ends reads from its pipes. The
    other options are those of `subprocess.Popen`.
    """
    process = subprocess.Popen(
        [os.fspath(argument) for argument in command], start_new_session=True, **options
    )
    deadline = threading.Timer(seconds, _kill_group, (process.pid,))
    deadline.daemon = True
    deadline.start()
    try:
        yield process
    finally:
        _kill_group(process.pid)
        process.wait()
        deadline.cancel()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def finished(
    command: Sequence[Argument], *, seconds: float = SECONDS, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """The result of a command with its stdout and stderr. Raises TimeoutError at the deadline."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    with started(command, seconds=seconds, **options) as process:
        stdout, stderr = process.communicate()
    if process.returncode == -signal.SIGKILL:
        raise TimeoutError(f"{command} was killed after {seconds:g} s; stderr: {stderr!r}")
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
