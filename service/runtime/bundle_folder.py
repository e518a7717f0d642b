"""The bundles of a folder, and the order of their versions."""

import re
from collections.abc import Sequence
from pathlib import Path

from codec.bundle.bundle import MANIFEST
from codec.errors import BundleError

# A file of every training run, which people give in place of a bundle.
_RUN = "best.safetensors"
# Names of other files in an error.
_LISTED = 5


def find_bundles(path: Path) -> dict[str, Path]:
    """The bundles by the names of their files or folders, hidden ones left out; never empty.

    They are those in the folder, or, if it has none and is a bundle itself, this one. Raises
    BundleError, which says what is there instead.
    """
    try:
        inside = sorted(path.iterdir()) if path.is_dir() else []
        found = {one.name: one for one in inside if _is_bundle(one) and one.name[0] != "."}
        if not found and _is_bundle(path):
            found = {path.absolute().name: path}
        if not found:
            raise BundleError(_explain(path, inside))
    except OSError as error:
        raise BundleError(f"bundle folder {path}: {error.strerror}") from error
    return found


def version_key(version: str) -> list[tuple[bool, int, str]]:
    """Sort key that orders versions by their numbers: 1.9 before 1.10."""
    parts = re.findall(r"\d+|[^\d.]+", version)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _is_bundle(path: Path) -> bool:
    try:
        return path.suffix == ".tar" if path.is_file() else (path / MANIFEST).is_file()
    except OSError:  # it may not be read, like `lost+found`
        return False


def _explain(path: Path, inside: Sequence[Path]) -> str:
    """What is at a path without bundles, and what would be right. Raises OSError."""
    path.stat()
    if not path.is_dir():
        return (
            f"{path} is not a bundle: expected a folder of bundles, or one bundle, a folder with "
            f"{MANIFEST} or an uncompressed .tar file"
        )
    if (path / _RUN).is_file():
        return f"{path} is a training run: residuum-export makes a bundle of it"
    below = (child for pattern in ("*/*", "*/*/*") for child in sorted(path.glob(pattern)))
    if deeper := next((child for child in below if _is_bundle(child)), None):
        return f"no bundles in {path}, but in {deeper.parent}: give that folder"
    names = [one.name for one in inside]
    listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    return (
        f"no bundles in {path}: expected folders with {MANIFEST}, or uncompressed .tar files; "
        f"there is {listed or 'nothing'}"
    )
