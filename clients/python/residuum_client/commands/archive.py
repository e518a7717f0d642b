"""`residuum archive`: very many records of one model in one file."""

from dataclasses import dataclass

import tyro

from residuum_client.commands.archive_add import Add, Create
from residuum_client.commands.archive_read import Extract, List, Verify
from residuum_client.commands.terminal import Terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Keep very many records of one model in one file: create, add, list, extract, verify."""

    action: tyro.conf.OmitSubcommandPrefixes[
        tyro.conf.OmitArgPrefixes[Create | Add | List | Extract | Verify]
    ]

    def run(self, terminal: Terminal) -> None:
        """Does it. Raises UsageError, or ResiduumError where no single file is at fault."""
        self.action.run(terminal)
