"""Image files of every format and mode, and what they are as arrays, calculated by hand."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

U8 = NDArray[np.uint8]

# As Pillow calls them.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")
MODES = (
    *("1", "L", "P", "PA", "LA", "La", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB"),
    *("HSV", "I", "I;16", "I;16L", "I;16B", "I;16N", "F"),
)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def random_image(mode: str, height: int = 6, width: int = 9, seed: int = 0) -> Image.Image:
    """An image with any values in all channels, and in its palette."""
    rng = np.random.default_rng(seed)
    size = len(Image.new(mode, (width, height)).tobytes())
    image = Image.frombytes(mode, (width, height), rng.bytes(size))
    if mode in ("P", "PA"):
        image.putpalette(rng.bytes(768))
    return image


def writable() -> list[tuple[str, str]]:
    """All pairs of a format and a mode that Pillow writes."""
    return [(kind, mode) for kind in FORMATS for mode in MODES if _writes(kind, mode)]


def _writes(kind: str, mode: str) -> bool:
    try:
        return bool(encoded(random_image(mode, 2, 2), kind))
    except (OSError, ValueError, KeyError):
        return False


def over_white(colour: U8, alpha: U8) -> U8:
    """`[H, W, C]` seen through `alpha [H, W, 1]` before white, rounded to nearest."""
    sums = colour.astype(np.int64) * alpha + 255 * (255 - alpha.astype(np.int64))
    return ((2 * sums + 255) // 510).astype(np.uint8)


def as_gray(rgb: U8) -> U8:
    """The luma of ITU-R 601 in fixed point, 16 bits after the point: `[H, W, 1]`."""
    weighted = rgb.astype(np.int64) @ np.array([19595, 38470, 7471]) + 2**15
    return (weighted >> 16).astype(np.uint8)[..., np.newaxis]


def as_rgb(image: Image.Image) -> U8:
    """`[H, W, 3]` of an image in memory, by hand from its bytes."""
    raw = np.asarray(image)
    if image.mode == "1":
        return np.repeat(np.where(raw, 255, 0).astype(np.uint8)[..., np.newaxis], 3, axis=2)
    if image.mode == "L":
        return np.repeat(raw[..., np.newaxis], 3, axis=2)
    if image.mode == "LA":
        return np.repeat(over_white(raw[..., :1], raw[..., 1:]), 3, axis=2)
    if image.mode in ("P", "PA"):
        palette = np.reshape(np.array(image.getpalette(), np.uint8), (-1, 3))
        colour = palette[raw if image.mode == "P" else raw[..., 0]]
        return colour if image.mode == "P" else over_white(colour, raw[..., 1:])
    if image.mode in ("RGB", "RGBX"):
        return raw[..., :3]
    if image.mode == "RGBA":
        return over_white(raw[..., :3], raw[..., 3:])
    if image.mode == "CMYK":
        rest = 255 - raw[..., 3:].astype(np.int64)
        return (rest - (2 * rest * raw[..., :3] + 255) // 510).astype(np.uint8)
    raise ValueError(image.mode)


def turned(array: U8, orientation: int) -> U8:
    """The upright image of what a file holds, by the definition of the tag in EXIF."""
    rows_from_right = np.rot90(array, -1)  # the first row of the file is the right side
    return {
        1: array,
        2: np.fliplr(array),
        3: np.rot90(array, 2),
        4: np.flipud(array),
        5: array.swapaxes(0, 1),
        6: rows_from_right,
        7: np.rot90(array.swapaxes(0, 1), 2),
        8: np.rot90(array, 1),
    }[orientation]


def with_orientation(orientation: int) -> Image.Exif:
    """EXIF data with the tag alone."""
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def png_chunk(name: bytes, body: bytes) -> bytes:
    """A chunk with its length and checksum."""
    crc = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + crc


def png(depth: int, colour: int, rows: Sequence[bytes], *before: bytes, width: int = 1) -> bytes:
    """A PNG file of unfiltered rows; chunks `before` the pixels."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = (png_chunk(b"IHDR", header), *before, png_chunk(b"IDAT", pixels))
    return b"".join((b"\x89PNG\r\n\x1a\n", *chunks, png_chunk(b"IEND", b"")))


def tiff(fields: dict[int, tuple[int, Sequence[int]]], pixels: bytes, order: str = "<") -> bytes:
    """An uncompressed TIFF file of one strip; `fields` by tag: type and values."""
    letters = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
    start = 8 + len(pixels) + len(pixels) % 2
    fields = {273: (4, [8]), 279: (4, [len(pixels)]), **fields}
    after = start + 6 + 12 * len(fields)
    table, values = struct.pack(order + "H", len(fields)), b""
    for tag, (kind, numbers) in sorted(fields.items()):
        raw = struct.pack(f"{order}{len(numbers)}{letters[kind]}", *numbers)
        inline = (
            raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack(order + "I", after + len(values))
        )
        values += raw if len(raw) > 4 else b""
        table += struct.pack(order + "HHI", tag, kind, len(numbers)) + inline
    magic = b"II*\0" if order == "<" else b"MM\0*"
    padded = pixels + b"\0" * (len(pixels) % 2)
    return magic + struct.pack(order + "I", start) + padded + table + bytes(4) + values
