"""Image files to arrays and back, and the fit of an image to a model's input.

An image is uint8 `[H, W, C]`, C = 1 (gray) or 3 (RGB). Reading a file:

* EXIF orientation is applied; all other metadata are dropped. * Colour is turned into gray by the
ITU-R 601 luma where the model is gray, gray is repeated where it is RGB. * Alpha is composed over
white. Palettes and CMYK become RGB. * 16-bit and float images are refused: how to map them to 8
bits is the caller's decision. * Only the first frame of an animation is read.
"""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from codec.arrays import F32, U8
from codec.bundle.manifest import MAX_SIDE, InputSpec
from codec.errors import InvalidInput

# A file may not unfold into more pixels than this, however small it is (decompression bombs).
MAX_PIXELS = 2**26
MAX_TILES = 1024
_BAND_ROWS = 64
_COLOURS = {1: "gray", 3: "RGB"}
_EIGHT_BIT = {
    "1",
    "L",
    "LA",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBX",
    "La",
    "RGBa",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
}


def read_image(data: bytes, channels: int) -> U8:
    """Decodes a PNG, JPEG, WebP, AVIF, TIFF, BMP or GIF file to `[H, W, channels]`.

    Raises InvalidInput if the bytes are no image, are damaged, are not 8-bit, or unfold into more
    than MAX_PIXELS.
    """
    if not data:
        raise InvalidInput("the file is empty, expected an image")
    try:
        with Image.open(io.BytesIO(data)) as file:
            _check_header(file)
            # Pillow's own bomb check is a warning at a limit of its own; ours came before any
            # pixel.
            image = ImageOps.exif_transpose(file)
            return _to_array(image, channels)
    except UnidentifiedImageError as error:
        raise InvalidInput(f"{len(data)} bytes that are no image of a known format") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InvalidInput(f"the image has more than {MAX_PIXELS} pixels") from error
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, LookupError) as error:
        raise InvalidInput(f"the image file is damaged or not readable: {error}") from error


def _check_header(file: Image.Image) -> None:
    width, height = file.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise InvalidInput(
            f"the image is {width}x{height}; at most {MAX_SIDE} pixels a side "
            f"and {MAX_PIXELS} in all are read"
        )
    if file.mode not in _EIGHT_BIT:
        raise InvalidInput(
            f"the image has pixels of type {file.mode!r}; only 8-bit gray and colour are read"
        )


def _to_array(image: Image.Image, channels: int) -> U8:
    if "transparency" in image.info or image.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(white, rgba).convert("RGB")
    elif image.mode not in ("L", "1"):
        image = image.convert("RGB")
    array = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return np.ascontiguousarray(array.reshape(*array.shape[:2], channels))


def write_png(image: U8) -> bytes:
    """Encodes `[H, W, 1 or 3]` as a PNG file."""
    out = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(out, "PNG")
    return out.getvalue()


def describe(image: npt.NDArray[np.generic]) -> str:
    """The image in words, for messages: `30x28 gray`, rows first."""
    if image.ndim != 3:
        return f"an array of shape {list(image.shape)}"
    height, width, channels = image.shape
    return f"{height}x{width} {_COLOURS.get(channels, f'of {channels} channels')}"


@dataclass(frozen=True, slots=True)
class Fitted:
    """An image as the graphs take it: `rows [R, C, h, w]`; its own size where a record must
    remember it.

    R is 1 except under `tile`. `target [H, W, C]` is what a perfect record decodes to: the image,
    or under `resize` the resized one.
    """

    target: U8
    rows: U8
    size: tuple[int, int] | None


