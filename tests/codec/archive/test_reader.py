"""Reading: caching, damaged blocks, and writers that change the file meanwhile."""

import os
import zlib
from pathlib import Path

import pytest

from codec.archive import ArchiveReader, ArchiveWriter, Damage, blocks, create, snapshot
from codec.archive.blocks import CRC, PREFIX, Header, header_seed, pack_header, place_seed
from codec.archive.disk import read_at
from codec.errors import ArchiveError
from codec.record.frame import seal

MODEL = bytes(range(32))
RECORDS = [seal(8, bytes([i]) * 3, MODEL) for i in range(20)]


@pytest.fixture
def path(tmp_path: Path, monkeypatch) -> Path:
    """Ten records in blocks of four, four and two."""
    monkeypatch.setattr(blocks, "BLOCK_RECORDS", 4)
    path = tmp_path / "a.rsa"
    create(path, MODEL)
    add(path, 0, 10)
    return path


def add(path: Path, low: int, high: int) -> None:
    with ArchiveWriter(path, sync=False) as writer:
        for number in range(low, high):
            writer.append(RECORDS[number], f"{number:02}")


def test_damage_names_the_records_that_are_lost(path: Path):
    data = bytearray(path.read_bytes())
    with ArchiveReader(path) as reader:
        second = reader._snapshot.layout.offsets[2] - 1
    data[second] ^= 1
    path.write_bytes(data)
    with ArchiveReader(path) as reader:
        damages = list(reader.verify())
        reason = "a block is damaged: the checksum of its records is wrong"
        assert damages == [None, Damage(4, 4, reason), None]
        with pytest.raises(ArchiveError, match=r"a\.rsa: a block is damaged"):
            reader.record(5)
        assert reader.record(8) == RECORDS[8]


def test_a_block_is_read_once_for_all_its_records(path: Path, monkeypatch):
    offsets: list[int] = []
    real = snapshot.read_at

    def watched(fd: int, offset: int, size: int) -> bytes:
        offsets.append(offset)
        return real(fd, offset, size)

    with ArchiveReader(path) as reader:
        monkeypatch.setattr(snapshot, "read_at", watched)
        assert [reader.record(number) for number in (4, 5, 7)] == [*RECORDS[4:6], RECORDS[7]]
        assert len(offsets) == 1
        assert [reader.name(number) for number in (0, 1, 3)] == ["00", "01", "03"]
        assert len(offsets) == 3  # the beginning of the block, and its head


def test_a_reader_continues_when_its_last_block_has_moved(path: Path):
    with ArchiveReader(path) as reader:
        add(path, 10, 17)
        assert [reader.record(number) for number in range(10)] == RECORDS[:10]
        assert [reader.find(f"{number:02}") for number in (9, 16)] == [9, 16]


def test_names_in_the_journal_are_found_after_those_in_blocks(path: Path):
    with ArchiveWriter(path, sync=False) as writer:
        for number in range(10, 15):
            writer.append(RECORDS[number], f"{number:02}")
        with ArchiveReader(path) as reader:
            assert [reader.find(f"{number:02}") for number in range(15)] == [*range(15)]
            assert reader.find("15") is None


def test_records_are_read_where_their_names_cannot_be(tmp_path: Path):
    """All checksums are right, but the list of names has an unknown method."""
    packed = pack_header(Header(MODEL, "", ""))
    seed = header_seed(packed)
    about = b"\x08\xff" + b"\x03\xff" + b"\x07names"
    block = PREFIX.pack(b"B", 0, len(about), 3, zlib.crc32(b"abc")) + about
    crc = zlib.crc32(block, place_seed(seed, 0))
    path = tmp_path / "a.rsa"
    path.write_bytes(packed + block + CRC.pack(crc) + b"abc")
    with ArchiveReader(path, salvage=True) as reader:
        assert len(reader) == 0  # a scan looks at names
    index = b"I\0\0\0\1" + bytes([len(block) + 7, 255, 1, 255])
    index += len(index).to_bytes(4, "big") + (1).to_bytes(8, "big")
    index += CRC.pack(zlib.crc32(index, seed)) + b"RSAI"
    path.write_bytes(packed + block + CRC.pack(crc) + b"abc" + index)
    with ArchiveReader(path) as reader:
        assert reader.record(0) == seal(8, b"abc", MODEL)
        with pytest.raises(ArchiveError, match="a list of names of method 07"):
            reader.name(0)


def test_short_reads_are_continued(path: Path, monkeypatch):
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: real(fd, min(size, 3), offset))
    fd = os.open(path, os.O_RDONLY)
    assert read_at(fd, 2, 100) == path.read_bytes()[2:102]
    assert read_at(fd, 0, 10**6) == path.read_bytes()
    os.close(fd)


def test_new_files_have_the_permissions_of_the_umask(tmp_path: Path):
    before, path = os.umask(0o022), tmp_path / "b.rsa"
    try:
        create(path, MODEL)
        os.umask(0)
        create(tmp_path / "c.rsa", MODEL)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "c.rsa").stat().st_mode & 0o777 == 0o666


def test_nothing_stays_open(path: Path):
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers, not paths
    add(path, 10, 20)
    ArchiveReader(path).close()
    for kind in (ArchiveReader, ArchiveWriter):
        with pytest.raises(ArchiveError):
            kind(path, model_id=bytes(32))
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
