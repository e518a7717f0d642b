"""Recognises files by their content; finds bit depth and orientation; leaves out metadata."""

import struct
import zlib

from ..errors import InvalidInput
from .avif import brands, inspect_avif
from .source import Source, beyond_8_bits
from .tiff import PREFIXES, inspect_tiff, read_orientation

_XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"
_EXIF_TEXT, _XMP_TEXT = b"Raw profile type exif\0", b"XML:com.adobe.xmp\0"
# The chunks of PNG that its pixels need, and the type of colour that needs a palette.
_OF_PIXELS, _PALETTE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"), 3
# Bytes of a compressed text that are looked at.
_TEXT_LIMIT = 2**20


def inspect(data: bytes) -> Source:
    """The file as its decoder gets it. Raises InvalidInput for other formats.

    Damaged headers raise struct.error, LookupError or OverflowError.
    """
    if not data:
        raise InvalidInput("the file is empty, expected an image")
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    if brands(data) & {b"avif", b"avis"}:
        return inspect_avif(data)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return Source("GIF", data)
    if data.startswith(PREFIXES):
        return inspect_tiff(data)
    if data.startswith(b"BM"):
        return Source("BMP", data)
    raise InvalidInput(
        "the file is not an image of a known format: JPEG, PNG, WebP, AVIF, GIF, TIFF or BMP"
    )


def _jpeg(data: bytes) -> Source:
    kept, exif, xmp, deep, at = [data[:2]], b"", b"", "", 2
    while (at := data.find(b"\xff", at)) >= 0:
        marker = data[at + 1]
        if marker == 0xFF:  # a filling byte
            at += 1
        elif marker <= 0x01 or 0xD0 <= marker <= 0xD8:  # without a length
            at += 2
        elif marker in (0xD9, 0xDA):  # the end, or the pixels
            kept.append(data[at:])
            break
        else:
            end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
            segment, body = data[at:end], data[at + 4 : end]
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                deep = beyond_8_bits(body[0])
            if marker == 0xE1 and body.startswith(b"Exif\0\0"):
                exif = exif or body
            elif marker == 0xE1 and body.startswith(_XMP_NAME):
                xmp = xmp or body
            # JFIF and Adobe say what the channels are; other APPn and comments are metadata.
            if marker in (0xE0, 0xEE) or marker < 0xE0:
                kept.append(segment)
            at = end
    return Source("JPEG", b"".join(kept), read_orientation(exif, xmp), deep)


def _png(data: bytes) -> Source:
    kept, exif, xmp, at = [data[:8]], b"", b"", 8
    depth, colour = data[24], data[25]
    if colour == _PALETTE and b"PLTE" not in data:
        raise InvalidInput("the PNG image has a palette, but no colours in it")
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if name == b"tRNS" and colour == 0 and len(body) == 2 and depth in (2, 4):
            # Pillow scales such gray levels to 0..255, but not the one that is transparent.
            level = struct.pack(">H", body[1] * 255 // (2**depth - 1))
            kept.append(struct.pack(">I", 2) + name + level + _crc(name + level))
        elif name in _OF_PIXELS:
            kept.append(_whole(data[at : at + 12 + length], length))
        elif name == b"eXIf":
            exif = exif or body
        elif name in (b"tEXt", b"zTXt") and body.startswith(_EXIF_TEXT):
            exif = exif or _profile(body.removeprefix(_EXIF_TEXT), compressed=name == b"zTXt")
        elif name == b"iTXt" and body.startswith(_XMP_TEXT):
            xmp = xmp or _international(body.removeprefix(_XMP_TEXT))
        if name == b"IEND":
            break
        at += 12 + length
    return Source("PNG", b"".join(kept), read_orientation(exif, xmp), beyond_8_bits(depth))


def _whole(chunk: bytes, length: int) -> bytes:
    """The chunk itself. Raises InvalidInput for a wrong checksum, which decoders skip."""
    checksum = chunk[8 + length :]
    if len(checksum) == 4 and checksum != _crc(chunk[4 : 8 + length]):
        name = chunk[4:8].decode()
        raise InvalidInput(f"the PNG image is damaged: the checksum of {name} is wrong")
    return chunk


def _crc(chunk: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(chunk))


def _profile(text: bytes, *, compressed: bool) -> bytes:
    """The EXIF data in a text of ImageMagick: three lines, then hexadecimal digits."""
    lines = (_inflate(text[1:]) if compressed else text).split(b"\n")
    try:
        return bytes.fromhex(b"".join(lines[3:]).decode("ascii"))
    except ValueError:
        return b""


def _international(text: bytes) -> bytes:
    """The text of an iTXt chunk behind its keyword: two flags, language, keyword, text."""
    last = text[2:].split(b"\0", 2)[-1]
    return _inflate(last) if text.startswith(b"\x01") else last


def _inflate(text: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(text, _TEXT_LIMIT)
    except zlib.error:
        return b""


def _webp(data: bytes) -> Source:
    exif, xmp, size, at = b"", b"", None, 12
    while at + 8 <= len(data):
        name, (length,) = data[at : at + 4], struct.unpack_from("<I", data, at + 4)
        body = data[at + 8 : at + 8 + length]
        if name == b"VP8X" and size is None:
            wide, high = struct.unpack("<II", body[4:7] + b"\0" + body[7:10] + b"\0")
            size = (wide + 1, high + 1)
        elif name == b"EXIF":
            exif = exif or body
        elif name == b"XMP ":
            xmp = xmp or body
        at += 8 + length + length % 2
    return Source("WebP", data, read_orientation(exif, xmp), size=size)
