"""The distortion of a restored image."""

import math

import numpy as np

from codec.arrays import U8


def squared_error(image: U8, restored: U8) -> float:
    """Mean squared error of two images of one shape, pixels in [0, 1]."""
    # Squares of differences of 8-bit pixels are integers that float32 holds exactly.
    squares = (image.astype(np.float32) - restored) ** 2
    return float(np.mean(squares, dtype=np.float64)) / 255.0**2


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio, dB, of a mean squared error of pixels in [0, 1]; inf for 0."""
    return -10.0 * math.log10(mse) if mse > 0 else math.inf
