"""Lists of names: invertible, short, and refused when damaged."""

import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.archive.columns import read_number
from codec.archive.name_lists import (
    MAX_NAME_BYTES,
    encode_name,
    pack_names,
    unpack_names,
)
from codec.errors import ArchiveError, InvalidInput
from codec.varint import write_varint

LIMIT = 2**20
words = st.text(max_size=12) | st.from_regex(r"[a-b.]{0,2}[089]{0,17}[a.0]{0,2}", fullmatch=True)
names = st.lists(words, min_size=1, max_size=40).map(
    lambda many: [name.encode() for name in many if "\0" not in name] or [b""]
)


@pytest.mark.parametrize(
    ("many", "golden"),
    [
        ([b""], "000000"),
        ([b"ab"], "000002" + b"ab".hex()),
        ([b"?a"], "000002" + b"?a".hex()),
        # Steps 0 1 0 0, of which the last three are written: 1 0 0 about 0, as 001 1 1.
        ([b"a/1", b"a/2", b"", b"b"], "00" + "000038" + "000000" + "030001" + b"a/1b".hex()),
        # Steps 0 1 90: 1 90 about 90, as 177 and 0 with k = 6.
        ([b"9", b"10", b"100"], "00" + "5a06" + "3c40" + "00" + "01" + "39"),
    ],
)
def test_the_bytes_of_names_never_change(many: list[bytes], golden: str) -> None:
    assert pack_names(many).hex() == golden
    assert unpack_names(bytes.fromhex(golden), len(many), LIMIT) == many


@given(names)
def test_names_are_read_back(many: list[bytes]) -> None:
    assert unpack_names(pack_names(many), len(many), LIMIT) == many


@pytest.mark.parametrize("pattern", ["images/{:06}.png", "a1b{}", "{}"])
def test_names_that_count_up_cost_next_to_nothing(pattern: str) -> None:
    many = [pattern.format(i).encode() for i in range(900, 900 + 256)]
    packed = pack_names(many)
    assert len(packed) < 25
    assert unpack_names(packed, len(many), LIMIT) == many


def test_numbers_with_gaps_cost_little_more_than_their_entropy() -> None:
    rng = np.random.default_rng(0)
    many = [b"images/%06d.png" % i for i in sorted(rng.choice(10_000, 256, replace=False))]
    # The choice has log2 of (10,000 over 256) bits: 1,713 of them, 215 bytes.
    assert len(pack_names(many)) < 260


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (b"a1", b"a1"),
        (b"a2", b"a1"),
        (b"a01", b"a2"),
        (b"a1", b"a02"),
        (b"a1b", b"a2c"),
        (b"a1", b"a4294967297"),
        (b"x", b"y"),
        (b"a1", b"a\xc2\xb2"),
        (b"1a", b"1"),
        (b"1" * 900, b"2" * 900),
    ],
)
def test_names_that_do_not_count_up_are_spelled_out(one: bytes, two: bytes) -> None:
    packed = pack_names([one, two])
    assert unpack_names(packed, 2, LIMIT) == [one, two]
    assert len(packed) >= 1 + 2 + 4 + len(one) or packed[0] == 1


@pytest.mark.parametrize(
    ("name", "following"),
    [
        (b"a9.png", b"a10.png"),
        (b"a0099.png", b"a0100.png"),
        (b"1/2/3", b"1/2/4"),
        (b"999999999999999", b"1000000000000000"),
        (b"x1999999999999999", b"x11000000000000000"),
        (b"9" * 20, b"9" * 5 + b"1" + b"0" * 15),
        (b"a1", b"a4294967296"),
    ],
)
def test_the_number_that_counts_is_the_last_one(name: bytes, following: bytes) -> None:
    packed = pack_names([name, following])
    assert len(packed) <= 1 + 11 + 2 + len(name)
    assert unpack_names(packed, 2, LIMIT) == [name, following]


def test_counting_on_from_a_name_without_a_number_is_refused() -> None:
    with pytest.raises(ArchiveError, match="without a number"):
        unpack_names(b"\0" + b"\1\xff" + b"\0\2ab", 2, LIMIT)


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


def test_names_that_expand_beyond_the_limit_are_refused() -> None:
    plain = [b"x" * 1000] * 100
    packed = pack_names(plain)
    assert len(packed) < 100
    size = 100 * (1000 + 8)
    assert unpack_names(packed, 100, size) == plain
    with pytest.raises(ArchiveError, match="names of more than"):
        unpack_names(packed, 100, size - 1)


def test_a_deflated_list_of_another_size_is_refused() -> None:
    packed = pack_names([b"x" * 1000] * 100)
    _, at = read_number(packed, 1)
    for size in (0, 1, 1203, 1205, 2**31):
        with pytest.raises(ArchiveError):
            unpack_names(packed[:1] + write_varint(size) + packed[at:], 100, LIMIT)
    with pytest.raises(ArchiveError):
        unpack_names(packed + b"\0", 100, LIMIT)


@pytest.mark.parametrize("name", ["", "a\0b", "x" * (MAX_NAME_BYTES + 1), "\udcff"])
def test_a_name_that_cannot_be_stored_is_the_callers_fault(name: str) -> None:
    with pytest.raises(InvalidInput):
        encode_name(name)


def test_the_longest_name_is_stored() -> None:
    assert encode_name("ä" * (MAX_NAME_BYTES // 2)) == "ä".encode() * (MAX_NAME_BYTES // 2)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("", "of method , expected"),
        ("02000161", "of method 02, expected"),
        ("00010161", "cut short"),
        ("0000026162", None),
        ("0000036162", "cut short"),
        ("0000016162", "its names end after"),
    ],
    ids=["nothing", "method", "shares nothing", "sound", "too short", "too long"],
)
def test_a_list_has_the_length_that_it_gives(data: str, words: str | None) -> None:
    if words is None:
        assert unpack_names(bytes.fromhex(data), 1, LIMIT) == [b"ab"]
    else:
        with pytest.raises(ArchiveError, match=words):
            unpack_names(bytes.fromhex(data), 1, LIMIT)


@pytest.mark.parametrize("size", [0, 1, 9])
def test_a_list_is_never_inflated_beyond_its_length(size: int) -> None:
    bomb = zlib.compress(bytes(2**24), 9)[2:-4]
    tracemalloc.start()
    with pytest.raises(ArchiveError, match="another length than"):
        unpack_names(b"\1" + write_varint(size) + bomb, 1, LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
