"""Archives and journals of which any byte is wrong, missing or too many."""

# ruff: noqa: S311

import os
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.archive import ArchiveReader, ArchiveWriter, create
from codec.archive.blocks import (
    BLOCK_RECORDS,
    MAX_BODIES,
    Header,
    Item,
    header_seed,
    pack_block,
    pack_header,
    unpack_block,
    unpack_start,
)
from codec.archive.index import Layout, pack_index, unpack_index
from codec.archive.journal import JournalStart, pack_entry, pack_journal, unpack_journal
from codec.errors import ArchiveError
from codec.record.frame import seal

MODEL = bytes(range(32))
SEED = 12345
Records = list[tuple[bytes, str | None]]


@pytest.fixture(scope="module", autouse=True)
def unsynced() -> Iterator[None]:
    """Skips syncing: nothing here depends on it, and it would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda fd: None)
        yield


def records(count: int, *, named: bool = True) -> Records:
    rng = random.Random(count)
    sizes = [rng.randrange(3, 30) for _ in range(count)]
    return [
        (seal(8 + i % 3, rng.randbytes(size), MODEL), f"n/{i:03}" if named else None)
        for i, size in enumerate(sizes)
    ]


def archive(path: Path, many: Records) -> Path:
    create(path, MODEL, name="m", version="1")
    with ArchiveWriter(path, sync=False) as writer:
        for data, name in many:
            writer.append(data, name)
    return path


def left_open(path: Path, many: Records) -> Path:
    """An archive with its journal, as a killed process leaves them."""
    archive(path, many[:260])
    writer = ArchiveWriter(path, sync=False)
    for data, name in many[260:]:
        writer.append(data, name)
    copies = {p: p.read_bytes() for p in (path, journal(path))}
    writer.close()
    for p, data in copies.items():
        p.write_bytes(data)
    return path


def journal(path: Path) -> Path:
    return path.with_name(path.name + ".journal")


def check(path: Path, many: Records, *, salvage: bool = False) -> int:
    """Each record, entry and search is exact or refused. Returns the number of records read."""
    try:
        reader = ArchiveReader(path, salvage=salvage)
    except ArchiveError:
        return 0
    exact = 0
    with reader:
        assert len(reader) <= len(many) if salvage else len(reader) == len(many)
        damages = list(reader.verify())
        for number, (data, name) in enumerate(many[: len(reader)]):
            try:
                assert reader.record(number) == data
                exact += 1
                assert reader.name(number) == name
                assert name is None or reader.find(name) == number
            except ArchiveError:
                assert any(damages)
    return exact


@pytest.mark.parametrize("named", [True, False])
def test_no_flipped_bit_passes(tmp_path: Path, named: bool):
    many = records(5, named=named)
    path = archive(tmp_path / "a.rsa", many)
    whole = path.read_bytes()
    for at in range(len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        path.write_bytes(flipped)
        try:
            with ArchiveReader(path) as reader:
                assert any(reader.verify())
        except ArchiveError:
            pass
        assert check(path, many) == 0
        check(path, many, salvage=True)


def test_damage_of_a_block_costs_no_other(tmp_path: Path):
    many = records(700)
    path = archive(tmp_path / "a.rsa", many)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    with ArchiveReader(path) as reader:
        damages = [damage for damage in reader.verify() if damage]
    assert [(damage.first, damage.count) for damage in damages] == [(256, 256)]
    assert "checksum of its records" in damages[0].reason
    assert check(path, many) == 700 - 256


def test_a_closed_archive_that_is_cut_anywhere_is_refused(tmp_path: Path):
    path = archive(tmp_path / "a.rsa", records(5))
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ArchiveError):
            ArchiveReader(path)
        with pytest.raises(ArchiveError):
            ArchiveWriter(path)
        assert path.read_bytes() == whole[:size]


def test_a_cut_archive_is_refused_but_can_be_salvaged(tmp_path: Path):
    many = records(700)
    path = archive(tmp_path / "a.rsa", many)
    whole = path.read_bytes()
    expected = {len(whole) - 1: 700, len(whole) * 3 // 4: 512, 100: 0}
    for size, count in expected.items():
        path.write_bytes(whole[:size])
        with pytest.raises(ArchiveError, match="cut short or not closed"):
            ArchiveReader(path)
        with ArchiveReader(path, salvage=True) as reader:
            assert list(reader) == [data for data, _ in many[:count]]
            assert reader.find("n/000") == (0 if count else None)


def test_an_archive_without_its_journal_can_be_salvaged(tmp_path: Path):
    many = records(600)
    path = left_open(tmp_path / "a.rsa", many)
    lost = journal(path).read_bytes()
    for left in (None, b"", lost[:20], b"junk" * 20):
        journal(path).unlink(missing_ok=True)
        if left is not None:
            journal(path).write_bytes(left)
        with pytest.raises(ArchiveError):
            ArchiveReader(path)
        assert check(path, many, salvage=True) >= 512


def test_bytes_after_an_archive_are_refused(tmp_path: Path):
    many = records(5)
    path = archive(tmp_path / "a.rsa", many)
    whole = path.read_bytes()
    for more in (b"\0", b"RSAI", whole[-20:], whole):
        path.write_bytes(whole + more)
        with pytest.raises(ArchiveError):
            ArchiveReader(path)


@pytest.fixture(scope="module")
def open_files(tmp_path_factory) -> dict[Path, bytes]:
    path = left_open(tmp_path_factory.mktemp("h") / "a.rsa", records(300))
    return {p: p.read_bytes() for p in (path, journal(path))}


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_hostile_changes_give_an_error_or_the_exact_records(open_files, data):
    many = records(300)
    for p, whole in open_files.items():
        p.write_bytes(whole)
    path, journal_file = open_files
    victim = data.draw(st.sampled_from([path, journal_file]))
    content = bytearray(open_files[victim])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        size = data.draw(st.integers(0, 9))
        content[at : at + size] = data.draw(st.binary(max_size=9))
    victim.write_bytes(content)
    for salvage in (False, True):
        try:
            with ArchiveReader(path, salvage=salvage) as reader:
                # Of the journal's last record any part may be missing.
                assert salvage or len(reader) >= 299 or victim == journal_file
                assert list(reader) == [data for data, _ in many[: len(reader)]]
                assert [entry.name for entry in reader.entries()] == [
                    name for _, name in many[: len(reader)]
                ]
        except ArchiveError:
            pass


@given(st.binary(max_size=300), st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_random_bytes_after_a_valid_header_never_crash(tmp_path_factory, junk, journal_junk):
    path = tmp_path_factory.mktemp("r") / "a.rsa"
    begin = pack_header(Header(MODEL, "m", "1"))
    path.write_bytes(begin + junk)
    for salvage in (True, False):
        assert check(path, [], salvage=salvage) == 0
    journal(path).write_bytes(b"RSAJ\1" + journal_junk)
    with pytest.raises(ArchiveError):
        ArchiveReader(path)


def test_a_block_in_another_place_is_damage(tmp_path: Path):
    """Two whole blocks of equal size and count that change places are damage."""
    many = [(seal(8, bytes([i // 256]) * 9, MODEL), None) for i in range(512)]
    path = archive(tmp_path / "a.rsa", many)
    data = path.read_bytes()
    with ArchiveReader(path) as reader:
        start, middle, end = reader._snapshot.layout.offsets
    assert middle - start == end - middle
    path.write_bytes(data[:start] + data[middle:end] + data[start:middle] + data[end:])
    with ArchiveReader(path) as reader:
        assert [damage is None for damage in reader.verify()] == [False, False]


def test_blocks_of_an_archive_of_another_model_are_damage(tmp_path: Path):
    one = archive(tmp_path / "a.rsa", records(5)).read_bytes()
    head = pack_header(Header(bytes(32), "m", "1"))
    (tmp_path / "b.rsa").write_bytes(head + one[len(head) :])
    with pytest.raises(ArchiveError, match="index is damaged"):
        ArchiveReader(tmp_path / "b.rsa")


def test_a_journal_of_another_archive_or_another_time_is_refused(tmp_path: Path):
    many = records(600)
    path = left_open(tmp_path / "a.rsa", many)
    other = left_open(tmp_path / "b.rsa", records(601))
    mine = journal(path).read_bytes()
    journal(path).write_bytes(journal(other).read_bytes())
    with pytest.raises(ArchiveError, match=r"another archive|cut short|damaged"):
        ArchiveReader(path)
    journal(path).write_bytes(mine)
    assert check(path, many) == 600
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ArchiveError, match="200 bytes, the journal expects at least"):
        ArchiveReader(path)


def block(**changes: int) -> bytes:
    return struct.pack(
        ">cBIII", *({"kind": b"B", "last": 0, "head": 9, "bodies": 9, "crc": 0} | changes).values()
    )


@pytest.mark.parametrize(
    "changes",
    [{"kind": b"C"}, {"head": 2**19}, {"bodies": MAX_BODIES + 1}, {"head": 2**32 - 1}],
    ids=["kind", "head", "bodies", "largest head"],
)
def test_a_block_with_an_impossible_start_is_refused_before_it_is_read(changes):
    assert unpack_start(block()).size == 14 + 9 + 4 + 9
    with pytest.raises(ArchiveError, match="bad magic or impossible sizes"):
        unpack_start(block(**changes))


def sealed_block(levels: bytes, lengths: bytes, bodies: bytes) -> bytes:
    """A block of one record with right checksums and any contents."""
    head = levels + lengths
    data = struct.pack(">cBIII", b"B", 0, len(head), len(bodies), zlib.crc32(bodies)) + head
    return data + zlib.crc32(data, zlib.crc32(bytes(8), SEED)).to_bytes(4, "big") + bodies


def test_impossible_numbers_are_refused_despite_right_checksums():
    good = sealed_block(b"\x1f\xff", b"\x03\xff", b"abc")
    assert unpack_block(good, 0, SEED) == [Item(31, b"abc")]
    for levels, lengths in ((b"\x20\xff", b"\x03\xff"), (b"\0\xff", b"\2\xff"), (b"", b"")):
        with pytest.raises(ArchiveError):
            unpack_block(sealed_block(levels, lengths, b"abc"), 0, SEED)
    for other in (good + b"\0", good[:-1]):
        with pytest.raises(ArchiveError, match="checksum of its records"):
            unpack_block(other, 0, SEED)


def a_layout(*blocks: int) -> Layout:
    layout = Layout(50)
    for count in blocks:
        items = [Item(8, b"body")] * count
        layout.add(pack_block(items, layout.records, SEED)[1])
    return layout


def reseal(data: bytes) -> bytes:
    return data[:-8] + zlib.crc32(data[:-8], SEED).to_bytes(4, "big") + data[-4:]


def test_an_index_is_read_back():
    layout = a_layout(256, 256, 3)
    found = unpack_index(pack_index(layout, SEED), 50, layout.end, SEED)
    assert (found.offsets, found.firsts, found.ranges) == (
        layout.offsets,
        [0, 256, 512, 515],
        [(b"", b"")] * 3,
    )


def test_an_index_that_contradicts_its_archive_is_refused():
    layout = a_layout(256, 256, 3)
    data = pack_index(layout, SEED)
    for start, stop in ((49, layout.end), (50, layout.end + 1), (50, 60)):
        with pytest.raises(ArchiveError):
            unpack_index(data, start, stop, SEED)
    more = reseal(data[:-16] + (516).to_bytes(8, "big") + data[-8:])
    with pytest.raises(ArchiveError, match="contradicts"):
        unpack_index(more, 50, layout.end, SEED)
    many = reseal(data[:1] + (2**31).to_bytes(4, "big") + data[5:])
    with pytest.raises(ArchiveError, match="bad magic or too many blocks"):
        unpack_index(many, 50, layout.end, SEED)


def test_an_index_of_impossible_blocks_is_refused():
    layout = a_layout(256)
    for counts, offsets in (([0, 257], layout.offsets), ([0, 0], layout.offsets)):
        layout.firsts, layout.offsets = counts, offsets
        with pytest.raises(ArchiveError, match="impossible"):
            unpack_index(pack_index(layout, SEED), 50, layout.end, SEED)
    largest = 14 + 256 * (1024 + 8) + 4096 + 4 + 2**18 + 2**24
    layout.firsts, layout.offsets = [0, 256], [50, 50 + largest]
    assert len(unpack_index(pack_index(layout, SEED), 50, layout.end, SEED)) == 1
    layout.offsets = [50, 51 + largest]
    with pytest.raises(ArchiveError, match="impossible"):
        unpack_index(pack_index(layout, SEED), 50, layout.end, SEED)


def test_a_journal_that_grew_by_unwritten_zeros_ends_there():
    """As a power failure can leave it."""
    start, items = JournalStart(0, 50, 0), [Item(8, b"one"), Item(8, b"two", b"name")]
    data = pack_journal(start, items, SEED)
    for zeros in (1, 10, 11, 12, 5000):
        found = unpack_journal(data + bytes(zeros), SEED)
        assert found.items == tuple(items)
        assert found.size == len(data)


def test_a_journal_that_is_damaged_before_its_end_is_refused():
    start, items = (
        JournalStart(7, 50, 3),
        [Item(8, b"one"), Item(8, b"two", b"name"), Item(31, b"")],
    )
    data = pack_journal(start, items, SEED)
    assert unpack_journal(data, SEED).items == tuple(items)
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1
        with pytest.raises(ArchiveError):
            unpack_journal(bytes(damaged), SEED)
        if at >= 29:
            found = unpack_journal(bytes(damaged), SEED, salvage=True).items
            assert found == tuple(items[: len(found)])
            assert len(found) < 3


def test_a_journal_that_is_cut_at_any_byte_of_its_last_record_loses_that_one_alone():
    start, items = (
        JournalStart(7, 50, 3),
        [Item(8, b"one"), Item(8, b"two", b"name"), Item(31, b"x", b"y")],
    )
    whole = pack_journal(start, items, SEED)
    before = len(whole) - len(pack_entry(items[-1], 9, SEED))
    for size in range(before, len(whole)):
        found = unpack_journal(whole[:size], SEED)
        assert (found.items, found.size) == (tuple(items[:-1]), before)
    assert unpack_journal(whole, SEED).items == tuple(items)
    assert unpack_journal(whole[:29], SEED).items == ()


def test_a_last_record_that_is_both_cut_and_damaged_is_refused():
    data = bytearray(pack_journal(JournalStart(0, 50, 0), [Item(8, b"one")], SEED)[: 29 + 11])
    data[29] ^= 1
    with pytest.raises(ArchiveError, match="damaged at record 0"):
        unpack_journal(bytes(data), SEED)


def test_no_longer_journal_is_read_than_can_be_written():
    largest = 29 + 256 * (7 + 4 + 4 + 1024) + 2**18 + 2**24
    data = pack_journal(JournalStart(0, 50, 0), [Item(8, b"one")], SEED).ljust(largest, b"\0")
    assert unpack_journal(data, SEED).items == (Item(8, b"one"),)
    with pytest.raises(ArchiveError, match="more than"):
        unpack_journal(data + b"\0", SEED)


def test_a_journal_holds_no_more_than_a_block():
    start, item = JournalStart(0, 50, 0), Item(8, b"x")
    data = pack_journal(start, [item] * BLOCK_RECORDS, SEED)
    assert len(unpack_journal(data, SEED).items) == BLOCK_RECORDS
    with pytest.raises(ArchiveError, match="more than a block"):
        unpack_journal(data + pack_entry(item, BLOCK_RECORDS, SEED), SEED)
    with pytest.raises(ArchiveError, match="more than"):
        unpack_journal(data + bytes(2**25), SEED)


def test_a_seed_covers_the_header_but_for_its_checksum():
    packed = pack_header(Header(MODEL, "m", "1"))
    assert header_seed(packed) == int.from_bytes(packed[-4:], "big") == zlib.crc32(packed[:-4])
