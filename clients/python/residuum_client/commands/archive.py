"""`residuum archive`: many records of one model in one file."""

from dataclasses import dataclass

import tyro

from residuum_client.commands.archive_add import Add, Create
from residuum_client.commands.archive_extract import Extract
from residuum_client.commands.archive_list import List, Verify
from residuum_client.commands.terminal import Terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Keep many records of one model in one file: create, add, list, extract, verify."""

    action: tyro.conf.OmitSubcommandPrefixes[
        tyro.conf.OmitArgPrefixes[Create | Add | List | Extract | Verify]
    ]

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError, or ResiduumError if no single file is at fault."""
        self.action.run(terminal)
