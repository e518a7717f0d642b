"""Image files to arrays: one decoder a format, limits before decoding, one kind of error."""

import ctypes
import functools
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    _imaging,
)

from ..arrays import U8
from ..errors import InvalidInput
from .headers import inspect
from .source import Source
from .tiff import read_orientation

# The formats that are read, with the usual suffixes of their files.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WebP": (".webp",),
    "AVIF": (".avif", ".avifs"),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
}
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
# Of any image; checked before anything is decoded, however small the file is.
MAX_SIDE = 2**14
MAX_PIXELS = 2**26
# Pillow takes 16 bytes a pixel to decode WebP.
MAX_WEBP_PIXELS = 2**25

# Asked by class: Pillow's `open` would try other decoders too, and read the pages of an MPO.
_DECODERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}
_METHODS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Modes of Pillow with 8 bits a channel, or one.
_WITH_ALPHA = frozenset(("LA", "La", "PA", "RGBA", "RGBa"))
_EIGHT_BIT = _WITH_ALPHA | {"1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"}
# Pixels that are converted at once, since a conversion takes several times their memory.
_BAND = 2**20
_REASON = 200  # characters of a decoder's own words
# What Pillow raises on purpose; the words of other errors are about its code, not about the file.
_SPOKEN = (OSError, SyntaxError, ValueError, EOFError)


@dataclass(frozen=True, slots=True)
class Header:
    """The format of an image file, one of FORMATS, and the size of its upright image."""

    format: str
    height: int
    width: int


def read_header(data: bytes) -> Header:
    """Format and size of an image file, of which no pixel is decoded.

    Raises InvalidInput where `read_image` does, except for damage among the pixels.
    """
    with _refused(), _opened(data) as (source, image, orientation):
        width, height = image.size if orientation < 5 else image.size[::-1]
        return Header(source.format, height, width)


def read_image(data: bytes, channels: int) -> U8:
    """The pixels of an image file as `[H, W, channels]`, 1 for gray or 3 for RGB.

    Raises InvalidInput if the bytes are not an image of FORMATS, are damaged or truncated, have
    more than 8 bits a channel, a side beyond MAX_SIDE, or more pixels than MAX_PIXELS.
    """
    with _refused(), _opened(data) as (_, image, orientation):
        return _to_array(image, channels, orientation)


def read_values(data: bytes) -> Image.Image:
    """The upright image of a file as Pillow decodes it, also of more than 8 bits a channel.

    For files whose values are not colours, such as masks; its `format` is one of FORMATS. Raises
    InvalidInput as `read_image` does.
    """
    with _refused(), _opened(data, deep=True) as (source, image, orientation):
        image.load()
        method = _METHODS.get(orientation)
        upright = image.copy() if method is None else image.transpose(method)
        upright.format = source.format
        return upright


def from_pillow(image: Image.Image, channels: int) -> U8:
    """A picture of Pillow as `[H, W, channels]`, by the rules of files. Raises InvalidInput.

    A file that Pillow opened but did not decode yet is read from its bytes.
    """
    with _refused():
        if isinstance(image, ImageFile.ImageFile) and image.tile and image.fp and not image.tell():
            position = image.fp.tell()
            image.fp.seek(0)
            data = image.fp.read()
            image.fp.seek(position)
            return read_image(data, channels)
        _check_size(image.size, MAX_PIXELS)
        return _to_array(image, channels, _tagged(image))


@contextmanager
def _refused() -> Iterator[None]:
    """Turns whatever a decoder raises into InvalidInput."""
    try:
        yield
    except InvalidInput:
        raise
    except Exception as error:  # damaged files make decoders raise nearly any of Python's errors
        spoken = isinstance(error.__cause__ or error, _SPOKEN)
        words = " ".join(str(error).split()) if spoken else ""
        reason = "".join(c for c in words if c.isprintable())[:_REASON]
        sentence = "the image file is damaged or not readable"
        raise InvalidInput(f"{sentence}: {reason}" if reason else sentence) from error


@contextmanager
def _opened(data: bytes, *, deep: bool = False) -> Iterator[tuple[Source, Image.Image, int]]:
    """A file, its image before decoding, and the orientation of that, within the limits.

    More than 8 bits a channel are refused unless `deep`.
    """
    source = inspect(data)
    if source.deep and not deep:
        raise InvalidInput(
            f"the {source.format} image has {source.deep}; only 8-bit images are read"
        )
    most = MAX_WEBP_PIXELS if source.format == "WebP" else MAX_PIXELS
    if source.size:
        _check_size(source.size, most)
    if source.format == "TIFF":
        _silence_libtiff()
    with _DECODERS[source.format](io.BytesIO(source.pixels)) as image:
        _check_size(image.size, most)
        orientation = _tagged(image) if source.format == "AVIF" else source.orientation
        yield source, image, orientation


def _check_size(size: tuple[int, int], most: int) -> None:
    width, height = size
    if width * height > most or max(width, height) > MAX_SIDE:
        raise InvalidInput(
            f"the image is {width}x{height}; at most {MAX_SIDE} pixels a side "
            f"and {most} in all are read"
        )


def _tagged(image: Image.Image) -> int:
    """The orientation in what Pillow keeps of a file's metadata."""
    exif, xmp = image.info.get("exif", b""), image.info.get("xmp", b"")
    return read_orientation(*(d if isinstance(d, bytes) else b"" for d in (exif, xmp)))


def _to_array(image: Image.Image, channels: int, orientation: int) -> U8:
    if image.mode not in _EIGHT_BIT:
        raise InvalidInput(
            f"the image has pixels of type {image.mode!r}; only 8-bit gray and colour are read"
        )
    image.load()
    width, height = image.size
    sides = (height, width) if orientation < 5 else (width, height)
    upright = np.empty((*sides, channels), np.uint8)
    lying = _lying(upright, orientation)
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        band = _flat(image.crop((0, top, width, bottom)), "L" if channels == 1 else "RGB")
        lying[top:bottom] = np.asarray(band).reshape(bottom - top, width, channels)
    return upright


def _lying(upright: U8, orientation: int) -> U8:
    """A view of an upright image in the order of rows and columns in which its file holds it."""
    turned = upright.swapaxes(0, 1) if orientation >= 5 else upright
    down = -1 if orientation in (3, 4, 6, 7) else 1
    across = -1 if orientation in (2, 3, 7, 8) else 1
    return turned[::down, ::across]


def _flat(image: Image.Image, mode: str) -> Image.Image:
    """The image in mode L or RGB, transparency over white."""
    if "transparency" in image.info or image.mode in _WITH_ALPHA:
        # Pillow has no way from multiplied gray to RGBA but by plain gray.
        rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(white, rgba).convert("RGB")
    elif image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


@functools.cache
def _silence_libtiff() -> None:
    """Keeps libtiff's messages about damaged files off stderr; Pillow has no switch for them.

    A build of Pillow that hides the functions of its libtiff goes on printing them.
    """
    try:
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            handler = getattr(library, name)
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)
    except (OSError, AttributeError):
        pass
