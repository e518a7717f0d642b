"""Signals that end a process, as something to wait for."""

import os
import signal


def catch(*numbers: signal.Signals) -> int:
    """A file descriptor that can be read after the first of these signals.

    The interpreter writes each signal to a pipe, in whichever thread it arrives. `signal.sigwait`
    would need the signals blocked in all threads, and numpy starts one when it is imported. Setting
    a `threading.Event` in a handler could deadlock with the wait that the handler interrupts.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in numbers:
        signal.signal(number, lambda _number, _frame: None)
    return reader
