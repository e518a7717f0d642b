"""How calls show who makes them: TLS, a token, and other metadata."""

import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import grpc

from residuum_client.errors import InvalidInput, ResiduumError
from residuum_client.options import check_path, shown
from residuum_client.transport.address import stays_here

# A token, or a function that gives the present one.
Token = str | Callable[[], str]
# Names and values that are sent with every call; values of names that end in -bin are bytes.
Pairs = Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]]
Metadata = tuple[tuple[str, str | bytes], ...]
_AUTHORIZATION = "authorization"
_NAME = re.compile(r"(?!grpc-)[0-9a-z_.-]+")
_TEXT = re.compile(r"[\x20-\x7e]*")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_PAIRS = "expected names with their values, as {'x-tenant': 'a'}"


@dataclass(frozen=True, slots=True)
class Access:
    """What a connection is made with and every call carries; `check_access` makes it."""

    credentials: grpc.ChannelCredentials | None = None
    token: Token | None = None
    pairs: Metadata = ()

    def metadata(self) -> Metadata:
        """The metadata of the next call. Raises InvalidInput if a function gives no token."""
        if self.token is None:
            return self.pairs
        return (*self.pairs, (_AUTHORIZATION, f"Bearer {_present(self.token)}"))


def check_access(
    targets: Iterable[str], credentials: object, token: object, metadata: object
) -> Access:
    """The access to these addresses.

    Raises InvalidInput, also for a secret that would be sent without encryption.
    """
    if credentials is not None and not isinstance(credentials, grpc.ChannelCredentials):
        raise InvalidInput(
            f"credentials is of type {type(credentials).__name__}, expected "
            "grpc.ssl_channel_credentials(...) or None"
        )
    pairs = _checked_pairs(metadata)
    given = [name for name, _ in pairs if name == _AUTHORIZATION]
    given += [] if token is None else ["token"]
    if len(given) > 1:
        raise InvalidInput(f"{' and '.join(given)} are given, expected at most one of them")
    away = next((target for target in targets if not stays_here(target)), None)
    if given and credentials is None and away is not None:
        raise InvalidInput(
            f"{given[0]} would be sent to {away} without encryption; expected credentials for TLS, "
            "or an address of this machine"
        )
    return Access(credentials, _checked_token(token), pairs)


def tls(
    *,
    ca: str | PathLike[str] | None = None,
    certificate: str | PathLike[str] | None = None,
    key: str | PathLike[str] | None = None,
) -> grpc.ChannelCredentials:
    """Credentials for TLS, from PEM files.

    - `ca`: the authorities that certify the server; by default those that gRPC comes with.
    - `certificate`, `key`: what the client shows of itself, for servers that ask for it.

    Raises InvalidInput for a file that cannot be read or has something else in it.
    """
    return read_tls({"ca": ca, "certificate": certificate, "key": key})


def read_tls(
    files: Mapping[str, object], spell: Callable[[str], str] = str
) -> grpc.ChannelCredentials:
    """`tls`; `spell` turns the name of a file into what the user types. Raises InvalidInput."""
    paths = {
        name: None if file is None else check_path(spell(name), file)
        for name, file in files.items()
    }
    ca, certificate, key = paths["ca"], paths["certificate"], paths["key"]
    if (certificate is None) != (key is None):
        given, other = ("certificate", "key") if key is None else ("key", "certificate")
        raise InvalidInput(f"{spell(given)} is given without {spell(other)}, expected both")
    contents = {name: _read(spell(name), path) for name, path in paths.items()}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except ssl.SSLError:
            raise InvalidInput(f"{spell('ca')} {ca} has no certificate in PEM") from None
    if certificate is not None and key is not None:
        _check_pair(context, certificate, key)
    return grpc.ssl_channel_credentials(
        root_certificates=contents["ca"],
        private_key=contents["key"],
        certificate_chain=contents["certificate"],
    )


def _check_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise InvalidInput(f"{key} is not the key of the certificate {certificate}") from None
        raise InvalidInput(
            f"{certificate} and {key} are not a certificate and its private key; expected PEM "
            "without a password"
        ) from None


def _read(name: str, path: str | None) -> bytes | None:
    try:
        return None if path is None else Path(path).read_bytes()
    except OSError as error:
        raise InvalidInput(f"{name} {path} cannot be read: {error.strerror}") from error


def _checked_token(token: object) -> Token | None:
    if token is None or callable(token):
        return token
    return _present(token)


def _present(token: object) -> str:
    """The token itself, or what a function gives now. It is never part of an error."""
    if callable(token):
        try:
            token = token()
        except ResiduumError:
            raise
        except Exception as error:  # the caller's own function
            raise InvalidInput(f"the function for the token failed: {error}") from error
    if not isinstance(token, str):
        raise InvalidInput(f"token is of type {type(token).__name__}, expected a string")
    if not _TOKEN.fullmatch(token):
        raise InvalidInput("token is empty or has a space or an odd character, expected ASCII")
    return token


def _checked_pairs(metadata: object) -> Metadata:
    if metadata is None:
        return ()
    given = metadata.items() if isinstance(metadata, Mapping) else metadata
    try:
        pairs = [(name, value) for name, value in given]  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise InvalidInput(f"metadata is {shown(metadata)}, {_PAIRS}") from None
    for name, value in pairs:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidInput(
                f"metadata has the name {shown(name)}, expected small letters, digits and -_. "
                "without grpc- at the start"
            )
        binary = name.endswith("-bin")
        right = isinstance(value, bytes) if binary else isinstance(value, str)
        if not right or (isinstance(value, str) and not _TEXT.fullmatch(value)):
            kind = "bytes" if binary else "a string of ASCII"
            raise InvalidInput(
                f"metadata {name} is of type {type(value).__name__}, expected {kind}"
            )
    return tuple(pairs)
