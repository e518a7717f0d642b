"""Where the model of a command is: at a server, or in a bundle."""

from dataclasses import dataclass
from pathlib import Path

import grpc

from residuum_client.backend import Backend
from residuum_client.client import Client
from residuum_client.commands.terminal import Terminal
from residuum_client.offline import Offline


class UsageError(Exception):
    """The command line contradicts itself or lacks something; the sentence says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Either a server and the name of a model, or a bundle."""

    server: str = ""
    """HOST:PORT of a server."""
    model: str = ""
    """Name of the model, on a server."""
    version: str = ""
    """Version of the model, on a server; the newest if left out."""
    ca: Path | None = None
    """PEM file of the authority that certifies the server; without it, nothing is encrypted."""
    timeout: float = 60.0
    """Seconds that the server may take over one message."""
    bundle: Path | None = None
    """Bundle (folder or tar) to open here, without any server."""

    def open(self, terminal: Terminal, *, any_model: bool = False) -> Backend:
        """The model, ready, closed when the command is stopped.

        `any_model` is for commands that ask the server about itself. Raises UsageError, or
        ResiduumError for the bundle.
        """
        self._check(any_model)
        backend = self._client() if self.bundle is None else Offline(self.bundle)
        terminal.on_stop(backend.close)
        return backend

    def _client(self) -> Client:
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
            raise UsageError("say which model: --server HOST:PORT --model NAME, or --bundle PATH")
        if not 0 < self.timeout < 1e6:
            raise UsageError(f"--timeout is {self.timeout:g}; expected seconds, more than 0")


def _credentials(path: Path) -> grpc.ChannelCredentials:
    try:
        return grpc.ssl_channel_credentials(root_certificates=path.read_bytes())
    except OSError as error:
        raise UsageError(f"--ca {path} cannot be read: {error.strerror}") from error
