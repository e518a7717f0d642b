"""Images next to their reconstructions: the distortion, and heat maps of anomalies."""

import math

import numpy as np

from codec.arrays import F32, U8

# Those of `residuum_client`: yellow through orange to red, visible on black, gray and white alike.
RAMP = np.array([(255, 232, 64), (255, 160, 16), (240, 72, 16), (208, 0, 40)], np.float32)
MAX_OPACITY = 0.85


def squared_error(image: U8, restored: U8) -> float:
    """Mean squared error of two images of one shape, pixels in [0, 1]."""
    # Squares of differences of 8-bit pixels are integers that float32 holds exactly.
    squares = (image.astype(np.float32) - restored) ** 2
    return float(np.mean(squares, dtype=np.float64)) / 255.0**2


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio, dB, of a mean squared error of pixels in [0, 1]; inf for 0."""
    return -10.0 * math.log10(mse) if mse > 0 else math.inf


def draw_heatmap(image: U8, heatmap: F32, vmax: float) -> U8:
    """`[H, W, 3]`: the image `[H, W, 1 or 3]` under its heat map `[H, W]`.

    Where the map is 0 or less the image stays as it is; `vmax` and more have full colour. If `vmax`
    is not above 0, the maximum of the map takes its place.
    """
    top = vmax if vmax > 0 else float(heatmap.max())
    heat = np.clip(heatmap / top, 0.0, 1.0) if top > 0 else np.zeros_like(heatmap)
    stops = np.linspace(0.0, 1.0, len(RAMP))
    colour = np.stack([np.interp(heat, stops, channel) for channel in RAMP.T], axis=-1)
    opacity = MAX_OPACITY * heat[..., None]
    base = np.broadcast_to(image, colour.shape).astype(np.float32)
    blend = base * (1.0 - opacity) + colour.astype(np.float32) * opacity
    return np.asarray(np.rint(blend), np.uint8)
