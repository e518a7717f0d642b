"""The record's bytes: golden, inverse, refused."""

import contextlib
import itertools
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.errors import InvalidInput, RecordError
from codec.images.input_spec import MAX_RECORD_PIXELS
from codec.record.frame import (
    LEVELS,
    MAX_RECORD_BYTES,
    SMALL_BODY,
    Record,
    attach,
    crc11,
    frame_bytes,
    open_seal,
    pack,
    seal,
    unpack,
)

MODEL = bytes(range(32))
sizes = st.tuples(st.integers(1, 2048), st.integers(1, 2048))
payloads = st.binary(max_size=2 * SMALL_BODY)
plain = st.builds(Record, st.integers(0, 30), st.none(), payloads)
sized = st.builds(Record, st.integers(0, 30), sizes, payloads, st.binary(max_size=64))


def long_division(bits: list[int]) -> int:
    """The remainder by x^11 + x^10 + x^4 + x^3 + x + 1, as in a textbook."""
    remainder = 0
    for bit in bits:
        remainder = remainder << 1 | bit
        if remainder >> 11:
            remainder ^= 0b110000011011
    return remainder


@pytest.mark.parametrize(
    ("record", "golden"),
    [
        (Record(8, None, b""), "44ac"),
        (Record(8, None, b"\x01\x02\xff"), "0102ff415a"),
        (Record(4, (28, 300), b"abc"), "1cac02616263247e"),
        (Record(4, (127, 128), b""), "7f800123ca"),
        (Record(4, (16383, 1), b""), "ff7f0126b6"),
        (Record(4, (2048, 16384), b""), "80108080012587"),
        (Record(30, (2048, 2048), b"\0"), "8010801000f6d8"),
        (Record(8, None, b"a" * 126), "61" * 126 + "0811cda603"),
        (Record(8, None, b"abc", b"seen"), "7365656e61626346c800000005fa7e"),
        (Record(8, None, b"", b"e"), "6544ac00000002fb82"),
    ],
)
def test_the_bytes_of_a_record_never_change(record: Record, golden: str) -> None:
    assert pack(record, MODEL).hex() == golden
    assert unpack(bytes.fromhex(golden), MODEL, sized=record.size is not None) == record


@given(plain | sized)
def test_unpack_undoes_pack(record: Record) -> None:
    assert unpack(pack(record, MODEL), MODEL, sized=record.size is not None) == record


@given(st.binary(max_size=140), st.booleans())
def test_arbitrary_bytes_are_a_record_or_refused(junk: bytes, with_size: bool) -> None:
    try:
        record = unpack(junk, MODEL, sized=with_size)
    except RecordError:
        return
    assert pack(record, MODEL) == junk


@given(plain | sized, st.data())
def test_up_to_three_flipped_bits_are_always_noticed(record: Record, data: st.DataObject) -> None:
    packed = bytearray(pack(record, MODEL))
    positions = st.sets(st.integers(0, 8 * len(packed) - 1), min_size=1, max_size=3)
    for bit in data.draw(positions):
        packed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(RecordError):
        unpack(bytes(packed), MODEL, sized=record.size is not None)


def test_no_two_single_errors_in_a_small_record_look_alike() -> None:
    # With that, and an even number of terms in the polynomial, 1, 2 and 3 wrong bits are noticed.
    length = 8 * (1 + SMALL_BODY)
    syndromes = {crc11((1 << bit).to_bytes(1 + SMALL_BODY, "big")) for bit in range(length)}
    syndromes |= {1 << bit for bit in range(11)}
    assert len(syndromes) == length + 11
    assert 0 not in syndromes


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_the_small_checksum_is_the_remainder_of_a_long_division(head: bytes, tail: bytes) -> None:
    bits = [int(bit) for byte in head + tail for bit in f"{byte:08b}"]
    assert crc11(tail, crc11(head)) == long_division([*bits, *[0] * 11])


@pytest.mark.parametrize(("body", "tail"), [(SMALL_BODY, 2), (SMALL_BODY + 1, 5)])
def test_framing_costs_two_bytes_and_five_of_a_long_record(body: int, tail: int) -> None:
    data = seal(8, b"a" * body, MODEL)
    assert len(data) == body + tail
    assert open_seal(data, MODEL) == (8, b"a" * body)
    for size, sides in ((None, 0), ((1, 1), 2), ((1, 200), 3)):
        assert frame_bytes(body - sides, size) == sides + tail


def test_the_level_after_the_last_is_that_of_evidence() -> None:
    assert open_seal(pack(Record(LEVELS - 1, None, b"a"), MODEL), MODEL)[0] == LEVELS - 1 == 30
    assert open_seal(pack(Record(8, None, b"a", b"e"), MODEL), MODEL)[0] == LEVELS


def test_a_record_of_another_model_is_refused() -> None:
    packed = pack(Record(8, None, b"payload"), MODEL)
    with pytest.raises(RecordError, match="another model"):
        unpack(packed, bytes(32), sized=False)


