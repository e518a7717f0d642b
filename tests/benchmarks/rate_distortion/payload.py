"""How many bytes of a file are image data: headers, tables and containers left out.

JPEG      entropy-coded data of all scans: no tables, no segment headers. Stuffed and restart bytes
          count. An abbreviated stream (ITU-T T.81, B.4) would hold a few bytes more.
WebP      the content of the `VP8 ` or `VP8L` chunk, with the frame header inside it.
AVIF      the content of the `mdat` boxes (ISO/IEC 14496-12): the AV1 data.
JPEG XL   the codestream (ISO/IEC 18181-2), which is the whole file without a container.
"""

from collections.abc import Iterator

_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_JXL_CODESTREAM = b"\xff\x0a"
_JXL_BOXES = (b"jxlc", b"jxlp")
_JXL_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"


def jpeg_payload(data: bytes) -> int:
    """Bytes of entropy-coded data. Raises ValueError for anything but a complete JPEG."""
    if data[:2] != bytes([0xFF, _SOI]):
        raise ValueError("no JPEG: it does not begin with SOI")
    at, total = 2, 0
    while at + 2 <= len(data):
        if data[at] != 0xFF:
            raise ValueError(f"byte {at} of a JPEG is {data[at]:#x}, expected a marker")
        marker = data[at + 1]
        if marker == _EOI:
            return total
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _STANDALONE:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            if marker == _SOS:
                end = _scan_end(data, at)
                at, total = end, total + end - at
    raise ValueError("the JPEG ends before EOI")


def _scan_end(data: bytes, at: int) -> int:
    """Where the first marker after `at` begins that is neither stuffing nor a restart."""
    while (at := data.find(0xFF, at)) >= 0 and at + 1 < len(data):
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2
    raise ValueError("the JPEG ends inside a scan")


def webp_payload(data: bytes) -> int:
    """Bytes in the image chunk. Raises ValueError for anything but a complete WebP."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise ValueError("no WebP: it does not begin with RIFF and WEBP")
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name in (b"VP8 ", b"VP8L"):
            if at + 8 + size > len(data):
                raise ValueError("the WebP ends inside its image chunk")
            return size
        at += 8 + size + size % 2
    raise ValueError("the WebP has no image chunk")


def avif_payload(data: bytes) -> int:
    """Bytes in the `mdat` boxes. Raises ValueError for anything but a complete AVIF."""
    found = [size for name, size in _boxes(data, "AVIF") if name == b"mdat"]
    if data[4:8] != b"ftyp" or not found:
        raise ValueError("no AVIF: `ftyp` or `mdat` is missing")
    return sum(found)


def jxl_payload(data: bytes) -> int:
    """Bytes of codestream. Raises ValueError for anything but a complete JPEG XL."""
    if data[:2] == _JXL_CODESTREAM:
        return len(data)
    if data[:12] != _JXL_CONTAINER:
        raise ValueError("no JPEG XL: neither a codestream nor a container")
    boxes = _boxes(data, "JPEG XL")
    parts = [size - 4 * (name == b"jxlp") for name, size in boxes if name in _JXL_BOXES]
    if not parts:
        raise ValueError("the JPEG XL container holds no codestream")
    return sum(parts)


def _boxes(data: bytes, kind: str) -> Iterator[tuple[bytes, int]]:
    """Name and content size of each box of the top level of a file of this kind."""
    at = 0
    while at < len(data):
        size, name, header = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif size == 0:  # to the end of the file
            size = len(data) - at
        if size < header or at + size > len(data):
            left = len(data) - at
            raise ValueError(f"the box at byte {at} of the {kind} claims {size} bytes of {left}")
        yield name, size - header
        at += size
