"""Small operations on pieces of images, numpy only: blur, bilinear samples, smooth noise."""

from __future__ import annotations

import numpy as np

from codec.arrays import F32, I64, Array
from codec.smoothing import smooth


def blur(values: F32, radius: int) -> F32:
    """Values [..., h, w] smoothed twice by a box of 2 `radius` + 1 pixels: nearly Gaussian."""
    return smooth(values, 2 * radius + 1)


def mirrored(places: Array, size: int) -> Array:
    """Coordinates folded back into [0, size - 1] at both ends, as in a mirror."""
    last = max(1, size - 1)
    folded: Array = last - np.abs(places % (2 * last) - last)
    return folded if size > 1 else folded * 0


def sample(source: Array, rows: Array, columns: Array) -> F32:
    """Bilinear samples of [C, H, W] at coordinates [h, w], mirrored at the borders: [C, h, w]."""
    height, width = source.shape[1:]
    rows, columns = mirrored(rows, height), mirrored(columns, width)
    top, left = rows.astype(np.int64), columns.astype(np.int64)
    down = (rows - top).astype(np.float32)
    right = (columns - left).astype(np.float32)
    bottom = np.minimum(top + 1, height - 1) * width
    following = np.minimum(left + 1, width - 1)
    top *= width
    flat = source.reshape(len(source), -1)

    def at(places: I64) -> F32:
        return flat.take(places, axis=1).astype(np.float32)

    upper, lower = at(top + left), at(bottom + left)
    upper += right * (at(top + following) - upper)
    lower += right * (at(bottom + following) - lower)
    upper += down * (lower - upper)
    return upper


def smooth_noise(rng: np.random.Generator, size: tuple[int, int], sigma: float) -> F32:
    """Noise of size (height, width) smoothed by a Gaussian of `sigma` pixels, deviation 1."""
    spectrum = np.fft.rfft2(rng.standard_normal(size))
    rows, columns = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])
    spectrum *= np.exp(-2 * (np.pi * sigma) ** 2 * (rows**2 + columns**2))
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, size)
    scaled: F32 = (noise / (noise.std() + 1e-12)).astype(np.float32)
    return scaled
