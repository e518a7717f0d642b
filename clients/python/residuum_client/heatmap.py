"""Heat maps drawn over their images."""

from numbers import Real

import numpy as np
from PIL import Image

from residuum_client.arrays import F32, U8
from residuum_client.errors import InvalidInput
from residuum_client.options import shown

# Yellow through orange to red, which is visible on black, gray and white alike.
RAMP = np.array([(255, 232, 64), (255, 160, 16), (240, 72, 16), (208, 0, 40)], np.float32)
MAX_OPACITY = 0.85
BAND_PIXELS = 1 << 18


def draw_heatmap(
    image: U8,
    heatmap: F32,
    heatmap_vmax: float | None = None,
    *,
    heat_scale: float | None = None,
) -> U8:
    """Draws a heat map `[h, w]` over an image `[H, W, 1 or 3]`: uint8 `[H, W, 3]`.

    Values at or below 0 leave the image unchanged; `heatmap_vmax` and larger values have the full
    colour. Without a positive and finite `heatmap_vmax`, the largest value of the map has it. A map
    of another size is stretched to the image. `heat_scale` is the former name of `heatmap_vmax`.
    Raises InvalidInput.
    """
    _check(image, heatmap)
    vmax = _number(heat_scale if heatmap_vmax is None else heatmap_vmax)
    height, width = image.shape[:2]
    heat = _stretched(_relative(heatmap, vmax), (height, width))
    drawn = np.empty((height, width, 3), np.uint8)
    # In bands: the colours of all pixels at once would take fifty times the memory of the image.
    step = max(1, BAND_PIXELS // max(1, width))
    for top in range(0, height, step):
        rows = slice(top, top + step)
        drawn[rows] = _blend(image[rows], heat[rows])
    return drawn


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
    top = np.float64(vmax if np.isfinite(vmax) and vmax > 0 else finite.max(initial=0))
    if top <= 0:
        return np.zeros(finite.shape, np.float32)
    return (np.clip(finite, 0, top) / top).astype(np.float32)


def _stretched(heat: F32, size: tuple[int, int]) -> F32:
    if heat.shape == size:
        return heat
    picture = Image.fromarray(heat.astype(np.float32))
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR))
