"""Detectors in closed form, fitted to training images in seconds; numpy only.

codec.detectors has what they measure. Every sum is in float64, over images one after the other, so
the memory does not grow with their number except for the small pictures of whole images.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from codec.arrays import F32, F64, U8
from codec.detectors import Cells, Components, Detector, Neighbours, working_image
from codec.detectors.cells import MAX_CELLS_SIDE
from codec.detectors.statistics import SIDES, block_sums, statistics_of
from codec.detectors.whole import MAX_IMAGES, MAX_WHOLE_SIDE
from codec.detectors.working import smoothed_picture
from codec.images.files import prepare
from codec.images.input_spec import InputSpec
from training.metrics.images import evenly

# Numbers of components, of pictures as they are and of smoothed ones.
COMPONENTS, SMOOTHED_COMPONENTS = (60, 150), (20, 60, 150)
# Part of a side by which images of one size may differ.
TOLERANCE = 0.1
# Values of the pictures of all images that are remembered: 4 MiB of the bundle.
MAX_REMEMBERED = 2**22
# The covariance at a position is shrunk towards the mean over positions by this share, and has
# this part of the mean variance added, so that it can be inverted. The least that is added keeps
# the whitening of images without any variation below 1e4.
SHRINKAGE, RIDGE, LEAST_RIDGE = 0.1, 1e-4, 1e-8
# Randomised SVD: additional directions, and multiplications by the data with its transpose.
OVERSAMPLING, ITERATIONS = 10, 4
_SEED = 0


def fit_detectors(images: Sequence[U8], spec: InputSpec) -> dict[str, Detector]:
    """All detectors that training images `[H, W, C]` are enough for, by name.

    Those of whole images are left out if the images vary in size. Of more than 2,000 images, 2,000
    evenly spread ones are used. Raises InvalidInput for an image that the model does not take.
    """
    drawn = [images[i] for i in evenly(len(images), MAX_IMAGES)]
    size = _middle_size(drawn, spec)
    found: dict[str, Detector] = {}
    if not (spec.sized and vary_in_size(drawn)):
        found |= _fit_whole(drawn, spec, working_size(size, MAX_WHOLE_SIDE))
    cells_size = working_size(size, MAX_CELLS_SIDE)
    for side in SIDES:
        if 2 * side <= min(cells_size):
            found[f"cells{side}"] = _fit_cells(drawn, spec, cells_size, side)
    return found


def vary_in_size(images: Sequence[U8]) -> bool:
    """Whether a side of an image differs from the median by more than a tenth.

    Scaled to one size, such images do not show the same things at the same places.
    """
    sizes = np.array([image.shape[:2] for image in images])
    middle = np.median(sizes, axis=0)
    return bool((np.abs(sizes - middle) > TOLERANCE * middle).any())


def working_size(size: tuple[int, int], largest: int) -> tuple[int, int]:
    """(height, width) reduced so that the longer side is at most `largest`; never enlarged."""
    factor = min(1.0, largest / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _middle_size(images: Sequence[U8], spec: InputSpec) -> tuple[int, int]:
    """The median height and width of the images as they are scored."""
    if not spec.sized and spec.height is not None and spec.width is not None:
        return spec.height, spec.width
    height, width = np.median([image.shape[:2] for image in images], axis=0)
    return round(float(height)), round(float(width))


def _pictures(images: Sequence[U8], spec: InputSpec, size: tuple[int, int]) -> Iterator[F32]:
    """Working pictures `[C, h, w]`, of the images as they are scored."""
    for image in images:
        yield working_image(prepare(image, spec).target, size)


def _fit_whole(images: Sequence[U8], spec: InputSpec, size: tuple[int, int]) -> dict[str, Detector]:
    pictures = np.stack(list(_pictures(images, spec, size)))
    found = _fit_components(pictures, "components", COMPONENTS)
    pictures = smoothed_picture(pictures)
    found |= _fit_components(pictures, "smoothed_components", SMOOTHED_COMPONENTS)
    return found | {"neighbours": _fit_neighbours(pictures)}


def _fit_components(pictures: F32, kind: str, counts: Sequence[int]) -> dict[str, Detector]:
    """Components of pictures `[m, C, h, w]`: those numbers of them that m images support."""
    counts = [k for k in counts if 3 * k < 2 * len(pictures)]
    if not counts:
        return {}
    size, rows = (pictures.shape[2], pictures.shape[3]), pictures.reshape(len(pictures), -1)
    mean, basis = principal_components(rows, min(max(counts), rows.shape[1]))
    return {f"{kind}{k}": Components(size, mean, basis[:k]) for k in counts if k <= len(basis)}


def principal_components(rows: F32, count: int) -> tuple[F32, F32]:
    """Mean `[n]` and the first `count` components `[count, n]`, orthonormal, of rows `[m, n]`.

    The largest singular values come first; signs are arbitrary, the random start is fixed. Halko,
    Martinsson and Tropp, "Finding structure with randomness", 2011, algorithms 4.4 and 5.1.
    """
    mean = rows.mean(0, dtype=np.float64).astype(np.float32)
    centred = rows - mean
    width = min(count + OVERSAMPLING, *rows.shape)
    start = np.random.default_rng(_SEED).standard_normal((rows.shape[1], width), np.float32)
    space = np.linalg.qr(centred @ start)[0]
    for _ in range(ITERATIONS):
        space = np.linalg.qr(centred.T @ space)[0]
        space = np.linalg.qr(centred @ space)[0]
    basis = np.linalg.svd(space.T @ centred, full_matrices=False)[2][:count]
    return mean, np.ascontiguousarray(basis, np.float32)


def _fit_neighbours(pictures: F32) -> Neighbours:
    """Remembers as many of the smoothed pictures `[m, C, h, w]` as the bundle has room for."""
    kept = evenly(len(pictures), max(1, MAX_REMEMBERED // pictures[0].size))
    rows = pictures[kept].reshape(len(kept), -1)
    images = np.rint(rows * np.float32(255)).astype(np.uint8)
    return Neighbours((pictures.shape[2], pictures.shape[3]), images)


def _statistics(
    images: Sequence[U8], spec: InputSpec, size: tuple[int, int], side: int
) -> Iterator[F32]:
    """Statistics `[D, h', w']` of the cells of each image."""
    for picture in _pictures(images, spec, size):
        yield statistics_of(block_sums(picture), side)


def _fit_cells(images: Sequence[U8], spec: InputSpec, size: tuple[int, int], side: int) -> Cells:
    mean, covariance = gaussians(_statistics(images, spec, size, side))
    return Cells(size, side, mean.astype(np.float32), whitening(covariance).astype(np.float32))


def gaussians(statistics: Iterator[F32]) -> tuple[F64, F64]:
    """Mean `[D, h, w]` and covariance `[D, D, h, w]` of statistics `[D, h, w]` of many images.

    At a position they are those of its 3x3 neighbours inside the map, over all images.
    """
    first, second, count = np.zeros(()), np.zeros(()), 0
    for values in statistics:
        wide = values.astype(np.float64)
        first = first + wide
        second = second + wide[:, None] * wide[None]
        count += 1
    mean = _neighbours(first / count)
    return mean, _neighbours(second / count) - mean[:, None] * mean[None]


def _neighbours(values: F64) -> F64:
    """The mean over the 3x3 neighbours of each position of `[..., h, w]` that are inside."""
    for axis in (-2, -1):
        size = values.shape[axis]
        low = np.maximum(np.arange(size) - 1, 0)
        high = np.minimum(np.arange(size) + 2, size)
        sums = np.concatenate([np.zeros_like(values.take([0], axis)), values.cumsum(axis)], axis)
        counts = (high - low).reshape(-1, *([1] if axis == -2 else []))
        values = (sums.take(high, axis) - sums.take(low, axis)) / counts
    return values


def whitening(covariance: F64) -> F64:
    """Lower Cholesky factors `[D, D, h, w]` of the inverses of shrunk covariances `[D, D, h, w]`.

    Each covariance is shrunk by a tenth towards the mean over all positions, and 1e-4 of the mean
    variance is added to its diagonal.
    """
    mean = covariance.mean((2, 3))
    ridge = max(RIDGE * float(np.diagonal(mean).mean()), LEAST_RIDGE)
    shrunk = (1 - SHRINKAGE) * covariance.transpose(2, 3, 0, 1) + SHRINKAGE * mean
    shrunk = shrunk + ridge * np.eye(len(mean))
    factors = np.linalg.cholesky(np.linalg.inv(shrunk))
    return np.ascontiguousarray(factors.transpose(2, 3, 0, 1))
