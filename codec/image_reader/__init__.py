"""The one reader of image files: what is read, and how it becomes uint8 `[H, W, 1 or 3]`.

| what | rule |
|---|---|
| formats | JPEG, PNG, WebP, AVIF, GIF, TIFF, BMP; the content decides, not the suffix |
| animations, pages | the first frame on its canvas, the first page, the first image of an MPO |
| orientation | applied: EXIF, else XMP; AVIF by its own properties; damaged metadata are ignored |
| transparency | composed over white |
| gray and colour | ITU-R 601 luma for gray, gray repeated for RGB |
| palettes, 1 to 4 bits | as the colours or gray levels that they stand for |
| CMYK, YCbCr, CIELAB | to RGB as Pillow does |
| colour profiles, gamma | ignored |
| more than 8 bits, signed integers, floating point | refused, judged from the file's header |
| size | at most 2^14 pixels a side and 2^26 in all, checked before decoding |
| damage, truncation | refused in one sentence; nothing is printed, no other program is started |

The client ships a copy of this folder, since it works without the codec; a test keeps both equal.
"""

from .reader import (
    FORMATS,
    MAX_PIXELS,
    MAX_SIDE,
    SUFFIXES,
    Header,
    from_pillow,
    read_header,
    read_image,
)

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "MAX_SIDE",
    "SUFFIXES",
    "Header",
    "from_pillow",
    "read_header",
    "read_image",
]
