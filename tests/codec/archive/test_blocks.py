"""Headers and blocks at their limits, computed here independently."""

# ruff: noqa: S311

import random

import pytest

from codec.archive.blocks import (
    Header,
    Item,
    Start,
    is_full,
    pack_block,
    pack_header,
    pack_start,
    unpack_block,
    unpack_header,
    unpack_start,
)
from codec.errors import ArchiveError

SEED = 12345
# 256 names of 1,024 bytes with 8 bytes for each, and 4,096 bytes for two columns.
LARGEST_HEAD = 256 * (1024 + 8) + 4096
LARGEST_BODIES = 2**18 + 2**24


def test_a_header_that_is_cut_anywhere_is_refused() -> None:
    packed = pack_header(Header(bytes(32), "name", "7"))
    assert unpack_header(packed + b"more") == (Header(bytes(32), "name", "7"), len(packed))
    for size in range(8):
        with pytest.raises(ArchiveError, match="not a Residuum archive"):
            unpack_header(packed[:size])
    with pytest.raises(ArchiveError, match="format version , this software reads 1"):
        unpack_header(packed[:8])
    for size in range(9, len(packed)):
        with pytest.raises(ArchiveError, match="damaged or cut short"):
            unpack_header(packed[:size])


@pytest.mark.parametrize(
    ("count", "bodies", "full"),
    [(255, 0, False), (256, 0, True), (1, 2**18 - 1, False), (1, 2**18, True)],
)
def test_a_block_is_full_of_256_records_or_a_quarter_of_a_megabyte(
    count: int, bodies: int, full: bool
) -> None:
    assert is_full(count, bodies) is full


@pytest.mark.parametrize(
    ("head", "bodies", "read"),
    [
        (LARGEST_HEAD, LARGEST_BODIES, True),
        (LARGEST_HEAD + 1, 0, False),
        (0, LARGEST_BODIES + 1, False),
    ],
)
def test_no_larger_block_is_read_than_can_be_written(head: int, bodies: int, read: bool) -> None:
    start = Start(1, head, bodies, 0)
    if read:
        assert unpack_start(pack_start(start)) == start
    else:
        with pytest.raises(ArchiveError, match="bad magic or impossible sizes"):
            unpack_start(pack_start(start))


def test_a_block_of_the_longest_names_is_read_back() -> None:
    rng = random.Random(0)
    items = [Item(i % 32, bytes(i), rng.randbytes(512).hex().encode()) for i in range(256)]
    data, head = pack_block(items, 7, SEED)
    assert len(data) == head.start.size
    assert unpack_block(data, 7, SEED) == items


def test_a_damaged_body_is_detected_at_any_length() -> None:
    data, _ = pack_block([Item(8, b"abc"), Item(9, b"def")], 0, SEED)
    for damaged in (data[:-1] + b"g", data[:-1], data + b"\0"):
        with pytest.raises(ArchiveError, match="checksum of its records"):
            unpack_block(damaged, 0, SEED)
