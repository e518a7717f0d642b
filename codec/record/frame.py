"""The record: the bytes of one compressed image.

    record   body, tail
    tail     of a body up to 125 bytes, 2 bytes, big endian: level (5 bits), CRC-11
             of a longer one, 5 bytes: level (1 byte), CRC-32 (big endian)
    body     level 0..30, the quality level:
                 height, width   only for models that store sizes: LEB128 varints, shortest form
                 payload         the canonical code stream (codec.entropy.range_coder)
             level 31, a record with evidence:
                 evidence        codec.record.evidence
                 record          the plain record of the image, tail included
                 length          of that record, 4 bytes, big endian

Evidence comes first, so that a truncated record is never a valid plain one. The transport knows the
length, so a small record has two bytes of framing. Both CRCs cover the model id (32 bytes), the
level (1 byte) and the body. The id is part of the CRC but not of the record: a record of another
model is rejected like a damaged one, at no extra cost.

CRC-11 has the polynomial (x + 1)(x^10 + x^3 + 1). In bodies of up to 125 bytes it detects all
errors of up to three bits, and misses one in 2,048 of all others. CRC-32 is that of zlib.
"""

import functools
import zlib
from dataclasses import dataclass

from codec.errors import InvalidInput, RecordError
from codec.image_reader import MAX_SIDE
from codec.images.input_spec import MAX_RECORD_PIXELS
from codec.varint import read_varint, write_varint

LEVELS = 31
_EVIDENCE = 31
SMALL_BODY = 125
SMALL_TAIL, LARGE_TAIL, LENGTH_BYTES = 2, 5, 4
MAX_RECORD_BYTES = 2**24
# A varint of this length holds more than the longest side.
_SIDE_BYTES = 3
CRC_BITS = 11
_POLYNOMIAL = 0x41B


@dataclass(frozen=True, slots=True)
class Record:
    """Quality level 0..30, (height, width) for models whose records hold it, payload, evidence."""

    quality: int
    size: tuple[int, int] | None
    payload: bytes
    evidence: bytes = b""


def pack(record: Record, model_id: bytes) -> bytes:
    """The bytes of a record."""
    plain = pack_plain(record.quality, record.size, record.payload, model_id)
    return attach(plain, record.evidence, model_id) if record.evidence else plain


def pack_plain(
    quality: int, size: tuple[int, int] | None, payload: bytes, model_id: bytes
) -> bytes:
    """The bytes of a record without evidence."""
    body = payload if size is None else b"".join(map(write_varint, size)) + payload
    return seal(quality, body, model_id)


def attach(plain: bytes, evidence: bytes, model_id: bytes) -> bytes:
    """Adds evidence to a plain record. Raises InvalidInput if the record becomes too large."""
    length = len(plain).to_bytes(LENGTH_BYTES, "big")
    whole = seal(_EVIDENCE, evidence + plain + length, model_id)
    if len(whole) > MAX_RECORD_BYTES:
        raise InvalidInput(f"{len(whole)} bytes with evidence, at most {MAX_RECORD_BYTES}")
    return whole


def frame_bytes(payload: float, size: tuple[int, int] | None) -> int:
    """Bytes that a plain record adds to a payload of this size: image size and tail."""
    sides = sum(len(write_varint(side)) for side in size or ())
    return sides + (SMALL_TAIL if sides + payload <= SMALL_BODY else LARGE_TAIL)


def unpack(data: bytes, model_id: bytes, *, sized: bool) -> Record:
    """Undoes `pack`; `sized` if records of the model hold the size of their image.

    Raises RecordError for anything that `pack` does not write for this model.
    """
    level, body = open_seal(data, model_id)
    evidence = b""
    if level == _EVIDENCE:
        plain, evidence = _parts(body)
        level, body = open_seal(plain, model_id)
        if level == _EVIDENCE:
            raise RecordError("a record with evidence inside a record with evidence")
    at, size = 0, None
    if sized:
        height, at = _read_side(body, at)
        width, at = _read_side(body, at)
        if height * width > MAX_RECORD_PIXELS or max(height, width) > MAX_SIDE:
            raise RecordError(
                f"an image of {height}x{width}, at most {MAX_RECORD_PIXELS} pixels and sides of "
                f"{MAX_SIDE} are decoded"
            )
        size = (height, width)
    return Record(level, size, body[at:], evidence)


def seal(level: int, body: bytes, model_id: bytes) -> bytes:
    """Appends the tail to a body."""
    if len(body) <= SMALL_BODY:
        tail = level << CRC_BITS | crc11(body, _crc11_of_start(model_id, level))
        return body + tail.to_bytes(SMALL_TAIL, "big")
    start = bytes([level])
    crc = zlib.crc32(body, zlib.crc32(start, zlib.crc32(model_id)))
    return body + start + crc.to_bytes(4, "big")


def open_seal(data: bytes, model_id: bytes) -> tuple[int, bytes]:
    """Level and body of a record. Raises RecordError unless `seal` wrote these bytes."""
    if not SMALL_TAIL <= len(data) <= MAX_RECORD_BYTES:
        size = f"{len(data)} byte{'s' * (len(data) != 1)}"
        raise RecordError(f"{size}; a record has {SMALL_TAIL}..{MAX_RECORD_BYTES} bytes")
    small = len(data) <= SMALL_BODY + SMALL_TAIL
    at = len(data) - (SMALL_TAIL if small else LARGE_TAIL)
    level, body = data[at] >> 3 if small else data[at], data[:at]
    if level > _EVIDENCE or seal(level, body, model_id) != data:
        raise RecordError(
            "the checksum is wrong: the record is damaged, truncated, or belongs to another model"
        )
    return level, body


@functools.lru_cache
def _crc11_of_start(model_id: bytes, level: int) -> int:
    """CRC-11 of what comes before the body; it is the same for most records."""
    return crc11(bytes([level]), crc11(model_id))


def crc11(data: bytes, start: int = 0) -> int:
    """CRC-11 of the bytes, 0..2047, continued from `start`."""
    crc = start
    for byte in data:
        crc = _AFTER_ZERO[crc ^ byte << 3]  # CRC_BITS - 8, as a constant: this loop is hot
    return crc


def _after_zero(crc: int) -> int:
    for _ in range(8):
        crc = crc << 1 ^ (_POLYNOMIAL | 0x800 if crc & 0x400 else 0)
    return crc


# Each CRC continued by a zero byte.
_AFTER_ZERO = [_after_zero(crc) for crc in range(1 << CRC_BITS)]


def _parts(body: bytes) -> tuple[bytes, bytes]:
    """The plain record and the evidence of a body of level 31."""
    inner = body[:-LENGTH_BYTES]
    length = int.from_bytes(body[-LENGTH_BYTES:], "big")
    if not SMALL_TAIL <= length < len(inner):
        raise RecordError(f"{len(body)} bytes with evidence, {length} of them the record")
    return inner[-length:], inner[:-length]


def _read_side(data: bytes, at: int) -> tuple[int, int]:
    try:
        side, at = read_varint(data, at, _SIDE_BYTES)
    except ValueError as error:
        raise RecordError(f"the image size: {error}") from error
    if side == 0:
        raise RecordError("an image side of 0 pixels, expected at least 1")
    return side, at
