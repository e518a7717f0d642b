"""Variable-length integers: LEB128 in its shortest form.

Seven bits per byte, the lowest first. The highest bit is set on all bytes but the last.
"""


def write_varint(value: int) -> bytes:
    """The bytes of a number that is not negative."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def read_varint(data: bytes, at: int, max_bytes: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends.

    Raises ValueError for one that is cut short, longer than `max_bytes` or not in its shortest
    form.
    """
    value = 0
    for place, byte in enumerate(data[at : at + max_bytes]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            if place and not byte:
                break
            return value, at + place + 1
    raise ValueError("a number is not written in its shortest form or cut short")
