"""Bearer tokens, from a file that may change while the server runs.

The file has one `NAME ROLE TOKEN` per line, with the role data or admin; `#` starts a comment.
"""

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import final

from codec.errors import ResiduumError, printable
from service.security.authorisation import Caller, Role, Unauthenticated
from service.security.rotation import Rotated, read_file

MIN_CHARACTERS = 16
# gRPC accepts 8 KiB of metadata.
MAX_CHARACTERS = 4096
_MAX_NAME = 64
_MAX_BYTES = 1 << 20
_HEADER = "authorization"
_SCHEME = "bearer "
_EXPECTED = 'expected metadata "authorization: Bearer TOKEN"'


class TokensError(ResiduumError):
    """The file of tokens cannot be read; the message names file and line, never a token."""


@final
class _Table:
    """The tokens of one version of the file."""

    def __init__(self, callers: dict[bytes, Caller]) -> None:
        self._callers = tuple(callers.items())
        # By digest, of those that were presented: a guess cannot come close to a digest step by
        # step, so an ordinary look-up reveals nothing.
        self._verified: dict[bytes, Caller] = {}

    def find(self, token: str) -> Caller | None:
        digest = _digest(token)
        return self._verified.get(digest) or self._compare(digest)

    def _compare(self, digest: bytes) -> Caller | None:
        """Takes the same time whether and where the digest is found."""
        found = None
        for expected, caller in self._callers:
            if hmac.compare_digest(expected, digest):
                found = caller
        if found is not None:
            self._verified[digest] = found
        return found


@final
class Tokens:
    """The tokens of a file, which is read again when it has changed. Raises TokensError."""

    def __init__(self, path: Path) -> None:
        self._table = Rotated([path], lambda: _Table(_read(path)))

    def caller(self, metadata: Sequence[tuple[str, str | bytes]]) -> Caller:
        """The owner of the token in the metadata of a call. Raises Unauthenticated."""
        caller = self._table.get().find(_bearer(metadata))
        if caller is None:
            raise Unauthenticated("the token is not valid")
        return caller


def _bearer(metadata: Sequence[tuple[str, str | bytes]]) -> str:
    values = [value for key, value in metadata if key == _HEADER]
    if not values:
        raise Unauthenticated(f"the call has no token; {_EXPECTED}")
    if len(values) > 1:
        raise Unauthenticated(f"the call has {len(values)} authorization entries; {_EXPECTED}")
    value = values[0]
    if not isinstance(value, str) or value[: len(_SCHEME)].lower() != _SCHEME:
        raise Unauthenticated(f"the authorization of the call has another scheme; {_EXPECTED}")
    return value[len(_SCHEME) :].strip()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _read(path: Path) -> dict[bytes, Caller]:
    try:
        text = read_file(path, _MAX_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise TokensError(
            printable(f"the tokens cannot be read from {path}: {error.strerror}")
        ) from None
    except UnicodeDecodeError:
        raise TokensError(printable(f"{path} is not UTF-8 text")) from None
    callers: dict[bytes, Caller] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        try:
            _add(line, number, callers, lines)
        except ValueError as error:
            raise TokensError(printable(f"{path}, line {number}: {error}")) from None
    if not callers:
        raise TokensError(printable(f"{path} has no token, expected lines NAME ROLE TOKEN"))
    return callers


def _add(line: str, number: int, callers: dict[bytes, Caller], lines: dict[str, int]) -> None:
    """Adds the token of a line, if it has one. Raises ValueError, without what the line says."""
    fields = line.split()
    comment = [index for index, field in enumerate(fields) if field.startswith("#")]
    fields = fields[: comment[0]] if comment else fields
    if not fields:
        return
    if len(fields) != 3:
        raise ValueError(f"it has {len(fields)} fields, expected NAME ROLE TOKEN")
    name, role, token = fields
    if len(name) > _MAX_NAME or not name.isprintable():
        raise ValueError(f"the name has {len(name)} characters, expected at most {_MAX_NAME}")
    if role not in list(Role):
        raise ValueError("the second field is not a role, expected data or admin")
    if not (token.isascii() and token.isprintable()):
        raise ValueError("the token has a character that is not printable ASCII")
    if not MIN_CHARACTERS <= len(token) <= MAX_CHARACTERS:
        raise ValueError(
            f"the token has {len(token)} characters, expected {MIN_CHARACTERS} to {MAX_CHARACTERS}"
        )
    if name in lines:
        raise ValueError(f"line {lines[name]} has the same name, expected a name once")
    digest = _digest(token)
    if digest in callers:
        earlier = lines[callers[digest].name]
        raise ValueError(f"line {earlier} has the same token, expected a token once")
    lines[name] = number
    callers[digest] = Caller(name, Role(role))
