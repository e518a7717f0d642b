"""Options that several commands share: where the model is, and how images are encoded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import grpc
import tyro

from residuum_client.backend import Backend
from residuum_client.client import Client
from residuum_client.commands.terminal import Terminal
from residuum_client.errors import InvalidInput
from residuum_client.offline import Offline
from residuum_client.options import EncodeOptions, check_options, check_value
from residuum_client.transport import Token, read_tls

# The most bytes of a file with a token.
MAX_TOKEN_BYTES = 1 << 16


class UsageError(Exception):
    """The command line contradicts itself or lacks something; the message says what."""


class AccessOptions(TypedDict):
    """The keywords of clients that say who calls."""

    credentials: grpc.ChannelCredentials | None
    token: Token | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFlags:
    """A server, and how to show it who calls."""

    server: str = ""
    """HOST:PORT of a server; several with commas between them take turns."""
    ca: Path | None = None
    """PEM file of the authority that certifies the server; without it, nothing is encrypted."""
    client_cert: Path | None = None
    """PEM file of the certificate that the server asks for; needs --client-key and --ca."""
    client_key: Path | None = None
    """PEM file of the key of --client-cert."""
    token_file: Path | None = None
    """File with the token that calls carry; it is read for each, so it can be replaced."""
    timeout: float = 60.0
    """Seconds that the server may take for one message."""

    def access(self) -> AccessOptions:
        """The keywords for a client. Raises UsageError for files that are of no use."""
        files = {"ca": self.ca, "certificate": self.client_cert, "key": self.client_key}
        with usage_errors():
            check_value("timeout", self.timeout, spell=flag)
            if self.ca is None and self.client_cert is not None:
                raise UsageError("--client-cert is given without --ca, expected both")
            credentials = read_tls(files, _flag_of_file) if any(files.values()) else None
            token = None if self.token_file is None else _token_in(self.token_file)
        return {"credentials": credentials, "token": token}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(ServerFlags):
    """Either a server and the name of a model, or a bundle."""

    model: str = ""
    """Name of the model on the server."""
    version: str = ""
    """Version of the model on the server; the newest by default."""
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
                **self.access(),
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


def _flag_of_file(name: str) -> str:
    """The flag of a file of `tls`."""
    return {"ca": "--ca", "certificate": "--client-cert", "key": "--client-key"}[name]


def _token_in(path: Path) -> Callable[[], str]:
    """A function that reads the token in a file. Raises InvalidInput if there is none now."""

    def read() -> str:
        try:
            with path.open("rb") as file:
                words = file.read(MAX_TOKEN_BYTES).decode("ascii", "replace").split()
        except OSError as error:
            raise InvalidInput(f"--token-file {path} cannot be read: {error.strerror}") from error
        if len(words) != 1:
            raise InvalidInput(f"--token-file {path} has {len(words)} words, expected one token")
        return words[0]

    read()
    return read
