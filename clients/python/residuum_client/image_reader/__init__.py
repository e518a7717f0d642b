"""The one reader of image files, to uint8 `[H, W, 1 or 3]`; `codec/IMAGES.md` has its rules.

It recognises a file by its content, reads bit depth and orientation itself, and gives the decoder a
copy without metadata. The client ships a copy of this folder, since it works without the codec; a
test keeps both equal.
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
    read_values,
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
    "read_values",
]
