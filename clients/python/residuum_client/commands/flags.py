"""Options that several commands share: where the model is, and how images are encoded."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import tyro

from residuum_client.backend import Backend
from residuum_client.client import Client
from residuum_client.commands.terminal import Terminal
from residuum_client.errors import InvalidInput
from residuum_client.offline import Offline
from residuum_client.options import EncodeOptions, check_options, check_value


class UsageError(Exception):
    """The command line contradicts itself or lacks something; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Either a server and the name of a model, or a bundle."""

    server: str = ""
    """HOST:PORT of a server."""
    model: str = ""
    """Name of the model on the server."""
    version: str = ""
    """Version of the model on the server; the newest by default."""
    ca: Path | None = None
    """PEM file of the authority that certifies the server; without it, nothing is encrypted."""
    timeout: float = 60.0
    """Seconds that the server may take for one message."""
    bundle: Path | None = None
    """Bundle (folder or tar) to open in place of a server."""

    def open(self, terminal: Terminal, *, any_model: bool = False) -> Backend:
        """The model, closed when the command is stopped.

        `any_model` is for commands that need no model of the server. Raises UsageError, or
        ResiduumError for the bundle.
        """
        self._check(any_model)
        backend = self._client() if self.bundle is None else Offline(self.bundle)
        terminal.on_stop(backend.close)
        return backend

    def _client(self) -> Client:
        with usage_errors():
            return Client(
                self.server,
                model=self.model,
                version=self.version,
                timeout=self.timeout,
                credentials=None if self.ca is None else _credentials(self.ca),
            )

    def _check(self, any_model: bool) -> None:
        of_a_server = {"--server": self.server, "--model": self.model, "--version": self.version}
        given = [name for name, value in of_a_server.items() if value]
        if self.bundle is not None and given:
            raise UsageError(f"--bundle works without a server; leave out {' and '.join(given)}")
        if self.bundle is None and not (self.server and (self.model or any_model)):
            raise UsageError("a model is needed: --server HOST:PORT --model NAME or --bundle PATH")
        with usage_errors():
            check_value("timeout", self.timeout, spell=flag)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeFlags:
    """At most one of the first three; without any, the model's default quality."""

    quality: int | None = None
    """Quality level from 0, the coarsest, up; the model's default if left out."""
    target_bytes: int | None = None
    """Most bytes of each record, its evidence not counted."""
    target_psnr: float | None = None
    """Lowest PSNR of each image, dB."""
    evidence: tyro.conf.FlagCreatePairsOff[bool] = False
    """Keep the anomalous regions of anomalous images losslessly in their records."""
    false_alarm_rate: float | None = None
    """With --evidence: share of normal images that may be flagged; the model's by default."""

    def options(self) -> EncodeOptions:
        """The keywords of `encode` and `compress`. Raises UsageError for what no model takes."""
        options = EncodeOptions(
            quality=self.quality,
            target_bytes=self.target_bytes,
            target_psnr=self.target_psnr,
            evidence=self.evidence,
            false_alarm_rate=self.false_alarm_rate,
        )
        with usage_errors():
            check_options(options, spell=flag)
        return options


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFlags:
    """What becomes of outputs that exist; without either, they are kept and their inputs fail."""

    force: tyro.conf.FlagCreatePairsOff[bool] = False
    """Overwrite files that exist."""
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Skip what was done before: the files whose outputs exist."""

    def check(self) -> None:
        """Raises UsageError for both."""
        if self.force and self.resume:
            raise UsageError("--force and --resume are given, expected at most one of them")


@contextmanager
def usage_errors() -> Iterator[None]:
    """Raises InvalidInput as UsageError."""
    try:
        yield
    except InvalidInput as error:
        raise UsageError(str(error)) from error


def flag(name: str) -> str:
    """An option as the user types it: target_bytes is --target-bytes."""
    return f"--{name.replace('_', '-')}"


def _credentials(path: Path) -> grpc.ChannelCredentials:
    try:
        return grpc.ssl_channel_credentials(root_certificates=path.read_bytes())
    except OSError as error:
        raise UsageError(f"--ca {path} cannot be read: {error.strerror}") from error
