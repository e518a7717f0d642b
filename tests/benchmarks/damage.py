"""Damage of bytes by lines, disks or attackers: a function for each kind.

Each takes the bytes, other bytes of the same kind and a random generator, and returns damaged ones.
"""

from collections.abc import Callable

import numpy as np

Rng = np.random.Generator
Damage = Callable[[bytes, bytes, Rng], bytes]


def flipped(data: bytes, count: int, rng: Rng) -> bytes:
    """`count` different bits flipped."""
    changed = bytearray(data)
    for bit in rng.choice(8 * len(data), min(count, 8 * len(data)), replace=False).tolist():
        changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def burst(data: bytes, bits: int, rng: Rng) -> bytes:
    """An error burst: the first and the last wrong bit are at most `bits` apart."""
    span = int(rng.integers(1, min(bits, 8 * len(data)) + 1))
    start = int(rng.integers(0, 8 * len(data) - span + 1))
    pattern = int(rng.integers(0, 2**span)) | 1 | 1 << span - 1
    shifted = pattern << 8 * len(data) - span - start
    return (int.from_bytes(data, "big") ^ shifted).to_bytes(len(data), "big")


def _one_bit(data: bytes, _: bytes, rng: Rng) -> bytes:
    return flipped(data, 1, rng)


def _few_bits(data: bytes, _: bytes, rng: Rng) -> bytes:
    return flipped(data, int(rng.integers(2, 4)), rng)


def _bytes(data: bytes, _: bytes, rng: Rng) -> bytes:
    changed = bytearray(data)
    for at in rng.integers(0, len(data), int(rng.integers(1, 5))).tolist():
        changed[at] = int(rng.integers(0, 256))
    return bytes(changed)


def _cut(data: bytes, _: bytes, rng: Rng) -> bytes:
    return data[: int(rng.integers(0, len(data)))]


def _headless(data: bytes, _: bytes, rng: Rng) -> bytes:
    return data[int(rng.integers(1, len(data) + 1)) :]


def _grown(data: bytes, _: bytes, rng: Rng) -> bytes:
    at = int(rng.integers(0, len(data) + 1))
    return data[:at] + rng.bytes(int(rng.integers(1, 9))) + data[at:]


def _lost(data: bytes, _: bytes, rng: Rng) -> bytes:
    low, high = _part(data, rng)
    return data[:low] + data[high:]


def _twice(data: bytes, _: bytes, rng: Rng) -> bytes:
    low, high = _part(data, rng)
    return data[:high] + data[low:]


def _zeros(data: bytes, _: bytes, rng: Rng) -> bytes:
    low, high = _part(data, rng)
    return data[:low] + bytes(high - low) + data[high:]


def _spliced(data: bytes, other: bytes, rng: Rng) -> bytes:
    at = int(rng.integers(0, min(len(data), len(other)) + 1))
    return data[:at] + other[at:]


def _moved(data: bytes, other: bytes, rng: Rng) -> bytes:
    low, high = _part(other, rng)
    at = int(rng.integers(0, len(data)))
    return data[:at] + other[low:high] + data[at + high - low :]


def _length(data: bytes, _: bytes, rng: Rng) -> bytes:
    """Four bytes as a huge, tiny or slightly wrong number."""
    at = int(rng.integers(0, len(data)))
    number = int.from_bytes(data[at : at + 4], "big")
    numbers = (0, 1, 2**31, 2**32 - 1, (number + 1) % 2**32, (number - 1) % 2**32)
    return data[:at] + numbers[int(rng.integers(6))].to_bytes(4, "big") + data[at + 4 :]


def _varint(data: bytes, _: bytes, rng: Rng) -> bytes:
    """A varint that is too long, or has leading zeros."""
    at = int(rng.integers(0, len(data)))
    continued = rng.integers(128, 256, int(rng.integers(1, 12))).tolist()
    number = bytes([*continued, int(rng.integers(2))])
    return data[:at] + number + data[at + int(rng.integers(0, len(number) + 1)) :]


def _random(_: bytes, __: bytes, rng: Rng) -> bytes:
    return rng.bytes(int(rng.integers(0, 60)))


def _part(data: bytes, rng: Rng) -> tuple[int, int]:
    low, high = sorted(rng.integers(0, len(data) + 1, 2).tolist())
    return (low, high) if low < high else (0, len(data))


KINDS: dict[str, Damage] = {
    "1 bit": _one_bit,
    "2-3 bits": _few_bits,
    "bytes": _bytes,
    "cut": _cut,
    "headless": _headless,
    "grown": _grown,
    "part lost": _lost,
    "part twice": _twice,
    "part zeros": _zeros,
    "spliced": _spliced,
    "part moved": _moved,
    "length": _length,
    "varint": _varint,
    "random": _random,
}
