"""Heat maps drawn over their images, and as 16-bit levels."""

import operator
from collections.abc import Iterator, Sequence
from numbers import Real

import numpy as np
from PIL import Image

from residuum_client.arrays import F32, U8, U16
from residuum_client.errors import InvalidInput
from residuum_client.options import shown
from residuum_client.results import Box

# Yellow through orange to red, which is visible on black, gray and white alike.
RAMP = np.array([(255, 232, 64), (255, 160, 16), (240, 72, 16), (208, 0, 40)], np.float32)
MAX_OPACITY = 0.85
# Of boxes: apart from every colour of the ramp, and from black, gray and white.
BOX_COLOUR = (0, 200, 255)
# A line is a pixel wide, and one more for each of these, so that it is seen in a large image too.
PIXELS_PER_WIDTH = 1000
# The level of full colour, so that 16 bits hold values up to four times as large.
FULL_LEVEL, MAX_LEVEL = 1 << 14, (1 << 16) - 1
BAND_PIXELS = 1 << 18


def draw_heatmap(
    image: U8,
    heatmap: F32,
    heatmap_vmax: float | None = None,
    *,
    heat_scale: float | None = None,
    boxes: Sequence[Box] = (),
) -> U8:
    """Draws a heat map `[h, w]` over an image `[H, W, 1 or 3]`: uint8 `[H, W, 3]`.

    Values at or below 0 leave the image unchanged; `heatmap_vmax` and larger values have the full
    colour. Without a positive and finite `heatmap_vmax`, the largest value of the map has it. A map
    of another size is stretched to the image. `heat_scale` is the former name of `heatmap_vmax`.
    `boxes`, in pixels of the map, are outlined: those of the regions of a score, for example.
    Raises InvalidInput.
    """
    _check(image, heatmap)
    vmax = _number(heat_scale if heatmap_vmax is None else heatmap_vmax)
    height, width = image.shape[:2]
    heat = _stretched(_relative(heatmap, vmax), (height, width))
    drawn = np.empty((height, width, 3), np.uint8)
    if not isinstance(boxes, list | tuple):
        raise InvalidInput(f"boxes are {shown(boxes)}; expected a list")
    outlines = [_outline(box, heatmap.shape, (height, width)) for box in boxes]
    # In bands: the colours of all pixels at once would take fifty times the memory of the image.
    for rows in _bands(height, width):
        drawn[rows] = _blend(image[rows], heat[rows])
    for outline in outlines:
        _frame(drawn, *outline)
    return drawn


def to_levels(heatmap: F32, heatmap_vmax: float, size: tuple[int, int]) -> U16:
    """A heat map `[h, w]`, stretched to an image of this size: uint16 `[H, W, 1]`.

    `heatmap_vmax`, or what `draw_heatmap` takes in its place, has the level 16384. Values at or
    below 0 have the level 0, those of four times full colour and more 65535.
    """
    finite = np.nan_to_num(heatmap, nan=0.0)
    levels = np.zeros((*size, 1), np.uint16)
    top = _full_colour(finite, heatmap_vmax)
    if top <= 0:
        return levels
    heat = _stretched(np.clip(finite, 0, np.float64(4 * float(top))).astype(np.float32), size)
    for rows in _bands(*size):
        level = np.rint(heat[rows].astype(np.float64) / top * FULL_LEVEL)
        levels[rows, :, 0] = np.minimum(level, MAX_LEVEL)
    return levels


def _bands(height: int, width: int) -> Iterator[slice]:
    step = max(1, BAND_PIXELS // max(1, width))
    return (slice(top, top + step) for top in range(0, height, step))


def _outline(box: object, shape: tuple[int, ...], size: tuple[int, int]) -> list[int]:
    """Top, left, bottom, right and width of the line around a box in an image of another size.

    The line lies outside of the box, except at the edges of the image. Raises InvalidInput.
    """
    if not isinstance(box, Box):
        raise InvalidInput(f"boxes have {shown(box)}; expected a Box")
    width = 1 + max(size) // PIXELS_PER_WIDTH
    starts, ends = [], []
    sides = ((box.top, box.height), (box.left, box.width))
    for (first, length), pixels, places in zip(sides, size, shape, strict=True):
        start = _index(first)
        stop = start + _index(length)
        starts.append(max(0, start * pixels // places - width))
        ends.append(min(pixels, -(-stop * pixels // places) + width))
    return [*starts, *ends, width]


def _frame(drawn: U8, top: int, left: int, bottom: int, right: int, width: int) -> None:
    """Draws the line of an outline, in place; none if the box lies outside of the image."""
    if top >= bottom or left >= right:
        return
    inside = drawn[top:bottom, left:right]
    for lines in (inside, inside.swapaxes(0, 1)):
        lines[:width] = lines[-width:] = BOX_COLOUR


def _index(value: object) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if number < 0:
        raise InvalidInput(f"a box has {shown(value)}; expected an integer from 0 up")
    return number


def _blend(image: U8, heat: F32) -> U8:
    """Heat `[H, W]` in 0..1 over an image `[H, W, 1 or 3]`: uint8 `[H, W, 3]`."""
    base = np.broadcast_to(image, (*heat.shape, 3)).astype(np.float32)
    opacity = MAX_OPACITY * heat[..., np.newaxis]
    blend: U8 = np.rint(base * (1 - opacity) + ramp(heat) * opacity).astype(np.uint8)
    return blend


def ramp(heat: F32) -> F32:
    """Colours `[..., 3]` in 0..255 of heat `[...]` in 0..1."""
    stops = np.linspace(0, 1, len(RAMP))
    channels = [np.interp(heat, stops, RAMP[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _check(image: object, heatmap: object) -> None:
    if not (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] in (1, 3)
        and image.size
    ):
        raise InvalidInput(f"image is {shown(image)}; expected uint8 [H, W, 1 or 3]")
    if not (
        isinstance(heatmap, np.ndarray)
        and heatmap.dtype.kind in "fiu"
        and heatmap.ndim == 2
        and heatmap.size
    ):
        raise InvalidInput(f"heatmap is {shown(heatmap)}; expected float32 [h, w]")


def _number(value: object) -> float:
    if value is None:
        return 0.0
    try:
        if isinstance(value, Real) and not isinstance(value, bool):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise InvalidInput(f"heatmap_vmax is {shown(value)}; expected a number")


def _relative(heatmap: F32, vmax: float) -> F32:
    """The map as shares of the full colour, in 0..1."""
    finite = np.nan_to_num(heatmap, nan=0.0)
    # In float64, and cut before it is divided: no number is too large or too small for that.
    top = _full_colour(finite, vmax)
    if top <= 0:
        return np.zeros(finite.shape, np.float32)
    return (np.clip(finite, 0, top) / top).astype(np.float32)


def _full_colour(finite: F32, vmax: float) -> np.float64:
    return np.float64(vmax if np.isfinite(vmax) and vmax > 0 else finite.max(initial=0))


def _stretched(heat: F32, size: tuple[int, int]) -> F32:
    if heat.shape == size:
        return heat
    picture = Image.fromarray(heat.astype(np.float32))
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR))
