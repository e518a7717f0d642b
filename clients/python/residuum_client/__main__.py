"""The command `residuum`.

Exit status: 0 all well; 1 a file or the server failed, one line on stderr for each; 2 the command
line makes no sense; 130 interrupted. What an output file holds is always complete.
"""

import os
import sys
from collections.abc import Sequence

import tyro

from residuum_client.commands.archive import Archive
from residuum_client.commands.compress import Compress
from residuum_client.commands.decompress import Decompress
from residuum_client.commands.models import Models
from residuum_client.commands.score import Score
from residuum_client.commands.source import UsageError
from residuum_client.commands.terminal import Terminal
from residuum_client.errors import ResiduumError

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command, by default that of the process; gives the exit status."""
    command = tyro.cli(
        Compress | Decompress | Score | Models | Archive,
        prog="residuum",
        description="Images to records of a few bytes and back, and how anomalous they are.",
        args=arguments,
    )
    terminal = Terminal()
    try:
        command.run(terminal)
    except UsageError as error:
        terminal.complain(f"residuum: {error}")
        return USAGE
    except ResiduumError as error:
        terminal.complain(f"residuum: {error}")
    except KeyboardInterrupt:
        terminal.complain("residuum: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone; Python would complain again while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return FAILED if terminal.failures else OK


if __name__ == "__main__":
    sys.exit(main())
