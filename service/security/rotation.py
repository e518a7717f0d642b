"""Files that are replaced while the server runs, such as those of a Kubernetes secret."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar, final

from codec.errors import ResiduumError

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
# Of each file; None if it cannot be found.
_Version = tuple[tuple[int, int, int, int] | None, ...]


@final
class Rotated(Generic[_T]):
    """What `read` makes of some files, read again when one of them has changed.

    While the new files are missing or broken, which is logged once, the old content stays. `read`
    raises ResiduumError if it cannot read them; so does the constructor.
    """

    def __init__(self, paths: Sequence[Path], read: Callable[[], _T]) -> None:
        self._paths = tuple(map(str, paths))
        self._read = read
        self._lock = Lock()
        # Before the content: a change in between is seen by the next call.
        self._version = self._stat()
        self._content = read()

    def get(self) -> _T:
        """The content of the files as they are now, or as they last were when they were valid."""
        version = self._stat()
        if version != self._version:
            with self._lock:
                if version != self._version:
                    self._reread(version)
        return self._content

    def _reread(self, version: _Version) -> None:
        self._version = version
        try:
            self._content = self._read()
        except ResiduumError as error:
            _LOG.warning("%s; what was read before stays in use", error)
        else:
            _LOG.info("read again: %s", ", ".join(self._paths))

    def _stat(self) -> _Version:
        return tuple(map(_version, self._paths))


def _version(path: str) -> tuple[int, int, int, int] | None:
    """Of the file that a link leads to: secrets are swapped by changing a link of a folder above.

    The change time covers what leaves the rest unchanged, such as a permission that was missing.
    """
    try:
        stat = os.stat(path)  # noqa: PTH116 - half the time of Path.stat, once per call of an RPC
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino


def read_file(path: Path, limit: int) -> bytes:
    """The content of a small file. Raises OSError, also if it has more than `limit` bytes."""
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(0, f"it has more than {limit} bytes")
    return content
