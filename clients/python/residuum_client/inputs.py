"""What a caller gives as images and records, brought to the form that is sent or computed."""

import io
import stat
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from residuum_client.arrays import U8
from residuum_client.errors import InvalidInput
from residuum_client.image_reader import MAX_PIXELS, MAX_SIDE, from_pillow, read_header
from residuum_client.options import check_path
from residuum_client.pictures import to_png

# uint8 `[H, W]` or `[H, W, C]` with C 1 or 3; the bytes of an image file, its path, the file opened
# to read its bytes; or an image of Pillow.
Image = U8 | bytes | bytearray | memoryview | str | PathLike[str] | BinaryIO | PillowImage.Image
E = TypeVar("E")
# Files that may have no end, or wait for another program.
SPECIAL_FILES = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_GRAY_MODES = ("1", "L", "LA", "La")
_ARRAYS = "uint8 [H, W] or [H, W, C] with C 1 or 3"


def load_image(element: object) -> U8 | bytes:
    """The image in the form that is sent: uint8 `[H, W, C]`, or the bytes of its file.

    Raises InvalidInput.
    """
    if isinstance(element, np.ndarray):
        return _load_array(element)
    if isinstance(element, bytes | bytearray | memoryview):
        return bytes(element)
    if isinstance(element, str | PathLike):
        return _load_file(element)
    if isinstance(element, PillowImage.Image):
        return to_png(from_pillow(element, 1 if element.mode in _GRAY_MODES else 3))
    if hasattr(element, "read"):
        return _load_open_file(element)
    raise InvalidInput(
        f"{_name(element)}; expected an array, the bytes of an image file, its path, the open file "
        "or an image of Pillow"
    )


def load_record(element: object) -> bytes:
    """The record as bytes. Raises InvalidInput."""
    if isinstance(element, bytes | bytearray | memoryview):
        return bytes(element)
    raise InvalidInput(f"{_name(element)}; expected bytes")


def image_weight(image: U8 | bytes) -> int:
    """Bytes of an array; for a file its bytes or its pixels, whichever are more.

    A small file may hold a large image, and one message must not ask for too much work. Raises
    InvalidInput for a file that no model reads.
    """
    if isinstance(image, np.ndarray):
        return image.nbytes
    header = read_header(image)
    return max(len(image), header.height * header.width)


def image_list(images: object) -> Iterable[object]:
    """A caller's images one by one: an iterable of them, or an array `[N, H, W]` or `[N, H, W, C]`.

    Raises InvalidInput for one image in place of a list, and for an array that has two readings.
    """
    if isinstance(images, np.ndarray):
        return _split_array(images)
    return _checked(images, "images")


def record_list(records: object) -> Iterable[object]:
    """A caller's records one by one. Raises InvalidInput for one record in place of a list."""
    return _checked(records, "records")


def _checked(elements: object, noun: str) -> Iterable[object]:
    one = (str, bytes, bytearray, memoryview, PathLike, PillowImage.Image, Mapping)
    if isinstance(elements, one) or hasattr(elements, "read"):
        raise InvalidInput(f"one {_name(elements)} was given; expected a list of {noun}")
    try:
        return iter(elements)  # type: ignore[call-overload,no-any-return]
    except TypeError:
        raise InvalidInput(f"{_name(elements)} was given; expected a list of {noun}") from None


def _counted(channels: int) -> str:
    return "1 channel" if channels == 1 else f"{channels} channels"


def _split_array(array: NDArray[np.generic]) -> Iterable[object]:
    shape = list(array.shape)
    if array.dtype == object and array.ndim == 1:
        return iter(array)
    if array.ndim == 3 and array.shape[2] in (1, 3):
        count, height, channels = array.shape
        raise InvalidInput(
            f"an array {shape} is either one image {shape[:2]} of {_counted(channels)} or {count} "
            f"gray images {height}x{channels}; expected [image] for the one, or "
            "array[..., np.newaxis] for the others"
        )
    if array.ndim == 2 and array.dtype == np.uint8:
        raise InvalidInput(f"one image, an array {shape}, was given; expected a list, as [image]")
    if array.ndim not in (3, 4) or array.dtype != np.uint8:
        raise InvalidInput(
            f"an array {array.dtype} {shape} was given; expected a list of images, or uint8 "
            "[N, H, W] or [N, H, W, C] with C 1 or 3"
        )
    return iter(array)


def _load_array(array: NDArray[np.generic]) -> U8:
    if hidden := np.count_nonzero(np.ma.getmaskarray(array)) if np.ma.isMA(array) else 0:
        raise InvalidInput(
            f"a masked array hides {hidden} of its values; expected an array without a mask, "
            "as array.filled(255)"
        )
    image = array[..., np.newaxis] if array.ndim == 2 else array
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3) or not image.size:
        found = f"an array {array.dtype} {list(array.shape)}"
        raise InvalidInput(f"{found}; expected {_ARRAYS}")
    height, width, _ = image.shape
    if max(height, width) > MAX_SIDE or height * width > MAX_PIXELS:  # before it is copied
        raise InvalidInput(
            f"an array {array.dtype} {list(array.shape)}; expected at most {MAX_SIDE} pixels a "
            f"side and {MAX_PIXELS} in all"
        )
    return np.ascontiguousarray(image, dtype=np.uint8)


def _load_file(element: object) -> bytes:
    path = check_path("path", element)
    try:
        if kind := SPECIAL_FILES.get(stat.S_IFMT(Path(path).stat().st_mode)):
            raise InvalidInput(f"{path} is {kind}; expected a file")
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInput(f"{path} cannot be read: {reason}") from error


def _load_open_file(file: object) -> bytes:
    name = getattr(file, "name", None)
    name = f"the open file {name}" if isinstance(name, str) else "the open file"
    try:
        data = file.read()  # type: ignore[attr-defined]
    except io.UnsupportedOperation:
        raise InvalidInput(f"{name} was not opened for reading") from None
    except Exception as error:  # anything may have a method `read`
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInput(f"{name} cannot be read: {reason}") from error
    if isinstance(data, bytes):
        return data
    if isinstance(file, io.TextIOBase):
        raise InvalidInput(f'{name} was opened as text; expected open(path, "rb")')
    raise InvalidInput(f"{name} gives {_name(data)}; expected bytes")


def _name(value: object) -> str:
    return type(value).__name__
