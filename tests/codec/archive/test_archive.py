"""The archive: records by number and by name, appending, refusals."""

# ruff: noqa: S311
import itertools
import os
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.archive import ArchiveReader, ArchiveWriter, Entry, create, index
from codec.archive.blocks import BLOCK_BYTES
from codec.archive.index import Layout
from codec.errors import ArchiveError, InvalidInput, RecordError
from codec.record.frame import seal

sys.path.insert(0, str(Path(__file__).parent))
from independent_reader import read_archive

MODEL, OTHER = bytes(range(32)), bytes(32)
Records = list[tuple[bytes, str | None]]


@pytest.fixture(scope="module", autouse=True)
def unsynced() -> Iterator[None]:
    """Skips syncing: nothing here depends on it, and it would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda fd: None)
        yield


def record(number: int, size: int = 12, level: int = 8) -> bytes:
    return seal(level, random.Random(number).randbytes(size), MODEL)


def numbered(count: int, name: str | None = None) -> Records:
    return [(record(i), name and name.format(i)) for i in range(count)]


def make(path: Path, records: Records = [], **facts: str) -> Path:  # noqa: B006 - never changed
    create(path, MODEL, **facts)
    return add(path, records) if records else path


def add(path: Path, records: Records) -> Path:
    with ArchiveWriter(path, model_id=MODEL, sync=False) as writer:
        for data, name in records:
            writer.append(data, name)
    return path


def contents(path: Path) -> Records:
    with ArchiveReader(path, model_id=MODEL) as reader:
        return list(zip(reader, (entry.name for entry in reader.entries()), strict=True))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.rsa"


@given(
    st.lists(
        st.tuples(
            st.integers(0, 31),
            st.binary(max_size=30) | st.integers(0, 3000).map(random.Random(0).randbytes),
            st.none() | st.text("a/ä.019", min_size=1, max_size=9),
        ),
        max_size=40,
        unique_by=lambda one: one[2] or object(),
    ),
    st.lists(st.integers(0, 40), max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_appended_records_are_read_back_across_several_writers(
    tmp_path_factory, given_records, cuts
):
    path = make(tmp_path_factory.mktemp("a") / "a.rsa", name="n", version="v")
    records = [(seal(level, body, MODEL), name) for level, body, name in given_records]
    edges = [0, *sorted(cuts), len(records)]
    for low, high in itertools.pairwise(edges):
        add(path, records[low:high])
    assert contents(path) == records
    facts, found = read_archive(path.read_bytes())
    assert facts == (MODEL, "n", "v")
    assert found == [(level, body, (name or "").encode()) for level, body, name in given_records]


def test_an_independent_reader_reads_many_records(path: Path):
    records = numbered(1000, "images/{:05}.png")
    make(path, records)
    _, found = read_archive(path.read_bytes())
    assert [(seal(level, body, MODEL), name.decode()) for level, body, name in found] == records


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 511, 512, 513])
def test_records_are_found_by_number_and_by_name(path: Path, count: int):
    records = numbered(count, "{:04}")
    make(path, records)
    with ArchiveReader(path) as reader:
        assert len(reader) == count
        assert reader.blocks == -(-count // 256)
        for number, (data, name) in random.Random(1).sample([*enumerate(records)], min(count, 60)):
            assert reader.record(number) == data
            assert reader.name(number) == name
            assert reader.find(name) == number
        for name in ("", "x\0"):
            with pytest.raises(InvalidInput):
                reader.find(name)
        assert [reader.find(name) for name in ("/", "0000x", "9999")] == [None] * 3
        for number in (-1, count):
            with pytest.raises(InvalidInput, match=f"record {number}, the archive has {count}"):
                reader.record(number)


def test_unordered_names_are_found_too(path: Path, monkeypatch):
    monkeypatch.setattr("codec.archive.names._RECENT", 300)
    names = [f"{random.Random(i).randbytes(4).hex()}" for i in range(1500)]
    records = [(record(i), None if i % 5 == 0 else name) for i, name in enumerate(names)]
    make(path, records[:700])
    with ArchiveWriter(path, sync=False) as writer:
        for i, (data, name) in enumerate(records[700:], 700):
            assert name is None or writer.find(name) is None
            assert writer.append(data, name) == i
            other = random.Random(i).randrange(i + 1)
            expected = None if other % 5 == 0 else other
            assert writer.find(names[other]) == expected
    with ArchiveReader(path) as reader:
        assert [reader.find(name) for name in names] == [
            None if i % 5 == 0 else i for i in range(1500)
        ]


def test_names_with_equal_hashes_are_distinguished(path: Path, monkeypatch):
    monkeypatch.setattr("codec.archive.names._hash", lambda name: len(name))
    names = ["b", "a", "d", "c", "ab", "aa"] + [f"{i:03}" for i in range(300, 0, -1)]
    make(path, [(record(i), name) for i, name in enumerate(names)])
    with ArchiveReader(path) as reader:
        assert [reader.find(name) for name in names] == [*range(len(names))]
        assert reader.find("e") is None


def test_names_whose_ranges_are_too_long_for_the_index_are_found(path: Path, monkeypatch):
    monkeypatch.setattr(index, "MAX_RANGE_BYTES", 40)
    records = numbered(600, "a-long-name-{:04}")
    make(path, records)
    with ArchiveReader(path) as reader:
        assert [reader.find(name) for _, name in records[::50]] == [*range(0, 600, 50)]
        assert all(damage is None for damage in reader.verify())
    add(path, [(record(0), "one more")])
    assert contents(path)[-1] == (record(0), "one more")


def test_entries_describe_records_without_their_bodies(path: Path):
    make(path, [(record(0, 5, 3), "a"), (record(1, 300, 31), None)])
    with ArchiveReader(path) as reader:
        assert [*reader.entries()] == [Entry(0, "a", 5, 3), Entry(1, None, 300, 31)]


def test_a_name_cannot_be_used_twice(path: Path):
    make(path, numbered(300, "{:04}"))
    with ArchiveWriter(path) as writer:
        for name in ("0000", "0256", "0299"):
            with pytest.raises(InvalidInput, match="already"):
                writer.append(record(1), name)
        writer.append(record(1), "new")
        with pytest.raises(InvalidInput, match="already"):
            writer.append(record(1), "new")
    assert len(contents(path)) == 301


def test_damaged_records_and_those_of_another_model_are_refused(path: Path):
    make(path)
    with ArchiveWriter(path) as writer:
        for data in (b"", record(0)[:-1], seal(8, b"body", OTHER)):
            with pytest.raises(RecordError):
                writer.append(data)
        assert len(writer) == 0
    assert contents(path) == []
    assert not list(path.parent.glob("*journal*"))


def test_an_archive_of_another_model_is_refused(path: Path):
    make(path, name="fashion", version="3")
    for kind in (ArchiveReader, ArchiveWriter):
        with pytest.raises(ArchiveError, match=r"a\.rsa: holds records of the model fashion 3"):
            kind(path, model_id=OTHER)
        with pytest.raises(ArchiveError, match=r"fashion 3 \([0-9a-f]{12}\), not of pcb 1 \("):
            kind(path, model_id=OTHER, model_name="pcb 1")


def test_creating_never_replaces_a_file(path: Path):
    make(path, numbered(3))
    before = path.read_bytes()
    with pytest.raises(ArchiveError, match="exists already"):
        create(path, MODEL)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["a.rsa"]


def test_the_journal_of_a_lost_archive_is_not_used_for_a_new_one(path: Path):
    path.with_name("a.rsa.journal").write_bytes(b"")
    with pytest.raises(ArchiveError, match=r"a\.rsa\.journal is left of another archive"):
        create(path, MODEL)


@pytest.mark.parametrize(
    ("model_id", "name"), [(b"short", ""), (MODEL, "n" * 256)], ids=["model id", "name"]
)
def test_labels_that_do_not_fit_the_header_are_refused(path: Path, model_id: bytes, name: str):
    with pytest.raises(ArchiveError, match="expected 32 and at most 255 each"):
        create(path, model_id, name=name)
    assert not list(path.parent.iterdir())


def test_the_longest_labels_fit(path: Path):
    make(path, name="n" * 255, version="v" * 255)
    with ArchiveReader(path) as reader:
        assert (reader.header.name, reader.header.version) == ("n" * 255, "v" * 255)


@pytest.mark.parametrize("kind", [ArchiveReader, ArchiveWriter])
def test_a_missing_file_or_another_format_is_refused_in_one_sentence(path: Path, kind: type):
    with pytest.raises(ArchiveError, match=r"archive .*a\.rsa: No such file or directory"):
        kind(path)
    path.write_bytes(b"PK\3\4" * 100)
    with pytest.raises(ArchiveError, match=r": not a Residuum archive$"):
        kind(path)


def test_an_archive_of_a_later_version_is_refused(path: Path):
    make(path)
    data = bytearray(path.read_bytes())
    data[8] = 2
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match="format version 02, this software reads 1"):
        ArchiveReader(path)


def test_a_second_writer_is_refused_and_the_first_continues(path: Path):
    make(path)
    with ArchiveWriter(path) as writer:
        writer.append(record(0))
        with pytest.raises(ArchiveError, match="is in use: another process is writing to it"):
            ArchiveWriter(path)
        writer.append(record(1))
    assert contents(path) == [(record(0), None), (record(1), None)]
    ArchiveWriter(path).close()


def test_a_closed_writer_refuses_records(path: Path):
    make(path)
    writer = ArchiveWriter(path)
    writer.close()
    writer.close()
    with pytest.raises(ArchiveError, match="is closed"):
        writer.append(record(0))


def test_a_writer_that_appends_nothing_changes_nothing(path: Path):
    make(path, numbered(3))
    before = path.read_bytes()
    with ArchiveWriter(path) as writer:
        writer.flush()
    assert path.read_bytes() == before


def test_a_reader_sees_what_a_writer_has_appended_so_far(path: Path):
    make(path)
    records = numbered(600, "{}")
    with ArchiveWriter(path, sync=False) as writer:
        for count, (data, name) in enumerate(records):
            if count in (0, 1, 255, 256, 257, 512, 513):
                assert contents(path) == records[:count]
                with ArchiveReader(path) as reader:
                    assert reader.find("0") == (0 if count else None)
                    assert count == 0 or reader.find(f"{count - 1}") == count - 1
            writer.append(data, name)


def test_a_reader_stays_valid_while_writers_rewrite_the_last_block(path: Path):
    records = numbered(900, "{:04}")
    make(path, records[:300])
    with ArchiveReader(path) as reader:
        for low in range(300, 900, 75):
            add(path, records[low : low + 75])
            assert [reader.record(i) for i in (0, 255, 256, 299)] == [
                records[i][0] for i in (0, 255, 256, 299)
            ]
            assert reader.find("0299") == 299
            assert reader.entry(299).name == "0299"


def test_readers_are_not_disturbed_by_a_writer_in_another_thread(path: Path):
    records = numbered(4000)
    make(path, records[:1])
    failures: list[Exception] = []

    def write() -> None:
        for low in range(1, 4000, 333):
            add(path, records[low : low + 333])

    def read() -> None:
        try:
            while writing.is_alive():
                found = contents(path)
                assert found == records[: len(found)]
                assert found
        except Exception as error:  # noqa: BLE001 - reported by the main thread
            failures.append(error)

    writing = threading.Thread(target=write)
    reading = threading.Thread(target=read)
    writing.start()
    reading.start()
    writing.join()
    reading.join()
    assert failures == []


def test_a_block_ends_early_where_bodies_are_long(path: Path):
    size = BLOCK_BYTES // 4
    records = [(record(i, size), None) for i in range(10)]
    make(path, records)
    assert contents(path) == records
    with ArchiveReader(path) as reader:
        assert reader.blocks == 3


def test_small_and_huge_records_share_an_archive(path: Path):
    sizes = [1, 2**22, 0, 17, BLOCK_BYTES, BLOCK_BYTES - 1, 3, 2**24 - 5, 1]
    records = [(record(i, size), None) for i, size in enumerate(sizes)]
    make(path, records)
    assert contents(path) == records


def test_an_archive_with_too_many_blocks_is_full(path: Path, monkeypatch):
    monkeypatch.setattr(index, "MAX_BLOCKS", 2)
    make(path)
    writer = ArchiveWriter(path, sync=False)
    for i in range(2 * 256):
        writer.append(record(i))
    writer.append(record(0))
    with pytest.raises(ArchiveError, match="the archive is full: it has 2 blocks"):
        writer.close()


def test_framing_costs_about_half_a_byte_per_image(path: Path):
    """Lengths as in the shipped Fashion-MNIST model: 16.4 bytes with a deviation of 3.3."""
    rng = np.random.default_rng(0)
    sizes = rng.normal(16.4, 3.3, 10_000).round().clip(8, 40).astype(int)
    make(path, [(record(i, int(size)), None) for i, size in enumerate(sizes)])
    assert (path.stat().st_size - sizes.sum()) / len(sizes) < 0.62


def test_records_without_names_pay_nothing_for_them(path: Path):
    make(path, numbered(256))
    with ArchiveReader(path) as reader:
        assert reader.find("x") is None
    named = make(path.with_name("b.rsa"), [*numbered(255), (record(255), "x")])
    assert path.stat().st_size < 256 * 12 + 110
    assert named.stat().st_size > path.stat().st_size


def test_opening_reads_little_of_a_long_archive(path: Path):
    make(path, numbered(3000))
    read = []
    original = archive_reads(read)
    try:
        with ArchiveReader(path) as reader:
            assert sum(read) < 2000
            read.clear()
            reader.record(1700)
            assert sum(read) < 256 * 13 + 200
    finally:
        original()


def archive_reads(sizes: list[int]):
    """Collects the sizes of reads. Returns a function that stops it."""
    from codec.archive import snapshot

    real = snapshot.read_at

    def counted(fd: int, offset: int, size: int) -> bytes:
        data = real(fd, offset, size)
        sizes.append(len(data))
        return data

    snapshot.read_at = counted
    return lambda: setattr(snapshot, "read_at", real)


def test_an_index_that_is_too_long_is_refused_before_it_is_read(path: Path):
    make(path)
    data = path.read_bytes()
    for size in (index.MAX_INDEX_BYTES + 1, 2**32 - 1):
        trailer = size.to_bytes(4, "big") + data[-16:]
        with path.open("wb") as file:
            file.write(data[:-20])
            file.seek(2**33)  # a hole: no bytes on the disk
            file.write(trailer)
        with pytest.raises(ArchiveError, match="at most"):
            ArchiveReader(path)


def test_an_empty_layout_has_no_blocks():
    assert (len(Layout(50)), Layout(50).end, Layout(50).records) == (0, 50, 0)
