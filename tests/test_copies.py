"""The client works without the codec, so both ship the reader of images; it is one text."""

from pathlib import Path

import pytest
from source_tree import CLIENT, ROOT

CODEC, COPY = Path("codec"), CLIENT.relative_to(ROOT) / "residuum_client"
SHARED = ("image_folder.py", "image_reader/*.py")


@pytest.mark.parametrize("pattern", SHARED)
def test_the_client_has_a_copy_of_what_it_shares_with_the_codec(pattern: str) -> None:
    ours = {path.name: path.read_bytes() for path in (ROOT / CODEC).glob(pattern)}
    copies = {path.name: path.read_bytes() for path in (ROOT / COPY).glob(pattern)}
    different = sorted(name for name in ours | copies if ours.get(name) != copies.get(name))
    command = f"cp {CODEC / pattern} {(COPY / pattern).parent}/"
    assert ours
    assert not different, f"{different} differ; after a change in the codec run: {command}"
