"""Columns of numbers: invertible, short, and refused when damaged."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.archive.columns import pack_column, read_number, unpack_column
from codec.errors import ArchiveError
from codec.varint import write_varint

numbers = st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 40), min_size=1, max_size=256)


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
        # 2^32 - 1 below, at 2^32 - 1, the largest k that is written: 0001 1, 31 bits twice
        ([0, 2**32 - 1], "ffffffff0f" + "1f" + "1fffffffd000000000"),
    ],
)
def test_the_bytes_of_a_column_never_change(values: list[int], golden: str) -> None:
    assert column(*values).hex() == golden


@given(numbers)
def test_the_centre_of_a_column_is_the_median(values: list[int]) -> None:
    assert read_number(column(*values), 0)[0] == sorted(values)[len(values) // 2]


def test_the_centre_of_a_long_column_is_the_median() -> None:
    rng = np.random.default_rng(0)
    for count in (199, 200, 256):
        values = rng.choice(2**20, count, replace=False)
        assert read_number(pack_column(values), 0)[0] == sorted(values.tolist())[count // 2]


@pytest.mark.parametrize("spread", [1, 5, 100, 2**20])
def test_no_other_parameter_would_be_shorter(spread: int) -> None:
    values = np.random.default_rng(spread).normal(2**30, spread, 99).round().astype(np.int64)
    far = np.abs(values - np.median(values))
    rest = 2 * far - (values < np.median(values))
    best = min(sum(int(m) // 2**k + 1 + k for m in rest) for k in range(40))
    assert len(pack_column(values)) == 5 + 1 + -(-best // 8)


def test_a_column_has_at_most_34_bits_for_each_number() -> None:
    widest = bytes([0, 33]) + np.packbits([1] * 8 + [0] * (8 * 33)).tobytes()
    assert len(widest) == 2 + 34
    assert unpack_column(widest, 0, 8)[0].tolist() == [0] * 8
    longest = bytes([200, 2, 0]) + np.packbits([0] * 264 + [1] * 8).tobytes()
    assert unpack_column(longest, 0, 8)[0].tolist() == [328 + 132] + [328] * 7
    with pytest.raises(ArchiveError, match="cut short"):
        unpack_column(bytes([200, 2, 0]) + np.packbits([0] * 265 + [1] * 8).tobytes(), 0, 8)


@given(numbers, st.binary(max_size=5))
def test_a_column_is_read_back_before_any_other_bytes(values: list[int], suffix: bytes) -> None:
    packed = column(*values)
    found, end = unpack_column(b"**" + packed + suffix, 2, len(values))
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


def test_a_column_with_bits_after_its_last_number_is_refused() -> None:
    with pytest.raises(ArchiveError, match="zeros"):
        unpack_column(bytes.fromhex("110065"), 0, 3)
    with pytest.raises(ArchiveError, match="zeros"):
        unpack_column(bytes.fromhex("100296f1"), 0, 4)


@pytest.mark.parametrize("k", [34, 100, 254])
def test_a_column_with_an_impossible_parameter_is_refused(k: int) -> None:
    with pytest.raises(ArchiveError):
        unpack_column(bytes([0, k]) + b"\xff" * 1000, 0, 3)


def test_no_larger_parameter_is_read_even_for_small_numbers() -> None:
    for k, zeros in ((33, 33), (34, 34)):
        data = bytes([7, k]) + np.packbits([1] + [0] * zeros).tobytes()
        if k == 33:
            assert unpack_column(data, 0, 1)[0].tolist() == [7]
        else:
            with pytest.raises(ArchiveError, match="cut short"):
                unpack_column(data, 0, 1)


def test_the_largest_parameter_is_read() -> None:
    values, end = unpack_column(bytes([0, 33, 0x80, 0, 0, 0, 0x80]), 0, 1)
    assert (values.tolist(), end) == ([1], 7)


@pytest.mark.parametrize("data", ["010018", "ffffffff0f0030"], ids=["below zero", "above"])
def test_a_column_with_numbers_out_of_range_is_refused(data: str) -> None:
    with pytest.raises(ArchiveError, match="limits"):
        unpack_column(bytes.fromhex(data), 0, 2)


@given(st.integers(0, 2**32 - 1))
def test_a_varint_is_read_back(value: int) -> None:
    assert read_number(write_varint(value), 0) == (value, len(write_varint(value)))


@pytest.mark.parametrize(
    ("value", "data"),
    [(0, "00"), (127, "7f"), (128, "8001"), (16383, "ff7f"), (16384, "808001")],
)
def test_the_bytes_of_a_varint_never_change(value: int, data: str) -> None:
    assert write_varint(value).hex() == data
    assert read_number(bytes.fromhex(data), 0) == (value, len(data) // 2)


@pytest.mark.parametrize(
    "data", ["", "80", "8000", "ffffffff10", "ffffffff7f", "808080808001", "8080808010"]
)
def test_a_varint_not_in_its_shortest_form_is_refused(data: str) -> None:
    with pytest.raises(ArchiveError):
        read_number(bytes.fromhex(data), 0)
