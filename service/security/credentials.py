"""TLS certificates that may change while the server runs."""

import logging
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, final

import grpc

from codec.errors import ResiduumError, printable
from service.security.certificate import pem_blocks, read_certificate
from service.security.rotation import Rotated, read_file

_LOG = logging.getLogger(__name__)
_MAX_BYTES = 4 << 20
_WARNING_DAYS = 7


class CredentialsError(ResiduumError):
    """A certificate or key cannot be used; the message names its file."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the server's certificate chain, its key, and the CA that signs clients, if any."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def paths(self) -> list[Path]:
        """All files."""
        return [self.certificate, self.key, *([self.client_ca] if self.client_ca else [])]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """One version of the files, and when its certificate expires."""

    configuration: grpc.ServerCertificateConfiguration
    expires: datetime


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials of one port; each new connection gets the certificate that the files have then.

    With a client CA, a client needs a certificate. While changed files are broken, which is logged
    once, the old content stays. Two ports need two credentials: gRPC asks for a change only once.
    Raises CredentialsError.
    """
    fetcher = CertificateFetcher(files)
    return grpc.dynamic_ssl_server_credentials(
        fetcher.initial,
        # The type stubs lack None, which means unchanged.
        fetcher,  # type: ignore[arg-type]
        require_client_authentication=files.client_ca is not None,
    )


@final
class CertificateFetcher:
    """Called by gRPC for each new connection. Raises CredentialsError when it is created."""

    def __init__(self, files: TlsFiles) -> None:
        self._certificate = files.certificate
        self._rotated = Rotated(files.paths(), lambda: _load(files))
        self._latest = self._rotated.get()
        self._days = _WARNING_DAYS
        self._warn()
        self.initial = self._latest.configuration

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        """The certificates if they have changed since the last call, otherwise None."""
        loaded = self._rotated.get()
        changed = loaded is not self._latest
        self._latest = loaded
        self._warn()
        return loaded.configuration if changed else None

    def _warn(self) -> None:
        """Once a day in the last week, and after it."""
        days = min((self._latest.expires - datetime.now(UTC)).days, _WARNING_DAYS)
        if days not in (self._days, _WARNING_DAYS):
            when = _date(self._latest.expires)
            _LOG.warning("the certificate in %s expires at %s", self._certificate, when)
        self._days = days


def _load(files: TlsFiles) -> _Loaded:
    """Reads and checks the files. Raises CredentialsError."""
    certificate, key = _read(files.certificate), _read(files.key)
    expires = _check_certificate(files.certificate, certificate)
    _check_pair(files)
    if (_read(files.certificate), _read(files.key)) != (certificate, key):
        raise CredentialsError(f"{files.certificate} or {files.key} changed while they were read")
    client_ca = _read_client_ca(files.client_ca) if files.client_ca else None
    pairs = [(key, certificate)]
    return _Loaded(grpc.ssl_server_certificate_configuration(pairs, client_ca), expires)


def _read(path: Path) -> bytes:
    try:
        return read_file(path, _MAX_BYTES)
    except OSError as error:
        raise CredentialsError(f"{path} cannot be read: {error.strerror}") from None


def _check_certificate(path: Path, content: bytes) -> datetime:
    """When the first certificate of a chain, the server's, expires. Raises CredentialsError."""
    try:
        certificate = read_certificate(pem_blocks(content.decode("latin-1"))[0])
    except (IndexError, ValueError):
        raise CredentialsError(
            f"{path} does not begin with a valid certificate, expected one in PEM form"
        ) from None
    if not certificate.servable:
        raise CredentialsError(
            f"the certificate in {path} has a kind of key that gRPC cannot serve, expected RSA, or "
            "ECDSA with P-256 or P-384"
        )
    now = datetime.now(UTC)
    if certificate.expires < now:
        raise CredentialsError(f"the certificate in {path} expired at {_date(certificate.expires)}")
    # The clock of a machine that has just started may be late.
    if certificate.begins > now:
        begins = _date(certificate.begins)
        _LOG.warning("the certificate in %s is not valid before %s", path, begins)
    return certificate.expires


def _check_pair(files: TlsFiles) -> None:
    def refuse() -> NoReturn:
        raise CredentialsError(
            f"the key in {files.key} needs a password, expected a key without one"
        )

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(files.certificate, files.key, refuse)
    except ssl.SSLError as error:
        raise CredentialsError(_reason(files, error)) from None
    except OSError as error:
        raise CredentialsError(
            f"{files.certificate} or {files.key} cannot be read: {error.strerror}"
        ) from None


def _reason(files: TlsFiles, error: ssl.SSLError) -> str:
    if error.reason in {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"}:
        return f"the key in {files.key} does not belong to the certificate in {files.certificate}"
    if b"PRIVATE KEY-----" not in _read(files.key):
        return f"{files.key} has no private key in PEM form"
    reason = (error.reason or "damaged").lower().replace("_", " ")
    return (
        f"{files.certificate} and {files.key} cannot be used as a certificate and its key: {reason}"
    )


def _read_client_ca(path: Path) -> bytes:
    content = _read(path)
    try:
        blocks = pem_blocks(content.decode("latin-1"))
        last = max(read_certificate(block).expires for block in blocks)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata="\n".join(blocks))
    except (ValueError, ssl.SSLError):
        raise CredentialsError(
            f"{path} is not a valid client CA, expected certificates in PEM form"
        ) from None
    if last < datetime.now(UTC):
        raise CredentialsError(f"the client CA in {path} expired at {_date(last)}")
    return content


def _date(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="minutes").replace("+00:00", " UTC")
