"""Evidence: regions of an anomalous image, kept losslessly next to its record.

    evidence   count   1 byte, 1..32
               then that many boxes, in ascending order of (top, left):
                   top, left   3 bytes each, big endian, of the first pixel, in the decoded image
                   length      3 bytes, big endian, of the pixels
                   pixels      lossless WebP or PNG, whichever is smaller, of the size of the box

Boxes do not overlap and lie inside the image. Pixels that begin with 0x2f are the content of a VP8L
chunk without alpha: RIFF and chunk headers put before them make a WebP file. Pixels that begin with
0x89 are a plain PNG file: 8-bit gray or RGB, not interlaced, with the chunks IHDR, IDAT and IEND
only. In both forms the size is known before anything is decompressed. The pixels are not predicted
from the decoded image, whose values may differ by one level between machines.
"""

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from codec.arrays import U8
from codec.errors import RecordError
from codec.images.boxes import MAX_AREA, MAX_BOXES, Box

_NUMBER, _HEAD = 3, 9
_PNG, _IHDR = b"\x89PNG\r\n\x1a\n", struct.Struct(">IIBBBBB")
_PNG_COLOURS = {1: 0, 3: 2}
_CHUNK = struct.Struct(">I4s")
# Signature 0x2f, and 32 bits: width - 1 and height - 1 of 14, alpha, version.
_VP8L, _SIGNATURE = struct.Struct("<BI"), 0x2F
_RIFF = struct.Struct("<4sI4s4sI")
_MAX_VP8L_SIDE = 2**14
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, LookupError, struct.error, zlib.error)


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A box of an image and its pixels `[h, w, C]`, exactly."""

    box: Box
    pixels: U8


def cut_regions(image: U8, boxes: Sequence[Box]) -> list[Region]:
    """Regions of an image `[H, W, C]`, in the order of their boxes."""
    return [Region(box, np.ascontiguousarray(image[box.slices])) for box in sorted(boxes)]


def paste_regions(image: U8, regions: Sequence[Region]) -> U8:
    """A copy of the image `[H, W, C]` with the pixels of the regions."""
    if not regions:
        return image
    whole = image.copy()
    for region in regions:
        whole[region.box.slices] = region.pixels
    return whole


def pack_evidence(regions: Sequence[Region]) -> bytes:
    """The bytes of 1..MAX_BOXES regions from `cut_regions`."""
    parts = [bytes([len(regions)])]
    for region in regions:
        file = min(_files_of(region.pixels), key=len)
        head = (region.box.top, region.box.left, len(file))
        parts += [*(number.to_bytes(_NUMBER, "big") for number in head), file]
    return b"".join(parts)


def read_evidence(data: bytes, shape: tuple[int, int, int]) -> list[Region]:
    """Undoes `pack_evidence` for an image of shape (H, W, C); no bytes mean no regions.

    All boxes are checked before any pixels are decompressed. Raises RecordError.
    """
    if not data:
        return []
    files = list(_files(data, shape))
    _check_places([box for box, _ in files], shape)
    return [Region(box, _pixels(file, box, shape[2])) for box, file in files]


def _files(data: bytes, shape: tuple[int, int, int]) -> Iterator[tuple[Box, bytes]]:
    """Boxes, of the sizes that their files state, and the files."""
    count, at = data[0], 1
    if not 1 <= count <= MAX_BOXES:
        raise RecordError(f"evidence of {count} boxes, expected 1..{MAX_BOXES}")
    for _ in range(count):
        head = [data[at + i : at + i + _NUMBER] for i in range(0, _HEAD, _NUMBER)]
        top, left, length = (int.from_bytes(number, "big") for number in head)
        file = data[at + _HEAD : at + _HEAD + length]
        at += _HEAD + length
        if at > len(data):
            raise RecordError("the evidence is truncated")
        height, width = _png_size(file, shape[2]) if file[:8] == _PNG else _vp8l_size(file)
        yield Box(top, left, height, width), file
    if at != len(data):
        raise RecordError(f"the evidence has {len(data)} bytes, its boxes end after {at}")


def _check_places(boxes: Sequence[Box], shape: tuple[int, int, int]) -> None:
    for box in boxes:
        if not (box.top + box.height <= shape[0] and box.left + box.width <= shape[1]):
            raise RecordError(f"evidence outside its image of {shape[0]}x{shape[1]}: {box}")
    if sum(box.area for box in boxes) > MAX_AREA:
        raise RecordError(f"evidence of more than {MAX_AREA} pixels")
    if list(boxes) != sorted(boxes):
        raise RecordError("the boxes of the evidence are not in order")
    if any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]):
        raise RecordError("boxes of the evidence overlap")


def _png_size(file: bytes, channels: int) -> tuple[int, int]:
    """Height and width of a plain PNG file. Raises RecordError for any other."""
    at, kinds = len(_PNG), []
    while len(file) - at >= _CHUNK.size:
        length, kind = _CHUNK.unpack_from(file, at)
        kinds.append(kind)
        at += _CHUNK.size + length + 4
    data = [kind for kind in kinds[1:-1] if kind == b"IDAT"]
    if at != len(file) or not data or kinds != [b"IHDR", *data, b"IEND"]:
        raise RecordError("a PNG in the evidence is not plain or is truncated")
    width, height, *rest = _IHDR.unpack_from(file, len(_PNG) + _CHUNK.size)
    if rest != [8, _PNG_COLOURS[channels], 0, 0, 0] or not (width and height):
        raise RecordError("a PNG in the evidence is not 8-bit gray or RGB like its image")
    return height, width


def _vp8l_size(file: bytes) -> tuple[int, int]:
    """Height and width of the content of a VP8L chunk. Raises RecordError for anything else."""
    signature, bits = _VP8L.unpack_from(file.ljust(_VP8L.size, b"\0"))
    if signature != _SIGNATURE or bits >> 28:
        raise RecordError("pixels of the evidence are neither PNG nor VP8L without alpha")
    return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1


def _pixels(file: bytes, box: Box, channels: int) -> U8:
    """`[h, w, C]` of a file of known size. Raises RecordError."""
    try:
        whole = file if file[:1] == _PNG[:1] else _webp(file)
        with Image.open(io.BytesIO(whole), formats=["PNG", "WEBP"]) as image:
            pixels = np.asarray(image).reshape(box.height, box.width, -1)
    except _UNREADABLE as error:
        raise RecordError(f"pixels of the evidence are damaged ({error})") from error
    if channels == 1 and pixels.shape[2] == 3:
        if (pixels != pixels[..., :1]).any():
            raise RecordError("coloured evidence of a gray image")
        pixels = pixels[..., :1]
    if pixels.shape[2] != channels:
        raise RecordError(f"evidence of {pixels.shape[2]} channels, the image has {channels}")
    return np.ascontiguousarray(pixels)


def _files_of(pixels: U8) -> Iterator[bytes]:
    yield _png(pixels)
    if max(pixels.shape) < _MAX_VP8L_SIDE:
        yield _vp8l(pixels)


def _png(pixels: U8) -> bytes:
    return _file(pixels[..., 0] if pixels.shape[2] == 1 else pixels, "PNG", optimize=True)


# More effort saves two per cent and takes a minute for a megapixel of noise.
def _vp8l(pixels: U8) -> bytes:
    colours = np.repeat(pixels, 3, 2) if pixels.shape[2] == 1 else pixels
    file = _file(colours, "WEBP", lossless=True, quality=75, method=4, exact=True)
    *_, length = _RIFF.unpack_from(file)
    return file[_RIFF.size : _RIFF.size + length]


def _webp(content: bytes) -> bytes:
    """The WebP file of a single VP8L chunk; chunks have even lengths."""
    padding = bytes(len(content) % 2)
    size = _RIFF.size - 8 + len(content) + len(padding)
    return _RIFF.pack(b"RIFF", size, b"WEBP", b"VP8L", len(content)) + content + padding


def _file(pixels: U8, kind: str, **options: bool | int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()
