"""Entry point of the command `residuum`: Ctrl-C is handled before anything slow is imported.

A module outside the package, since Python imports a whole package before any module in it.
"""

import os
import signal

INTERRUPTED = 130


def main() -> int:
    """Runs the command line of the process and returns the exit status."""
    # A shell starts commands in the background with SIGINT ignored, and they keep it so.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _leave)
    # gRPC's C core logs lost connections to stderr, where the command reports them in a sentence.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    _silence_libraries()
    from residuum_client.__main__ import main as run

    return run()


def _silence_libraries() -> None:
    """Keeps warnings and logs of libraries off stderr, which has one line for each failure.

    Python's options and variables for warnings still turn them on.
    """
    import logging
    import sys
    import warnings

    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    # Without any handler, Python prints what libraries log.
    logging.getLogger().addHandler(logging.NullHandler())


def _leave(*_: object) -> None:
    """Ends the process at once. Only while no work is in progress."""
    os.write(2, b"residuum: interrupted\n")
    os._exit(INTERRUPTED)
