"""Principal components of images: a baseline, and the starting point of pca_vae."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from codec.arrays import F32, F64
from training.data.image_files import Images
from training.errors import TrainingError

# Images that are converted to floats at a time.
ROWS = 4096
# More values than this, and fewer images, take minutes through the covariance.
MOST_VALUES = 4096


class Pca(NamedTuple):
    """The best linear code of D numbers; P = C H W values per image, pixels in [0, 1]."""

    mean: F64
    """[P]"""
    components: F64
    """[D, P], orthonormal, the largest variance first"""
    variances: F64
    """[D]"""
    residual: float
    """mean variance of the P - D directions that are left out"""


def mean_image(images: Images) -> F64:
    """Mean of uint8 images [N, C, H, W] of one size: [P], in [0, 1]."""
    total = np.zeros(images[0].size)
    for rows in _rows(images):
        total += rows.sum(0, dtype=np.float64)
    return total / len(images)


def fit_pca(images: Images, components: int) -> Pca:
    """PCA of uint8 images [N, C, H, W] from the eigenvectors of their covariance.

    TrainingError for more components than images or values.
    """
    values = images[0].size
    if not 1 <= components <= min(values, len(images)):
        raise TrainingError(
            f"{components} principal components of {len(images)} images of {values} values"
        )
    mean = mean_image(images)
    if values > MOST_VALUES and len(images) < values:
        return _fit_few(images, mean, components)
    covariance = np.zeros((values, values))
    for rows in _rows(images):
        centred = rows - mean.astype(np.float32)
        covariance += centred.T @ centred
    variances, vectors = np.linalg.eigh(covariance / len(images))
    left = variances[:-components] if components < values else np.zeros(1)
    return Pca(
        mean=mean,
        components=np.ascontiguousarray(vectors[:, : -components - 1 : -1].T),
        variances=variances[: -components - 1 : -1].clip(min=0),
        residual=float(max(left.mean(), 0.0)),
    )


def _fit_few(images: Images, mean: F64, components: int) -> Pca:
    """PCA of fewer images than values, from the eigenvectors of their inner products.

    X^T u is an eigenvector of X^T X for each eigenvector u of X X^T, with the same eigenvalue.
    """
    centred = np.concatenate([rows - mean.astype(np.float32) for rows in _rows(images)])
    eigenvalues, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64) / len(images))
    chosen = np.ascontiguousarray(vectors[:, : -components - 1 : -1])
    # Orthonormal also where an eigenvalue is 0 and the product has no direction.
    basis = np.linalg.qr(centred.T @ chosen)[0].T
    left = eigenvalues[:-components].clip(min=0)
    return Pca(
        mean=mean,
        components=basis,
        variances=eigenvalues[: -components - 1 : -1].clip(min=0),
        residual=float(left.sum() / (mean.size - components)),
    )


def reconstruction_error(pca: Pca, images: Images) -> float:
    """Mean over the images of the sum of squared errors, pixels in [0, 1], after D components."""
    total = 0.0
    for rows in _rows(images):
        centred = rows - pca.mean
        total += float((centred**2).sum() - ((centred @ pca.components.T) ** 2).sum())
    return total / len(images)


def linear_kl(variances: F64, noise: float) -> float:
    """KL in nats per image of the optimal linear VAE with pixel noise of variance `noise`.

    sum_d ln(lambda_d / sigma^2) / 2 over the directions with lambda_d > sigma^2: the posterior of
    probabilistic PCA (Tipping & Bishop 1999), which a linear VAE reaches ("Don't blame the ELBO!",
    Lucas et al. 2019).
    """
    active = variances[variances > noise]
    return float(0.5 * np.log(active / noise).sum())


def pixel_variance(images: Images) -> float:
    """Variance of all pixel values about their common mean, in squared units of [0, 1]."""
    count = total = squares = 0.0
    for image in images if isinstance(images, list) else _rows(images):
        scaled = image.astype(np.float64) / (255 if image.dtype == np.uint8 else 1)
        count += scaled.size
        total += float(scaled.sum())
        squares += float((scaled**2).sum())
    return squares / count - (total / count) ** 2


def _rows(images: Images) -> Iterator[F32]:
    """All images as float rows [n, P] in [0, 1]."""
    for first in range(0, len(images), ROWS):
        block = np.stack(list(images[first : first + ROWS]))
        yield block.reshape(len(block), -1).astype(np.float32) / np.float32(255)
