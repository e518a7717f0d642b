"""Cheap baselines: PCA of whole images and nearest neighbours of images and of patches.

Every method gives an image score and, of some, a map; the higher the more anomalous. Images are
128x128 (64x64 for neighbours of whole images) or as small as they are, gray or RGB as the set is.
AUROC of pixels is that of maps and masks of all test images, 128x128 too.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, zoom
from sklearn.decomposition import PCA

from detection import sets
from detection.sets import Pictures, Truth
from training.metrics.images import auroc

SIDE, SMALL = 128, 64
COMPONENTS = (20, 60, 150)
# Standard deviations of the smoothing of maps, in pixels: of PCA, and of neighbours at 64x64.
SMOOTHING, NEIGHBOUR_SMOOTHING = 2.0, 1.0
# A tenth of the training images measure the residual of each pixel; this share of their mean is
# added, so that a pixel that is always alike does not decide alone.
HELD_OUT, FLOOR = 10, 0.2
PATCH, STEP, REMEMBERED, PATCH_SMOOTHING = 8, 4, 4000, 1.0

Figures = dict[str, float | None]
Method = tuple[str, np.ndarray, np.ndarray | None]


def measure(folder: Path, seed: int) -> dict[str, Figures]:
    """Image and pixel AUROC and seconds of every baseline on a set.

    Seconds include fitting and scoring, not reading; methods that share a fit share its seconds.
    """
    side = min(SIDE, sets.longest_side(folder))
    truth = sets.truth(folder, side)
    large = sets.pictures(folder, side, colour=True)
    small = sets.pictures(folder, min(SMALL, side), colour=False)
    found: dict[str, Figures] = {}
    start = time.perf_counter()
    for methods in (
        *(principal(large, count, seed) for count in COMPONENTS),
        neighbours(small, side),
        patches(large, seed),
    ):
        for name, scores, maps in methods:
            seconds = time.perf_counter() - start
            found[name] = {**figures(scores, maps, truth), "seconds": seconds}
        start = time.perf_counter()
    return found


def figures(scores: np.ndarray, maps: np.ndarray | None, truth: Truth) -> Figures:
    """AUROC of image scores [N], and of maps [N, S, S] where there are maps and masks."""
    pixel = None
    if maps is not None and truth.masks is not None:
        pixel = float(auroc(maps.ravel(), truth.masks.ravel()))
    return {"image": float(auroc(scores, truth.defect)), "pixel": pixel}


def shortcuts(folder: Path) -> dict[str, float]:
    """AUROC, either way, of what should not betray a defect: brightness, contrast, size of file."""
    defect = sets.truth(folder, 8).defect
    images = sets.pictures(folder, SIDE, colour=False).test
    values = {
        "mean gray": images.mean((1, 2, 3)),
        "deviation of gray": images.std((1, 2, 3)),
        "bytes of the file": np.array([path.stat().st_size for path in sets.test_files(folder)]),
    }
    areas = {name: float(auroc(value, defect)) for name, value in values.items()}
    return {name: max(area, 1 - area) for name, area in areas.items()}


def principal(images: Pictures, count: int, seed: int) -> Iterator[Method]:
    """The squared residual of whole-image PCA: its mean, its smoothed maximum, and the maximum
    after division by the mean residual of each pixel over held-out training images.
    """
    order = np.random.default_rng(seed).permutation(len(images.train))
    flat = images.train.reshape(len(order), -1)
    held_out, fitted = np.split(flat[order], [len(order) // HELD_OUT])
    if count >= len(fitted):
        return
    model = PCA(count, svd_solver="randomized", random_state=seed).fit(fitted)
    usual = _residuals(model, held_out, images.train.shape).mean(0)
    maps = _residuals(model, images.test.reshape(len(images.test), -1), images.test.shape)
    plain = smooth(maps, SMOOTHING)
    normalised = smooth(maps / (usual + FLOOR * usual.mean()), SMOOTHING)
    yield f"PCA {count}, mean", maps.mean((1, 2)), None
    yield f"PCA {count}, maximum", plain.max((1, 2)), plain
    yield f"PCA {count}, normalised maximum", normalised.max((1, 2)), normalised


def _residuals(model: PCA, flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    restored = model.inverse_transform(model.transform(flat))
    residual: np.ndarray = np.square(flat - restored).reshape(-1, *shape[1:]).sum(3)
    return residual


def neighbours(images: Pictures, side: int) -> Iterator[Method]:
    """Squared distance to the nearest training image, of pixels as they are and less their mean."""
    train, test = (part.reshape(len(part), -1) for part in (images.train, images.test))
    yield _nearest_image("1-NN of images", train, test, side)
    train, test = (part - part.mean(1, keepdims=True) for part in (train, test))
    yield _nearest_image("1-NN of images, zero mean", train, test, side)


def _nearest_image(name: str, train: np.ndarray, test: np.ndarray, side: int) -> Method:
    nearest, distance = closest(test, train)
    small = min(SMALL, side)
    maps = np.abs(test - train[nearest]).reshape(len(test), small, small)
    factor = side // small
    smoothed = smooth(maps, NEIGHBOUR_SMOOTHING)
    return name, distance, smoothed.repeat(factor, 1).repeat(factor, 2)


def patches(images: Pictures, seed: int) -> Iterator[Method]:
    """Squared distance of each 8x8 patch to the nearest of 4,000 of training, from any place."""
    rng = np.random.default_rng(seed)
    candidates = rng.permutation(len(images.train))[:400]
    known = _cut(images.train[candidates])
    memory = known.reshape(-1, known.shape[-1])
    memory = memory[rng.permutation(len(memory))[:REMEMBERED]]
    maps = []
    for image in images.test:
        cut = _cut(image[None])
        maps.append(closest(cut.reshape(-1, cut.shape[-1]), memory)[1].reshape(cut.shape[1:3]))
    smoothed = smooth(np.stack(maps), PATCH_SMOOTHING)
    margin = (PATCH - STEP) // 2
    inner = images.test.shape[1] - 2 * margin
    large = np.stack(
        [zoom(m, inner / len(m), order=1, grid_mode=True, mode="nearest") for m in smoothed]
    )
    padded = np.pad(large, ((0, 0), (margin, margin), (margin, margin)), "edge")
    yield "1-NN of patches", smoothed.max((1, 2)), padded


def _cut(images: np.ndarray) -> np.ndarray:
    """Patches [N, h, w, values] of images [N, S, S, C]."""
    window = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), axis=(1, 2))
    strided = window[:, ::STEP, ::STEP]
    return strided.reshape(*strided.shape[:3], -1)


def closest(queries: np.ndarray, memory: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each row of [n, d] the nearest row of [m, d], and the squared distance to it."""
    between = np.square(memory).sum(1) - 2 * queries @ memory.T
    nearest = between.argmin(1)
    return nearest, np.square(queries - memory[nearest]).sum(1)


def smooth(maps: np.ndarray, deviation: float) -> np.ndarray:
    """Maps [N, h, w], each smoothed by a Gaussian."""
    return np.stack([gaussian_filter(one, deviation) for one in maps])
