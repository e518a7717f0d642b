"""`residuum admin`: the models of a server, on its admin port."""

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Annotated

import tyro

from residuum_client.admin import Admin
from residuum_client.commands.flags import ServerFlags, UsageError, usage_errors
from residuum_client.commands.models import COLUMNS, cells, fields
from residuum_client.commands.terminal import Terminal
from residuum_client.errors import BundleError, InvalidInput, UnknownModel


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminFlags(ServerFlags):
    """The admin port of a server: --server HOST:PORT, and how to show it who calls."""

    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON lines instead of sentences."""

    def open(self, terminal: Terminal) -> Admin:
        """The admin port, closed when the command is stopped. Raises UsageError."""
        if not self.server:
            raise UsageError("a server is needed: --server HOST:PORT, with its admin port")
        with usage_errors():
            admin = Admin(self.server, timeout=self.timeout, **self.access())
        terminal.on_stop(admin.close)
        return admin


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Load bundles; each replaces a loaded model of the same name and version."""

    bundles: tyro.conf.Positional[tuple[str, ...]]
    """Names of folders or .tar files in the server's folder of bundles."""
    flags: tyro.conf.OmitArgPrefixes[AdminFlags] = field(default_factory=AdminFlags)

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError, or ResiduumError if no single bundle is at fault."""
        if not self.bundles:
            raise UsageError("no bundle was given")
        with self.flags.open(terminal) as admin:
            for bundle in self.bundles:
                try:
                    # A shell that completes the names of folders appends a slash.
                    model = admin.load(bundle.rstrip("/") or bundle)
                except (BundleError, InvalidInput, UnknownModel) as error:
                    terminal.fail(PurePath(bundle), error.reason)
                    continue
                terminal.tally.done += 1
                sentence = f"loaded {model.name} {model.version} on {model.provider}"
                result = {"loaded": bundle, **fields(model)}
                terminal.line(sentence, result, as_json=self.flags.json)
        terminal.summarise()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unload:
    """Unload a model; calls that use it finish."""

    model: tyro.conf.Positional[str]
    """Name of the model."""
    version: str = ""
    """Its version; the newest by default."""
    flags: tyro.conf.OmitArgPrefixes[AdminFlags] = field(default_factory=AdminFlags)

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError or ResiduumError."""
        with self.flags.open(terminal) as admin:
            admin.unload(self.model, self.version)
            sentence = " ".join(filter(None, ("unloaded", self.model, self.version)))
            result: dict[str, object] = {"unloaded": self.model, "version": self.version}
            terminal.line(sentence, result, as_json=self.flags.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListModels:
    """List the models."""

    flags: tyro.conf.OmitArgPrefixes[AdminFlags] = field(default_factory=AdminFlags)

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError or ResiduumError."""
        with (
            self.flags.open(terminal) as admin,
            terminal.report(COLUMNS, as_json=self.flags.json) as report,
        ):
            for model in admin.models():
                report.add(cells(model), fields(model))


Action = Load | Unload | Annotated[ListModels, tyro.conf.subcommand("list")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _AdminPort:
    """Load, unload and list the models of a server, on its admin port."""

    action: tyro.conf.OmitSubcommandPrefixes[tyro.conf.OmitArgPrefixes[Action]]

    def run(self, terminal: Terminal) -> None:
        """Runs the command. Raises UsageError or ResiduumError."""
        self.action.run(terminal)


AdminPort = Annotated[_AdminPort, tyro.conf.subcommand("admin")]
