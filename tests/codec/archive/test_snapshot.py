"""What a reader sees while a writer is at work, and what it makes of an archive that is broken."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from codec.archive import ArchiveReader, ArchiveWriter, create, snapshot
from codec.errors import ArchiveError
from codec.record.frame import seal

MODEL = bytes(range(32))
RECORDS = [seal(8, i.to_bytes(2, "big") * 3, MODEL) for i in range(300)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An archive of 300 records in two blocks."""
    path = tmp_path / "a.rsa"
    create(path, MODEL)
    with ArchiveWriter(path, sync=False) as writer:
        for number, record in enumerate(RECORDS):
            writer.append(record, f"{number:03}")
    return path


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """The pauses of the reader, which are recorded and skipped."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def journal(path: Path) -> Path:
    return path.with_name("a.rsa.journal")


def at_each_look(monkeypatch, act: Callable[[int], None]) -> None:
    """Calls a function whenever the header is read, the first step of opening an archive."""
    real, looks = snapshot.read_at, iter(range(99))

    def watched(fd: int, offset: int, size: int) -> bytes:
        if offset == 0:
            act(next(looks))
        return real(fd, offset, size)

    monkeypatch.setattr(snapshot, "read_at", watched)


def test_permanent_damage_is_read_once(path, pauses, monkeypatch):
    looks: list[int] = []
    at_each_look(monkeypatch, looks.append)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArchiveError, match="cut short or not closed"):
        ArchiveReader(path)
    assert (looks, pauses) == ([0], [])


def test_a_journal_that_keeps_changing_is_given_up_after_five_attempts(path, pauses, monkeypatch):
    at_each_look(monkeypatch, lambda look: journal(path).write_bytes(b"junk" * (look + 1)) and None)
    with pytest.raises(ArchiveError, match="journal is damaged"):
        ArchiveReader(path)
    assert pauses == [0.02] * 4


def test_a_journal_that_changes_is_read_until_it_fits(path, pauses, monkeypatch):
    writer = ArchiveWriter(path, sync=False)
    writer.append(RECORDS[0], "new")
    whole = journal(path).read_bytes()
    states = [whole[:9], whole[:10], whole[:11], whole[:12], whole]
    at_each_look(monkeypatch, lambda look: journal(path).write_bytes(states[look]) and None)
    with ArchiveReader(path) as reader:
        assert list(reader) == [*RECORDS, RECORDS[0]]
        assert [reader.name(number) for number in (256, 299, 300)] == ["256", "299", "new"]
    assert len(pauses) == 4
    writer.close()


def test_an_index_longer_than_its_archive_is_refused(path):
    data = path.read_bytes()
    with ArchiveReader(path) as reader:
        start = reader._snapshot.layout.offsets[0]
    for more in (1, start, 2 * start):
        size = len(data) - start - 20 + more
        path.write_bytes(data[:-20] + size.to_bytes(4, "big") + data[-16:])
        with pytest.raises(ArchiveError, match=f"an index of {size + 20} bytes in a file of"):
            ArchiveReader(path)


def test_a_journal_that_is_too_long_is_refused(path):
    largest = 29 + 256 * (7 + 4 + 4 + 1024) + 2**18 + 2**24
    writer = ArchiveWriter(path, sync=False)
    writer.append(RECORDS[0], "new")
    os.truncate(journal(path), largest)  # by zeros, which take no room
    assert len(ArchiveReader(path)) == 301
    os.truncate(journal(path), largest + 1)
    with pytest.raises(ArchiveError, match=f"a journal of more than {largest} bytes"):
        ArchiveReader(path)
    writer.close()


def test_an_archive_that_lost_its_end_is_read_only_with_salvage(path):
    whole = path.read_bytes()
    with ArchiveReader(path) as reader:
        first, second, end = reader._snapshot.layout.offsets
    assert reader.blocks == 2
    for stop, count in ((end, 300), (end - 1, 256), (second + 1, 256), (second, 256), (first, 0)):
        path.write_bytes(whole[:stop])
        for kind in (ArchiveReader, ArchiveWriter):
            with pytest.raises(ArchiveError, match="cut short or not closed"):
                kind(path)
        with ArchiveReader(path, salvage=True) as reader:
            assert list(reader) == RECORDS[:count]


def test_the_journal_of_another_archive_is_refused_and_not_salvaged(path):
    writer = ArchiveWriter(path, sync=False)
    writer.append(RECORDS[0], "new")
    other = path.with_name("other.rsa")
    create(other, MODEL)
    with ArchiveWriter(other, sync=False) as more:
        for record in reversed(RECORDS[:256]):
            more.append(record)
    other.with_name("other.rsa.journal").write_bytes(journal(path).read_bytes())
    writer.close()
    with pytest.raises(ArchiveError, match=r"another archive|cut short|damaged"):
        ArchiveReader(other)
    with ArchiveReader(other, salvage=True) as reader:
        assert list(reader) == RECORDS[255::-1]
