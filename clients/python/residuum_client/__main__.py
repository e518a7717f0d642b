"""The command `residuum`.

Exit status: 0 success; 1 a file or the server failed, one line on stderr for each; 2 wrong usage;
130 interrupted. Output files are always complete.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from queue import SimpleQueue

import tyro

from residuum_client.commands import (
    AdminPort,
    Archive,
    Bench,
    Compress,
    Decompress,
    Models,
    Score,
)
from residuum_client.commands.flags import UsageError
from residuum_client.commands.terminal import Terminal
from residuum_client.errors import ResiduumError

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
# Seconds that a command may take to stop after Ctrl-C, its connection included.
GRACE = 1.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line, by default that of the process. Returns the exit status."""
    terminal = Terminal()
    events: SimpleQueue[Future[None] | None] = SimpleQueue()
    with _on_interrupt(lambda: events.put(None)):
        try:
            command = _parse(arguments)
            _run_interruptibly(lambda: command.run(terminal), events, terminal)
        except UsageError as error:
            terminal.complain(f"residuum: {error}")
            return USAGE
        except ResiduumError as error:
            terminal.complain(f"residuum: {error}{terminal.tally.unfinished()}")
        except KeyboardInterrupt:
            terminal.complain(f"residuum: interrupted{terminal.tally.unfinished()}")
            return INTERRUPTED
        except OSError as error:
            if not isinstance(error, BrokenPipeError):  # the reader of stdout knows that it left
                terminal.complain(f"residuum: {_reason(error)}{terminal.tally.unfinished()}")
            # Python would report it again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        return FAILED if terminal.tally.failed else OK


Command = Compress | Decompress | Score | Models | Archive | AdminPort | Bench


def _parse(arguments: Sequence[str] | None) -> Command:
    return tyro.cli(
        Command,
        prog="residuum",
        description="Compress images to records of a few bytes, restore them, and score anomalies.",
        args=arguments,
    )


def _reason(error: OSError) -> str:
    """What is wrong where no file is at fault: those have errors of their own."""
    try:
        os.getcwd()  # noqa: PTH109 - only asked for its error
    except FileNotFoundError:
        return "the current folder was removed"
    return f"the results cannot be written: {error.strerror or error}"


def _run_interruptibly(
    work: Callable[[], None], events: "SimpleQueue[Future[None] | None]", terminal: Terminal
) -> None:
    """Runs `work` in a thread, so that Ctrl-C never raises an exception inside gRPC.

    None in `events` is a Ctrl-C: the work then ends at its next file, or when its server connection
    is closed, with KeyboardInterrupt. If it takes longer than GRACE, the process ends at once.
    """
    executor = ThreadPoolExecutor(1, thread_name_prefix="command")
    done = executor.submit(work)
    done.add_done_callback(events.put)
    executor.shutdown(wait=False)
    if events.get() is None:
        deadline = time.monotonic() + GRACE
        terminal.stop()
        if wait([done], max(0.0, deadline - time.monotonic())).not_done:
            terminal.complain(f"residuum: interrupted{terminal.tally.unfinished()}")
            os._exit(INTERRUPTED)
        if done.exception():
            raise KeyboardInterrupt
    done.result()


@contextmanager
def _on_interrupt(handler: Callable[[], None]) -> Iterator[None]:
    """Calls `handler` for each Ctrl-C, unless the process ignores Ctrl-C.

    Afterwards the process ignores Ctrl-C if it has a handler other than Python's: that is the one
    of `residuum_command`, which is only for the time before.
    """
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or previous is signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: handler())
    try:
        yield
    finally:
        is_default = previous is signal.default_int_handler
        signal.signal(signal.SIGINT, previous if is_default else signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
