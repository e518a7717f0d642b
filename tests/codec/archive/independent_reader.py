"""A second reader of archives, written from the specification alone, without the codec."""

import itertools
import struct
import zlib
from collections.abc import Iterator

Item = tuple[int, bytes, bytes]
DIGITS = [b"%d" % digit for digit in range(10)]


def read_archive(data: bytes) -> tuple[tuple[bytes, str, str], list[Item]]:
    """(model id, name, version), and level, body and name of every record of a closed archive."""
    assert data[:9] == b"\x89RSA\r\n\x1a\n\x01"
    at, labels = 41, []
    for _ in range(2):
        labels.append(data[at + 1 : at + 1 + data[at]].decode())
        at += 1 + data[at]
    header = data[:at]
    assert data[at : at + 4] == crc(header)
    at += 4
    offsets, counts, found = [], [], []
    while data[at : at + 1] == b"B":
        offsets.append(at)
        block, at = read_block(data, at, header + len(found).to_bytes(8, "big"))
        counts.append(len(block))
        found += block
    check_index(data, at, header, [*offsets, at], counts, found)
    return (data[9:41], labels[0], labels[1]), found


def crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "big")


def read_block(data: bytes, at: int, before: bytes) -> tuple[list[Item], int]:
    begin = at
    last, about, bodies, bodies_crc = struct.unpack(">BII4s", data[at + 1 : at + 14])
    count, at = last + 1, at + 14
    end = at + about
    levels, at = read_column(data, at, count)
    lengths, at = read_column(data, at, count)
    names = read_names(data[at:end], count) if at < end else [b""] * count
    assert data[end : end + 4] == crc(before + data[begin:end])
    at = end + 4
    assert crc(data[at : at + bodies]) == bodies_crc
    found = []
    for level, length, name in zip(levels, lengths, names, strict=True):
        found.append((level, data[at : at + length], name))
        at += length
    assert at == end + 4 + bodies
    return found, at


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] >= 128:
        value |= data[at] % 128 << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1


def read_column(data: bytes, at: int, count: int) -> tuple[list[int], int]:
    centre, at = read_varint(data, at)
    k, at = data[at], at + 1
    if k == 255:
        return [centre] * count, at
    bits = iterate_bits(data, at)
    used, quotients = 0, []
    for _ in range(count):
        zeros = 0
        while next(bits) == 0:
            zeros += 1
        quotients.append(zeros)
        used += zeros + 1
    numbers = []
    for quotient in quotients:
        remainder = 0
        for _ in range(k):
            remainder = 2 * remainder + next(bits)
        twice = quotient * 2**k + remainder
        numbers.append(centre - (twice + 1) // 2 if twice % 2 else centre + twice // 2)
    used += k * count
    return numbers, at + (used + 7) // 8


def iterate_bits(data: bytes, at: int) -> Iterator[int]:
    for byte in data[at:]:
        yield from (byte >> place & 1 for place in range(7, -1, -1))


def read_names(data: bytes, count: int) -> list[bytes]:
    if data[0] == 1:
        size, at = read_varint(data, 1)
        plain = zlib.decompress(data[at:], -15)
        assert len(plain) == size
    else:
        plain = data[1:]
    steps, at = read_column(plain, 0, count - 1) if count > 1 else ([], 0)
    steps, numbers, names, last = [0, *steps], [], [], b""
    spelled = steps.count(0)
    for _ in range(2 * spelled):
        number, at = read_varint(plain, at)
        numbers.append(number)
    shared, own = numbers[:spelled], numbers[spelled:]
    for step in steps:
        if step:
            last = count_on(last, step)
        else:
            length = own.pop(0)
            last = last[: shared.pop(0)] + plain[at : at + length]
            at += length
        names.append(last)
    assert at == len(plain)
    return names


def count_on(name: bytes, step: int) -> bytes:
    end = max(at for at in range(len(name)) if name[at : at + 1] in DIGITS) + 1
    begin = end
    while begin > 0 and end - begin < 15 and name[begin - 1 : begin] in DIGITS:
        begin -= 1
    number = str(int(name[begin:end]) + step).rjust(end - begin, "0")
    return name[:begin] + number.encode() + name[end:]


def check_index(
    data: bytes, at: int, header: bytes, offsets: list[int], counts: list[int], found: list[Item]
) -> None:
    begin, count = at, len(counts)
    assert data[at : at + 5] == b"I" + count.to_bytes(4, "big")
    at += 5
    if count:
        sizes, at = read_column(data, at, count)
        assert sizes == [b - a for a, b in itertools.pairwise(offsets)]
        stored, at = read_column(data, at, count)
        assert stored == counts
    ranges, (size, records), end = data[at:-20], struct.unpack(">IQ", data[-20:-8]), data[-8:]
    assert (size, records) == (len(data) - 20 - begin, len(found))
    assert end == crc(header + data[begin:-8]) + b"RSAI"
    expected, start = [], 0
    for number in counts:
        names = [name for _, _, name in found[start : start + number] if name]
        expected += [min(names), max(names)] if names else [b"", b""]
        start += number
    assert ranges == b"" if not any(expected) else read_names(ranges[1:], 2 * count) == expected
