"""Files and folders that appear as a whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """Writes a file, or replaces it, in one step that also survives a crash of the machine.

    Raises OSError; what was there before is then kept.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """A path at which to build a file or a folder, which becomes `path` when the block ends.

    Parent folders are created. If the block raises, `path` is left as it was. A folder can replace
    an empty one only. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield staging / path.name
        (staging / path.name).replace(path)
    finally:
        shutil.rmtree(staging)
