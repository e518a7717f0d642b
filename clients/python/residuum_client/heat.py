"""A heat map over its image, for people to look at."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

U8 = NDArray[np.uint8]
# Yellow through orange to red, which stands out on black, gray and white alike.
RAMP = np.array([(255, 232, 64), (255, 160, 16), (240, 72, 16), (208, 0, 40)], np.float32)
MAX_OPACITY = 0.85


def draw_heatmap(image: U8, heatmap: NDArray[np.float32], heat_scale: float) -> U8:
    """Lays `heatmap [h, w]` over `image [H, W, 1 or 3]`: uint8 [H, W, 3].

    Values at or below 0 leave the image as it is, `heat_scale` and more have full colour. A map of
    another size is stretched to the image.
    """
    height, width = image.shape[:2]
    heat = _stretched(_relative(heatmap, heat_scale), (height, width))[..., np.newaxis]
    base = np.broadcast_to(image, (height, width, 3)).astype(np.float32)
    opacity = MAX_OPACITY * heat
    blend: U8 = np.rint(base * (1 - opacity) + ramp(heat[..., 0]) * opacity).astype(np.uint8)
    return blend


def ramp(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours [..., 3] in 0..255 of heat [...] in [0, 1]."""
    stops = np.linspace(0, 1, len(RAMP))
    channels = [np.interp(heat, stops, RAMP[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _relative(heatmap: NDArray[np.float32], heat_scale: float) -> NDArray[np.float32]:
    """The map as a share of full colour; without a usable scale, of its own maximum."""
    known = np.nan_to_num(heatmap, nan=0.0)
    top = heat_scale if np.isfinite(heat_scale) and heat_scale > 0 else float(known.max(initial=0))
    return np.clip(known / top, 0, 1) if top > 0 else np.zeros_like(known)


def _stretched(heat: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    if heat.shape == size:
        return heat
    picture = Image.fromarray(heat.astype(np.float32))
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR))
