"""Appending: numbers, names and syncing, with blocks of four records."""

import os
import resource
from pathlib import Path

import pytest

from codec.archive import ArchiveReader, ArchiveWriter, blocks, create
from codec.errors import ArchiveError, InvalidInput
from codec.record.frame import seal

MODEL = bytes(range(32))
RECORDS = [seal(8, bytes([i]) * (i % 5), MODEL) for i in range(20)]


@pytest.fixture
def path(tmp_path: Path, monkeypatch) -> Path:
    """An empty archive."""
    monkeypatch.setattr(blocks, "BLOCK_RECORDS", 4)
    path = tmp_path / "a.rsa"
    create(path, MODEL)
    return path


@pytest.mark.parametrize("order", [1, 7], ids=["ascending", "in no order"])
def test_a_writer_finds_what_it_has_written(path: Path, order: int):
    names = [f"{order * i % 20:02}" for i in range(20)]
    for low, high in ((0, 2), (2, 13), (13, 20)):
        with ArchiveWriter(path, sync=False) as writer:
            for number in range(low, high):
                assert writer.find(names[number]) is None
                assert writer.append(RECORDS[number], names[number]) == number
                assert len(writer) == number + 1
                assert [writer.find(name) for name in names[: number + 1]] == [*range(number + 1)]
                with pytest.raises(InvalidInput, match="already"):
                    writer.append(RECORDS[0], names[number // 2])
    with ArchiveReader(path) as reader:
        assert reader.blocks == 5
        assert list(reader) == RECORDS
        assert [reader.find(name) for name in names] == [*range(20)]
        assert [entry.name for entry in reader.entries()] == names


def test_a_record_is_synced_before_it_counts_unless_sync_is_off(path: Path, monkeypatch):
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    counts = []
    for options in ({}, {"sync": True}, {"sync": False}):
        with ArchiveWriter(path, **options) as writer:
            writer.append(RECORDS[0])
            before = len(synced)
            writer.append(RECORDS[1])
            counts.append(len(synced) - before)
    assert counts == [1, 1, 0]


def test_a_failure_to_create_names_its_reason(path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(ArchiveError, match=r"b\.rsa: Too many open files"):
            create(path.with_name("b.rsa"), MODEL)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [p.name for p in path.parent.iterdir()] == ["a.rsa"]


def test_closing_twice_closes_once(path: Path):
    reader, writer = ArchiveReader(path), ArchiveWriter(path)
    reader.close()
    writer.close()
    # These get the descriptors that are free now.
    other = [os.open(path, os.O_RDONLY) for _ in range(2)]
    reader.close()
    writer.close()
    for fd in other:
        os.close(fd)
    with pytest.raises(ArchiveError, match="is closed"):
        writer.append(RECORDS[0])
