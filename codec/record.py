"""The record: what one compressed image is.

    offset  size   field
    0       1      header: bits 7-6 format version (0), bit 5 size present, bits 4-0 quality level
    1       2..6   only if bit 5 is set: height, width, each a LEB128 varint, shortest form
    ...     n      payload: the canonical code stream (codec.entropy), up to the last two bytes
    end-2   2      CRC-16 (polynomial 0x1021, initial value 0xFFFF, big endian) of the model id
                   (32 bytes) and of all bytes before

The transport knows the length; three bytes of framing are all that a record of a fixed-size model
costs. The model id is in the CRC and not in the record: a record of another model is refused like a
damaged one, and costs no byte more. A CRC-16 lets one damaged record in 65,536 pass; the canonical
code stream catches most of those. Records written once stay readable: a change of these bytes is a
breaking release.
"""

import binascii
from dataclasses import dataclass

from codec.errors import RecordError

VERSION = 0
FRAMING_BYTES = 3
MAX_RECORD_BYTES = 2**24
# The largest image a record may unfold into. Decoding allocates in proportion to it, so it is
# checked first.
MAX_RECORD_PIXELS = 2**22
_SIZE_FLAG, _QUALITY_MASK = 0x20, 0x1F


@dataclass(frozen=True, slots=True)
class Record:
    """Quality level, (height, width) where the model's size is not fixed, and the payload."""

    quality: int
    size: tuple[int, int] | None
    payload: bytes


def pack(record: Record, model_id: bytes) -> bytes:
    """The bytes of a record."""
    header = VERSION << 6 | (_SIZE_FLAG if record.size else 0) | record.quality
    body = bytes([header]) + b"".join(map(_varint, record.size or ())) + record.payload
    return body + _crc(body, model_id).to_bytes(2, "big")


def unpack(data: bytes, model_id: bytes) -> Record:
    """Undoes `pack`. Raises RecordError for anything that `pack` would not write for this model."""
    if not FRAMING_BYTES <= len(data) <= MAX_RECORD_BYTES:
        raise RecordError(f"{len(data)} bytes, a record has {FRAMING_BYTES}..{MAX_RECORD_BYTES}")
    body, crc = data[:-2], int.from_bytes(data[-2:], "big")
    if _crc(body, model_id) != crc:
        raise RecordError(
            "the checksum is wrong: the record is damaged, cut short, or was made by another model"
        )
    if body[0] >> 6 != VERSION:
        raise RecordError(f"format version {body[0] >> 6}, this software reads {VERSION}")
    at, size = 1, None
    if body[0] & _SIZE_FLAG:
        height, at = _read_varint(body, at)
        width, at = _read_varint(body, at)
        if height * width > MAX_RECORD_PIXELS:
            raise RecordError(
                f"an image of {height}x{width}, at most {MAX_RECORD_PIXELS} pixels are decoded"
            )
        size = (height, width)
    return Record(body[0] & _QUALITY_MASK, size, body[at:])


def _crc(body: bytes, model_id: bytes) -> int:
    return binascii.crc_hqx(body, binascii.crc_hqx(model_id, 0xFFFF))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while at < len(data) and shift < 21:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            if value == 0 or (byte == 0 and shift > 7):
                break
            return value, at
    raise RecordError("the image size is not written in its shortest form or cut short")