def fit(image: U8, spec: InputSpec) -> Fitted:
    """Brings `[H, W, C]` to the model's input. Raises InvalidInput where the model's policy forbids
    that.
    """
    _check_image(image, spec)
    height, width = image.shape[:2]
    if (height, width) == (spec.height, spec.width) and not spec.sized:
        return Fitted(image, _chw(image), None)
    if spec.fit == "exact":
        raise InvalidInput(
            f"image is {describe(image)}; the model takes exactly "
            f"{spec.height}x{spec.width} {_COLOURS[spec.channels]}"
        )
    if spec.fit == "resize":
        resized = _resize(image, spec)
        return Fitted(resized, _chw(resized), None)
    grid = tile_grid((height, width), spec)
    if grid[0] * grid[1] > MAX_TILES:
        raise InvalidInput(
            f"image is {height}x{width}, {grid[0] * grid[1]} tiles; at most {MAX_TILES}"
        )
    unit = (spec.height or spec.stride, spec.width or spec.stride)
    bottom, right = -height % unit[0], -width % unit[1]
    padded = np.pad(image, ((0, bottom), (0, right), (0, 0)), mode="edge")
    if spec.fit == "pad":
        return Fitted(image, _chw(padded), (height, width))
    tiles = padded.reshape(grid[0], unit[0], grid[1], unit[1], spec.channels).transpose(
        0, 2, 4, 1, 3
    )
    rows = np.ascontiguousarray(tiles).reshape(-1, spec.channels, *unit)
    return Fitted(image, rows, (height, width))


def unfit(rows: F32, size: tuple[int, int] | None, spec: InputSpec) -> F32:
    """Undoes `fit`: `rows [R, C, h, w]` to `[C, H, W]` of the given size."""
    if size is None:
        return np.asarray(rows[0])
    if spec.fit == "tile":
        down, across = tile_grid(size, spec)
        channels, h, w = rows.shape[1:]
        whole = rows.reshape(down, across, channels, h, w).transpose(2, 0, 3, 1, 4)
        return whole.reshape(channels, down * h, across * w)[:, : size[0], : size[1]]
    return rows[0, :, : size[0], : size[1]]


def tile_grid(size: tuple[int, int], spec: InputSpec) -> tuple[int, int]:
    """Tiles (down, across) that an image of this size is cut into; (1, 1) without `tile`."""
    if spec.fit != "tile" or spec.height is None or spec.width is None:
        return (1, 1)
    return (-(-size[0] // spec.height), -(-size[1] // spec.width))


def to_pixels(x_hat: F32) -> U8:
    """`[C, H, W]` in [0, 1] to uint8 `[H, W, C]`, rounded to nearest."""
    channels, height, width = x_hat.shape
    image = np.empty((height, width, channels), np.uint8)
    for row in range(0, height, _BAND_ROWS):  # in bands: a large image has no room for copies
        band = np.clip(x_hat[:, row : row + _BAND_ROWS], 0.0, 1.0)
        image[row : row + _BAND_ROWS] = np.rint(band * np.float32(255.0)).transpose(1, 2, 0)
    return image


def _check_image(image: U8, spec: InputSpec) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != spec.channels:
        raise InvalidInput(
            f"image is {describe(image)} {image.dtype}; "
            f"the model takes {_COLOURS[spec.channels]} uint8"
        )
    height, width = image.shape[:2]
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE and height * width <= MAX_PIXELS):
        raise InvalidInput(
            f"image is {height}x{width}; sides are 1..{MAX_SIDE}, at most {MAX_PIXELS} pixels"
        )


def _chw(image: U8) -> U8:
    return np.ascontiguousarray(image.transpose(2, 0, 1))[None]


def _resize(image: U8, spec: InputSpec) -> U8:
    picture = Image.fromarray(image[..., 0] if spec.channels == 1 else image)
    resized = picture.resize((spec.width or 1, spec.height or 1), Image.Resampling.LANCZOS)
    return np.asarray(resized).reshape(spec.height or 1, spec.width or 1, spec.channels)


def draw_heatmap(image: U8, heatmap: F32, scale: float) -> U8:
    """`[H, W, 3]`: the image in gray under the map `[H, W]`, whose value `scale` is opaque red.

    Values between go from transparent through yellow, as a flame does.
    """
    heat = np.clip(heatmap / max(scale, 1e-12), 0.0, 1.0)[..., None]
    gray = np.repeat(image.mean(2, keepdims=True), 3, axis=2)
    colour = np.concatenate([np.full_like(heat, 255.0), 255.0 * (1.0 - heat), 0.0 * heat], axis=2)
    return np.asarray(np.rint(gray * (1.0 - heat) + colour * heat), np.uint8)
