"""The index at its limits, computed here independently."""

import zlib

import pytest

from codec.archive.blocks import Item, pack_block
from codec.archive.index import Layout, index_size, pack_index, unpack_index
from codec.errors import ArchiveError

SEED = 12345
# Start, two columns of 2^21 numbers, ranges of names.
LARGEST = 5 + 2 * (6 + 5 * 2**21) + 2**24 + 8


def a_layout(*names: bytes) -> Layout:
    """Blocks of one record each."""
    layout = Layout(50)
    for name in names:
        layout.add(pack_block([Item(8, b"body", name)], layout.records, SEED)[1])
    return layout


def sealed(body: bytes, records: int = 0) -> bytes:
    """Any body as an index with the right checksum."""
    data = body + len(body).to_bytes(4, "big") + records.to_bytes(8, "big")
    return data + zlib.crc32(data, SEED).to_bytes(4, "big") + b"RSAI"


def trailer(size: int) -> bytes:
    return size.to_bytes(4, "big") + bytes(12) + b"RSAI"


def test_no_larger_index_is_read_than_can_be_written() -> None:
    assert index_size(trailer(LARGEST)) == LARGEST + 20
    with pytest.raises(ArchiveError, match=f"expected at most {LARGEST}"):
        index_size(trailer(LARGEST + 1))


@pytest.mark.parametrize("data", [b"", trailer(9)[1:], trailer(9)[:-1] + b"J", b"0" + trailer(9)])
def test_an_invalid_trailer_is_refused(data: bytes) -> None:
    with pytest.raises(ArchiveError, match="does not end in its index"):
        index_size(data)


@pytest.mark.parametrize("body", [b"", b"I", b"I\0\0\0"])
def test_an_index_shorter_than_its_beginning_is_refused(body: bytes) -> None:
    assert len(unpack_index(sealed(b"I\0\0\0\0"), 50, 50, SEED)) == 0
    with pytest.raises(ArchiveError, match="cut short"):
        unpack_index(sealed(body), 50, 50, SEED)


@pytest.mark.parametrize(
    ("count", "size", "words"),
    [
        (11, 242, "shortest form"),
        (11, 241, "bad magic or too many blocks"),
        (2**21, 2**40, "shortest form"),
        (2**21 + 1, 2**40, "bad magic or too many blocks"),
    ],
)
def test_more_blocks_than_fit_are_refused_at_once(count: int, size: int, words: str) -> None:
    with pytest.raises(ArchiveError, match=words):
        unpack_index(sealed(b"I" + count.to_bytes(4, "big")), 7, 7 + size, SEED)


def test_an_archive_is_full_of_two_million_blocks() -> None:
    layout = Layout(50)
    layout.firsts = [0] * 2**21
    layout.check_room()
    layout.firsts = [0] * (2**21 + 1)
    with pytest.raises(ArchiveError, match="the archive is full: it has 2097152 blocks"):
        layout.check_room()


def test_unknown_ranges_are_one_zero_byte() -> None:
    layout = a_layout(b"a", b"b")
    known = unpack_index(pack_index(layout, SEED), 50, layout.end, SEED)
    assert known.ranges == [(b"a", b"a"), (b"b", b"b")]
    layout.ranges = None
    data = pack_index(layout, SEED)
    assert data[-21:-20] == b"\0"
    assert unpack_index(data, 50, layout.end, SEED).ranges is None


def test_ranges_of_sixteen_megabytes_are_kept_and_no_longer_ones() -> None:
    layout = a_layout(b"a")
    for length, known in ((2**23 - 8, True), (2**23 - 7, False)):
        layout.ranges = [(b"x" * (2**23 - 8), b"y" * length)]
        assert (len(pack_index(layout, SEED)) > 1000) is known


def test_a_layout_without_its_last_block_keeps_the_others() -> None:
    whole, shorter = a_layout(b"a", b"", b"c"), a_layout(b"a", b"").without_last()
    assert (shorter.offsets, shorter.firsts, shorter.ranges) == (
        whole.offsets[:2],
        [0, 1],
        [(b"a", b"a")],
    )
    whole.ranges = None
    assert whole.without_last().ranges is None
