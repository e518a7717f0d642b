"""Images brought to the input of a model and back, and arrays to PNG files.

An image is uint8 `[H, W, C]`, C = 1 (gray) or 3 (RGB); `codec.image_reader` reads files.
"""

import io
import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from codec.arrays import F32, U8
from codec.errors import InvalidInput
from codec.image_reader import MAX_PIXELS, MAX_SIDE
from codec.images.input_spec import MAX_RECORD_PIXELS, InputSpec

_UINT8 = np.dtype(np.uint8)
T = TypeVar("T", bound=np.generic)
MAX_TILES = 1024
# Values that are rounded at a time, to bound the memory of large images.
_CHUNK = 2**16
_COLOURS = {1: "gray", 3: "RGB"}


def write_png(image: U8) -> bytes:
    """Encodes `[H, W, 1 or 3]` as a PNG file."""
    out = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(out, "PNG")
    return out.getvalue()


def describe(image: npt.NDArray[np.generic]) -> str:
    """Size and colour for error messages: `30x28 gray`, height first."""
    if image.ndim != 3:
        return f"an array of shape {list(image.shape)}"
    height, width, channels = image.shape
    return f"{height}x{width} {_COLOURS.get(channels, f'of {channels} channels')}"


@dataclass(frozen=True, slots=True, eq=False)
class PreparedImage:
    """An image as the graphs take it.

    `target [H, W, C]` is what a perfect record decodes to: the image, or under `resize` the resized
    one. `tiles [R, C, h, w]` are the input of the encoder; R is 1 except under `tile`. `size` is
    the (height, width) of the image if its record must hold them.
    """

    target: U8
    tiles: U8
    size: tuple[int, int] | None


def prepare(image: U8, spec: InputSpec) -> PreparedImage:
    """Brings `[H, W, C]` to the input of a model. Raises InvalidInput for an image that the model
    does not take.
    """
    if image.dtype != _UINT8 or image.ndim != 3 or image.shape[2] != spec.channels:
        raise InvalidInput(
            f"image is {describe(image)} {image.dtype}; "
            f"the model takes {_COLOURS[spec.channels]} uint8"
        )
    height, width, _ = image.shape
    check_size(height, width, spec)
    if spec.fit == "pad":
        padded = _padded(image, spec.stride, spec.stride)
        return PreparedImage(image, _chw(padded), (height, width))
    if spec.fit == "tile":
        return PreparedImage(image, _tiles(image, spec), (height, width))
    if (height, width) == (spec.height, spec.width):
        return PreparedImage(image, _chw(image), None)
    resized = _resize(image, spec)
    return PreparedImage(resized, _chw(resized), None)


def check_size(height: int, width: int, spec: InputSpec) -> None:
    """Raises InvalidInput for an image size that the model does not take."""
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE and height * width <= MAX_PIXELS):
        limits = f"sides are 1..{MAX_SIDE}, at most {MAX_PIXELS} pixels"
        raise InvalidInput(f"image is {height}x{width}; {limits}")
    if spec.sized and height * width > MAX_RECORD_PIXELS:
        raise InvalidInput(f"image is {height}x{width}, at most {MAX_RECORD_PIXELS} pixels")
    if spec.fit == "exact" and (height, width) != (spec.height, spec.width):
        taken = f"exactly {spec.height}x{spec.width} {_COLOURS[spec.channels]}"
        raise InvalidInput(f"image is {height}x{width}; the model takes {taken}: resize it")
    if spec.fit == "tile" and (tiles := math.prod(tile_grid((height, width), spec))) > MAX_TILES:
        raise InvalidInput(f"image is {height}x{width}, {tiles} tiles; at most {MAX_TILES}")


def restore_geometry(
    tiles: npt.NDArray[T], size: tuple[int, int] | None, spec: InputSpec
) -> npt.NDArray[T]:
    """Undoes `prepare`: `tiles [R, C, h, w]` to `[C, H, W]` of the given size."""
    if size is None:
        return tiles.reshape(tiles.shape[1:])
    if spec.fit == "tile":
        down, across = tile_grid(size, spec)
        channels, h, w = tiles.shape[1:]
        whole = tiles.reshape(down, across, channels, h, w).transpose(2, 0, 3, 1, 4)
        return whole.reshape(channels, down * h, across * w)[:, : size[0], : size[1]]
    return tiles[0, :, : size[0], : size[1]]


def tile_grid(size: tuple[int, int], spec: InputSpec) -> tuple[int, int]:
    """Tiles (down, across) of an image of this (height, width); (1, 1) without `tile`."""
    if spec.fit != "tile" or spec.height is None or spec.width is None:
        return (1, 1)
    return (-(-size[0] // spec.height), -(-size[1] // spec.width))


def to_pixels(x_hat: F32) -> U8:
    """`[C, H, W]` in [0, 1] to uint8 `[H, W, C]`, rounded to nearest."""
    return channels_last(to_levels(x_hat))


def to_levels(x_hat: F32) -> U8:
    """Values in [0, 1] to 0..255 uint8, of the same shape, rounded to nearest."""
    levels = np.empty(x_hat.shape, np.uint8)
    flat, rounded = x_hat.reshape(-1), levels.reshape(-1)
    for start in range(0, len(flat), _CHUNK):
        part = slice(start, start + _CHUNK)
        rounded[part] = np.rint(flat[part].clip(0.0, 1.0) * np.float32(255.0))
    return levels


def channels_last(image: U8) -> U8:
    """`[C, H, W]` to `[H, W, C]`."""
    return np.ascontiguousarray(image.transpose(1, 2, 0))


def _padded(image: U8, height: int, width: int) -> U8:
    """Repeats the bottom and right edges up to the next multiples of height and width."""
    bottom, right = -image.shape[0] % height, -image.shape[1] % width
    return np.pad(image, ((0, bottom), (0, right), (0, 0)), mode="edge")


def _tiles(image: U8, spec: InputSpec) -> U8:
    height, width = spec.height or 1, spec.width or 1
    down, across = tile_grid((image.shape[0], image.shape[1]), spec)
    padded = _padded(image, height, width)
    grid = padded.reshape(down, height, across, width, spec.channels).transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(grid).reshape(-1, spec.channels, height, width)


def _chw(image: U8) -> U8:
    return np.ascontiguousarray(image.transpose(2, 0, 1))[None]


def _resize(image: U8, spec: InputSpec) -> U8:
    picture = Image.fromarray(image[..., 0] if spec.channels == 1 else image)
    resized = picture.resize((spec.width or 1, spec.height or 1), Image.Resampling.LANCZOS)
    return np.asarray(resized).reshape(spec.height or 1, spec.width or 1, spec.channels)
