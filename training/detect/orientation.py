"""Whether mirrored and turned images could be training images: a comparison of neighbours.

If orientation is free, a mirrored image is as near to the other images as the image itself. The
distance is that of coarse pictures and of histograms of gradients, which see edges that a picture
is too coarse for. Values near 0.5 mean free, 1 that every changed image is recognised as one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from codec.arrays import F64
from codec.detectors.statistics import BINS, block_sums

# Sides of the coarse pictures.
SIDES = (4, 8)
# A feature that hardly varies counts as if it varied by this part of the average deviation.
LEAST_DEVIATION = 0.02


def separability(images: F64, change: Callable[[F64], F64]) -> float:
    """How often a changed image is farther from its nearest neighbour than an image is: 0 to 1.

    `images` [N, S, S] are square, S a multiple of 8; `change` maps them to the same shape. It is
    the area under the ROC curve of the two sets of distances, for the most sensitive of four
    features. No image is compared with itself or its own changed copy.
    """
    changed = np.ascontiguousarray(change(images))
    return max(
        _farther(feature, other)
        for feature, other in zip(_features(images), _features(changed), strict=True)
    )


def _features(images: F64) -> list[F64]:
    """Four descriptions of each image, [N, values]."""
    centred = images - images.mean((1, 2), keepdims=True)
    scaled = centred / np.maximum(centred.std((1, 2), keepdims=True), 1e-3)
    pictures = [reduce(scaled, side).reshape(len(images), -1) for side in SIDES]
    return [*pictures, _histogram(images), _histogram(reduce(images, images.shape[1] // 2))]


def reduce(images: F64, side: int) -> F64:
    """Box means: [N, S, S] to [N, side, side], S a multiple of `side`."""
    count, size, _ = images.shape
    cell = size // side
    means: F64 = images.reshape(count, side, cell, side, cell).mean((2, 4))
    return means


def _histogram(images: F64) -> F64:
    """Shares of the gradient's magnitude by its direction, [N, 8]."""
    sums = [block_sums(image[None].astype(np.float32))[:BINS].sum((1, 2)) for image in images]
    shares = np.stack(sums)
    whole: F64 = shares / np.maximum(shares.sum(1, keepdims=True), 1e-9)
    return whole


def _farther(feature: F64, changed: F64) -> float:
    deviation = np.maximum(feature.std(0), LEAST_DEVIATION * feature.std()) + 1e-12
    usual = _nearest(feature / deviation, feature / deviation)
    distances = _nearest(changed / deviation, feature / deviation)
    more = (distances[:, None] > usual[None]).mean() + (
        distances[:, None] == usual[None]
    ).mean() / 2
    return float(more)


def _nearest(rows: F64, others: F64) -> F64:
    """Squared distance of each row to the nearest of the others, its own left out."""
    squares = (rows**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2 * rows @ others.T
    np.fill_diagonal(squares, np.inf)
    nearest: F64 = squares.min(1).clip(min=0)
    return nearest
