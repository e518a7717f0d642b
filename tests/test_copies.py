"""The client works without the codec, so both ship the reader of images; it is one text."""

from pathlib import Path

import pytest
from source_tree import CLIENT, ROOT

SHARED = ("image_folder.py", "image_reader")


def texts(path: Path) -> dict[str, bytes]:
    """The sources of a file or a folder, by name."""
    files = [path] if path.is_file() else path.glob("*.py")
    return {file.name: file.read_bytes() for file in files}


@pytest.mark.parametrize("name", SHARED)
def test_the_client_has_a_copy_of_what_it_shares_with_the_codec(name: str) -> None:
    ours, copy = ROOT / "codec" / name, CLIENT / "residuum_client" / name
    command = f"cp -r codec/{name} clients/python/residuum_client/"
    assert texts(ours), name
    assert texts(copy) == texts(ours), f"after a change in the codec run: {command}"
