"""Archives whose bytes never change."""

from pathlib import Path

import pytest

from codec.archive import ArchiveReader, ArchiveWriter, create
from codec.record.frame import seal

MODEL = bytes(range(32))
HEADER = "895253410d0a1a0a01" + MODEL.hex() + "0474696e790132"
ITEMS = {
    "empty": [],
    "plain": [(8, b"\1\2\3", None), (8, b"", None), (8, b"\xff" * 6, None)],
    "named": [(8, b"abc", "p/1.png"), (3, b"de", "p/2.png"), (31, b"f" * 9, None)],
}
# Block: start, levels, lengths, names, checksum, bodies.
# Index: start, sizes, counts, ranges of names, trailer.
GOLDEN = {
    "empty": (
        "19fc55ad",
        "4900000000" + "0000000500000000000000004ed35a7652534149",
    ),
    "plain": (
        "19fc55ad",
        "4202000000060000000972a451ae" + "08ff" + "03019140" + "b44b8d95" + "010203ffffffffffff",
        "4900000001" + "21ff" + "03ff" + "0000000900000000000000037ee244db52534149",
    ),
    "named": (
        "19fc55ad",
        "4202000000180000000efaecbd9d" + "0804c84f00" + "0301c0a0",
        "00" + "0100a0" + "0000" + "0700" + b"p/1.png".hex() + "0bde9760" + b"abcdefffffffff".hex(),
        "4900000001" + "38ff" + "03ff",
        "01" + "00" + "01ff" + "0007" + b"p/1.png".hex(),
        "000000160000000000000003f542a6a052534149",
    ),
}
# Start; three records of the archive that was not full, taken back; the new one with its name.
JOURNAL = (
    ("5253414a01" + "0000000000000000" + "0000000000000034" + "00000000" + "47b819f3")
    + ("08000000030000" + "6e0bdd05" + "010203" + "f0332042")
    + ("08000000000000" + "a0e763c2" + "a0e763c2")
    + ("08000000060000" + "2ae51893" + "ffffffffffff" + "5ec02792")
    + ("03000000020007" + "7d257188" + "6465" + "702f322e706e67" + "1504df05")
)


def write(path: Path, name: str) -> list[bytes]:
    create(path, MODEL, name="tiny", version="2")
    records = [seal(level, body, MODEL) for level, body, _ in ITEMS[name]]
    with ArchiveWriter(path) as writer:
        for record, (_, _, called) in zip(records, ITEMS[name], strict=True):
            writer.append(record, called)
    return records


@pytest.mark.parametrize("name", GOLDEN)
def test_the_bytes_of_an_archive_never_change(tmp_path: Path, name: str):
    path = tmp_path / "a.rsa"
    records = write(path, name)
    assert path.read_bytes().hex() == HEADER + "".join(GOLDEN[name])
    path.unlink()
    path.write_bytes(bytes.fromhex(HEADER + "".join(GOLDEN[name])))
    with ArchiveReader(path, model_id=MODEL) as reader:
        assert list(reader) == records
        assert [entry.name for entry in reader.entries()] == [n for _, _, n in ITEMS[name]]
        assert (reader.header.name, reader.header.version) == ("tiny", "2")


def test_the_bytes_of_a_journal_never_change(tmp_path: Path):
    path = tmp_path / "a.rsa"
    records = write(path, "plain")
    named = seal(3, b"de", MODEL)
    with ArchiveWriter(path) as writer:
        writer.append(named, "p/2.png")
        assert (tmp_path / "a.rsa.journal").read_bytes().hex() == JOURNAL
        with ArchiveReader(path) as reader:
            assert list(reader) == [*records, named]
            assert reader.name(3) == "p/2.png"
