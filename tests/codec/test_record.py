"""The record's bytes: golden, inverse, refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.errors import RecordError
from codec.record import FRAMING_BYTES, MAX_RECORD_PIXELS, Record, pack, unpack

MODEL = bytes(range(32))
records = st.builds(
    Record,
    st.integers(0, 31),
    st.none() | st.tuples(st.integers(1, 2048), st.integers(1, 2048)),
    st.binary(max_size=64),
)


@pytest.mark.parametrize(
    ("record", "golden"),
    [
        (Record(8, None, b""), "082609"),
        (Record(8, None, b"\x01\x02\xff"), "080102ffc15c"),
        (Record(4, (28, 300), b"abc"), "241cac02616263ec9e"),
        (Record(31, (2048, 2048), b"\0"), "3f8010801000d0d5"),
    ],
)
def test_the_bytes_of_a_record_never_change(record: Record, golden: str) -> None:
    assert pack(record, MODEL).hex() == golden


@given(records)
def test_unpack_undoes_pack(record: Record) -> None:
    assert unpack(pack(record, MODEL), MODEL) == record


@given(st.binary(max_size=40))
def test_arbitrary_bytes_are_a_record_or_refused(junk: bytes) -> None:
    try:
        record = unpack(junk, MODEL)
    except RecordError:
        return
    assert pack(record, MODEL) == junk


@given(records, st.data())
def test_a_flipped_bit_is_always_noticed(record: Record, data: st.DataObject) -> None:
    packed = bytearray(pack(record, MODEL))
    bit = data.draw(st.integers(0, 8 * len(packed) - 1))
    packed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(RecordError):
        unpack(bytes(packed), MODEL)


def test_a_record_of_another_model_is_refused() -> None:
    packed = pack(Record(8, None, b"payload"), MODEL)
    with pytest.raises(RecordError, match="another model"):
        unpack(packed, bytes(32))


def test_a_truncated_record_is_refused() -> None:
    packed = pack(Record(8, (100, 100), b"some payload"), MODEL)
    for length in range(len(packed)):
        with pytest.raises(RecordError):
            unpack(packed[:length], MODEL)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\x40", "version 1"),
        (b"\x28\x9c\x00\x1c", "shortest form"),
        (b"\x28\x00\x1c", "shortest form"),
        (b"\x28\xff\xff\xff\x7f", "shortest form"),
        (b"\x28\x1c", "shortest form"),
        (b"\x28\xff\x7f\xff\x7f", f"at most {MAX_RECORD_PIXELS}"),
    ],
    ids=["version", "long varint", "zero", "endless varint", "cut varint", "huge"],
)
def test_a_well_formed_checksum_does_not_excuse_a_bad_header(body: bytes, words: str) -> None:
    from codec.record import _crc

    with pytest.raises(RecordError, match=words):
        unpack(body + _crc(body, MODEL).to_bytes(2, "big"), MODEL)


def test_framing_costs_three_bytes() -> None:
    assert len(pack(Record(8, None, b""), MODEL)) == FRAMING_BYTES == 3
