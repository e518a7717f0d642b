"""Columns of numbers and lists of names: inverse, short, and refused when they are damaged."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.archive.columns import (
    MAX_NAME_BYTES,
    NAME_OVERHEAD,
    encode_name,
    pack_column,
    pack_names,
    read_varint,
    unpack_column,
    unpack_names,
    varint,
)
from codec.errors import ArchiveError, InvalidInput

LIMIT = 2**20
numbers = st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 40), min_size=1, max_size=256)
names = st.lists(st.text(max_size=12), max_size=40).map(
    lambda many: [name.encode() for name in many if "\0" not in name]
)


def column(*values: int) -> bytes:
    return pack_column(np.array(values, np.int64))


@pytest.mark.parametrize(
    ("values", "golden"),
    [
        ([7], "07ff"),
        ([300, 300, 300], "ac02ff"),
        # 1 below, at, 1 above 17: 1, 0, 2 with k = 0: 01 1 001, two zeros
        ([16, 17, 18], "110064"),
        # 1 and 6 below, 3 above, at 16: 1, 11, 6, 0 with k = 2: quotients 1 001 01 1, remainders
        # 01 11 10 00, a zero
        ([15, 10, 19, 16], "100296f0"),
    ],
)
def test_the_bytes_of_a_column_never_change(values: list[int], golden: str) -> None:
    assert column(*values).hex() == golden


@given(numbers, st.binary(max_size=5))
def test_a_column_is_read_back_whatever_follows(values: list[int], behind: bytes) -> None:
    packed = column(*values)
    found, end = unpack_column(b"**" + packed + behind, 2, len(values))
    assert found.tolist() == values
    assert end == 2 + len(packed)


@given(numbers)
def test_a_column_is_never_longer_than_a_fixed_width(values: list[int]) -> None:
    width = (max(values) - min(values)).bit_length()
    assert len(column(*values)) <= 5 + 1 + (len(values) * (width + 2) + 7) // 8


@given(numbers)
def test_a_column_that_is_cut_anywhere_is_refused(values: list[int]) -> None:
    packed = column(*values)
    for size in range(len(packed)):
        with pytest.raises(ArchiveError):
            unpack_column(packed[:size], 0, len(values))


@given(st.binary(max_size=60), st.integers(1, 256))
def test_arbitrary_bytes_are_a_column_or_refused(junk: bytes, count: int) -> None:
    try:
        values, end = unpack_column(junk, 0, count)
    except ArchiveError:
        return
    assert len(values) == count
    assert values.min() >= 0
    assert end <= len(junk)


def test_a_column_with_bits_behind_its_last_number_is_refused() -> None:
    with pytest.raises(ArchiveError, match="zeros"):
        unpack_column(bytes.fromhex("110065"), 0, 3)


@pytest.mark.parametrize("k", [34, 100, 254])
def test_a_column_with_an_impossible_parameter_is_refused(k: int) -> None:
    with pytest.raises(ArchiveError):
        unpack_column(bytes([0, k]) + b"\xff" * 1000, 0, 3)


def test_the_largest_parameter_is_read() -> None:
    values, end = unpack_column(bytes([0, 33, 0x80, 0, 0, 0, 0x80]), 0, 1)
    assert (values.tolist(), end) == ([1], 7)


@pytest.mark.parametrize("data", ["010018", "ffffffff0f0030"], ids=["below zero", "above"])
def test_a_column_that_leads_out_of_its_range_is_refused(data: str) -> None:
    with pytest.raises(ArchiveError, match="limits"):
        unpack_column(bytes.fromhex(data), 0, 2)


@given(st.integers(0, 2**32 - 1))
def test_a_varint_is_read_back(value: int) -> None:
    assert read_varint(varint(value), 0) == (value, len(varint(value)))


@pytest.mark.parametrize("data", ["", "80", "8000", "ffffffff10", "ffffffff7f", "808080808001"])
def test_a_varint_that_nobody_writes_is_refused(data: str) -> None:
    with pytest.raises(ArchiveError):
        read_varint(bytes.fromhex(data), 0)


def test_the_bytes_of_names_never_change() -> None:
    assert pack_names([b"a/1", b"a/2", b"", b"b"]).hex() == "000002000003010001612f313262"
    assert unpack_names(bytes.fromhex("000002000003010001612f313262"), 4, LIMIT) == [
        b"a/1",
        b"a/2",
        b"",
        b"b",
    ]


@given(names)
def test_names_are_read_back(many: list[bytes]) -> None:
    assert unpack_names(pack_names(many), len(many), LIMIT) == many


def test_numbered_names_cost_about_a_byte_each() -> None:
    many = [f"images/{i:06}.png".encode() for i in range(4096, 4096 + 256)]
    packed = pack_names(many)
    assert len(packed) < 1.5 * len(many)
    assert unpack_names(packed, len(many), LIMIT) == many


@given(names.filter(bool), st.data())
def test_damaged_names_are_names_or_refused(many: list[bytes], data: st.DataObject) -> None:
    packed = bytearray(pack_names(many))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    packed = packed[: data.draw(st.integers(0, len(packed)))]
    try:
        found = unpack_names(bytes(packed), len(many), LIMIT)
    except ArchiveError:
        return
    assert len(found) == len(many)
    assert all(name == b"" or encode_name(name.decode()) == name for name in found)


def test_names_that_unfold_into_more_than_the_limit_are_refused() -> None:
    plain = [b"x" * 1000] * 100
    packed = pack_names(plain)
    assert len(packed) < 100
    size = sum(map(len, plain)) + NAME_OVERHEAD * len(plain)
    assert unpack_names(packed, 100, size) == plain
    with pytest.raises(ArchiveError, match="no more are read"):
        unpack_names(packed, 100, size - 1)


def test_a_deflated_list_that_says_another_size_is_refused() -> None:
    packed = pack_names([b"x" * 1000] * 100)
    _, at = read_varint(packed, 1)
    for size in (0, 1, 1299, 1301, 2**31):
        with pytest.raises(ArchiveError):
            unpack_names(packed[:1] + varint(size) + packed[at:], 100, LIMIT)
    with pytest.raises(ArchiveError):
        unpack_names(packed + b"\0", 100, LIMIT)


@pytest.mark.parametrize("name", ["", "a\0b", "x" * (MAX_NAME_BYTES + 1), "\udcff"])
def test_a_name_that_cannot_be_stored_is_the_callers_fault(name: str) -> None:
    with pytest.raises(InvalidInput):
        encode_name(name)


def test_the_longest_name_is_stored() -> None:
    assert encode_name("ä" * (MAX_NAME_BYTES // 2)) == "ä".encode() * (MAX_NAME_BYTES // 2)
