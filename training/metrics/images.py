"""Metrics of codecs and detectors: pure functions of arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from codec.arrays import F64, U8

# Window of the structural similarity: side and deviation in pixels (Wang et al. 2004).
WINDOW, WINDOW_SIGMA = 11, 1.5
_LUMINANCE, _CONTRAST = 0.01**2, 0.03**2


def ssim(image: U8, restored: U8) -> float:
    """Mean structural similarity of two `[H, W, C]`, at most 1; channels are averaged.

    Wang, Bovik, Sheikh & Simoncelli, "Image quality assessment", 2004, with its Gaussian window,
    over all positions where the window lies inside the image; smaller images are mirrored outwards.
    """
    x, y = (_at_least(a.astype(np.float64) / 255.0, WINDOW) for a in (image, restored))
    mx, my = _blur(x), _blur(y)
    vx, vy, covariance = _blur(x * x) - mx**2, _blur(y * y) - my**2, _blur(x * y) - mx * my
    luminance = (2 * mx * my + _LUMINANCE) / (mx**2 + my**2 + _LUMINANCE)
    structure = (2 * covariance + _CONTRAST) / (vx + vy + _CONTRAST)
    return float(np.mean(luminance * structure))


def _at_least(image: F64, side: int) -> F64:
    missing = [max(0, side - length) for length in image.shape[:2]]
    pad = [(m // 2, m - m // 2) for m in missing]
    return np.pad(image, [*pad, (0, 0)], mode="symmetric")


def _blur(image: F64) -> F64:
    """Gaussian mean of `[H, W, C]`, without the border where the window does not fit."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * WINDOW_SIGMA**2))
    weights /= weights.sum()
    rows = sliding_window_view(image, WINDOW, axis=0) @ weights
    return np.asarray(sliding_window_view(rows, WINDOW, axis=1) @ weights)


def auroc(scores: ArrayLike, defect: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a defect `[n]` scores above a normal image.

    Equal scores count half (the Mann-Whitney statistic). NaN where one of the two kinds is missing.
    """
    values, truth = np.asarray(scores, np.float64), np.asarray(defect, np.bool_)
    positive, negative = values[truth], np.sort(values[~truth])
    if not len(positive) or not len(negative):
        return float("nan")
    below = np.searchsorted(negative, positive, "left")
    not_above = np.searchsorted(negative, positive, "right")
    return float((below + not_above).mean() / 2 / len(negative))


def resize_mask(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask `[H, W]` at another size, nearest neighbours."""
    rows, columns = (
        (np.arange(new) * 2 + 1) * old // (2 * new)
        for new, old in zip(shape, mask.shape, strict=True)
    )
    return mask[np.ix_(rows, columns)]


def evenly(count: int, wanted: int) -> list[int]:
    """At most `wanted` of the positions 0..count - 1, evenly spread and ascending."""
    return [i * count // min(wanted, count) for i in range(min(wanted, count))]


def share(flags: Sequence[bool] | NDArray[np.bool_]) -> float:
    """Share of the flags that are set; NaN without any flag."""
    return float(np.mean(flags)) if len(flags) else float("nan")