@pytest.mark.parametrize("length", [40, 300])
def test_a_truncated_record_passes_as_rarely_as_the_checksum_allows(length: int) -> None:
    rng = np.random.default_rng(5)
    passed = []
    for _ in range(60_000 // length):
        packed = pack(Record(8, None, rng.bytes(length)), MODEL)
        for kept in range(len(packed)):
            with contextlib.suppress(RecordError):
                unpack(packed[:kept], MODEL, sized=False)
                passed.append(kept)
    assert len(passed) / 60_000 < 1.5 / 2**11
    assert max(passed, default=0) <= SMALL_BODY + 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\x9c\x00\x1c", "shortest form"),
        (b"\x00\x1c", "0 pixels"),
        (b"\xff\xff\xff\x7f", "shortest form"),
        (b"\x80\x80\x80\x01\x01", "shortest form"),
        (b"\x1c", "shortest form"),
        (b"\x01\x81\x80\x01", "sides of 16384"),
        (b"\x81\x80\x01\x01", "sides of 16384"),
        (b"\xff\x7f\xff\x7f", f"at most {MAX_RECORD_PIXELS}"),
    ],
    ids=[
        "long varint",
        "zero",
        "endless varint",
        "four bytes",
        "cut varint",
        "wide",
        "high",
        "huge",
    ],
)
def test_a_right_checksum_does_not_excuse_a_bad_size(body: bytes, words: str) -> None:
    with pytest.raises(RecordError, match=words):
        unpack(seal(4, body, MODEL), MODEL, sized=True)


@pytest.mark.parametrize("length", [0, 1, 9, 2**32 - 1])
def test_a_right_checksum_does_not_excuse_a_bad_length_of_the_record_inside(length: int) -> None:
    inner = pack(Record(8, None, b"abcdef"), MODEL) + b"e"
    with pytest.raises(RecordError, match="bytes with evidence"):
        unpack(seal(31, inner + length.to_bytes(4, "big"), MODEL), MODEL, sized=False)


def test_evidence_inside_evidence_is_refused() -> None:
    once = pack(Record(8, None, b"abcdef", b"e"), MODEL)
    twice = seal(31, b"e" + once + len(once).to_bytes(4, "big"), MODEL)
    with pytest.raises(RecordError, match="inside"):
        unpack(twice, MODEL, sized=False)


def test_a_record_without_evidence_is_not_longer_because_of_it() -> None:
    assert pack(Record(8, None, b"abc", b""), MODEL) == pack(Record(8, None, b"abc"), MODEL)


@given(plain | sized)
def test_framing_is_known_before_a_record_is_written(record: Record) -> None:
    bare = replace(record, evidence=b"")
    assert frame_bytes(len(bare.payload), bare.size) == len(pack(bare, MODEL)) - len(bare.payload)


def test_a_record_has_two_bytes_at_least_and_sixteen_megabytes_at_most() -> None:
    largest = seal(8, bytes(MAX_RECORD_BYTES - 5), MODEL)
    assert open_seal(largest, MODEL)[0] == open_seal(seal(8, b"", MODEL), MODEL)[0] == 8
    for data in (seal(8, bytes(MAX_RECORD_BYTES - 4), MODEL), largest + b"\0", b"", b"\x44"):
        size = r"^1 byte;" if len(data) == 1 else rf"^{len(data)} bytes;"
        with pytest.raises(RecordError, match=rf"{size} a record has 2\.\.16777216 bytes$"):
            open_seal(data, MODEL)


def test_more_evidence_than_a_record_holds_is_refused() -> None:
    inside = pack(Record(8, None, b"abc"), MODEL)
    room = MAX_RECORD_BYTES - len(inside) - 4 - 5
    assert len(attach(inside, bytes(room), MODEL)) == MAX_RECORD_BYTES
    with pytest.raises(InvalidInput, match="16777217 bytes with evidence, at most 16777216"):
        attach(inside, bytes(room + 1), MODEL)


@given(st.integers(0, 31), st.binary(max_size=300))
def test_what_is_sealed_opens_as_it_was(level: int, body: bytes) -> None:
    assert open_seal(seal(level, body, MODEL), MODEL) == (level, body)


def test_the_upper_bits_of_a_long_records_level_must_be_zero() -> None:
    body = b"a" * 200
    for level in (32, 200, 255):
        check = zlib.crc32(bytes([level]) + body, zlib.crc32(MODEL))
        with pytest.raises(RecordError):
            open_seal(body + bytes([level]) + check.to_bytes(4, "big"), MODEL)


def test_sizes_between_the_two_kinds_of_record_do_not_exist() -> None:
    for length, level in itertools.product((126, 127, 128), (0, 8)):
        body = b"a" * length
        tail = level << 11 | crc11(bytes([level]) + body, crc11(MODEL))
        with pytest.raises(RecordError):
            open_seal(body + tail.to_bytes(2, "big"), MODEL)
