"""Maps of each detector against scikit-learn and scipy."""

import numpy as np
import pytest
from detector_bundles import random_cells
from scipy.spatial.distance import mahalanobis
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestNeighbors

from codec.detectors import Cells, Components, Neighbours, cell_statistics


def pictures(count: int, channels: int, side: int = 16) -> np.ndarray:
    """Random images `[N, C, h, w]` of 8-bit pixels, in [0, 1]."""
    rng = np.random.default_rng(6)
    pixels = rng.integers(0, 256, (count, channels, side, side)).astype(np.float32)
    return pixels / np.float32(255)


@pytest.mark.parametrize("channels", [1, 3])
def test_components_leave_what_pca_does_not_explain(channels: int) -> None:
    training = pictures(40, channels)
    pca = PCA(20, svd_solver="full").fit(training.reshape(40, -1).astype(np.float64))
    detector = Components(
        (16, 16), pca.mean_.astype(np.float32), pca.components_.astype(np.float32)
    )
    for image in pictures(45, channels)[40:]:
        flat = image.reshape(1, -1)
        residual = flat - pca.inverse_transform(pca.transform(flat))
        expected = (residual.reshape(image.shape) ** 2).sum(0)
        # The basis is held in float16.
        np.testing.assert_allclose(detector.map(image), expected, rtol=0.02, atol=2e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_neighbours_leave_what_a_ridge_regression_on_the_nearest_does_not_explain(
    channels: int,
) -> None:
    training = pictures(50, channels)
    rows = training.reshape(50, -1)
    detector = Neighbours((16, 16), np.rint(rows * 255).astype(np.uint8))
    search = NearestNeighbors(n_neighbors=20).fit(rows)
    for image in pictures(60, channels)[50:]:
        flat = image.reshape(1, -1).astype(np.float64)
        near = rows[search.kneighbors(flat, return_distance=False)[0]].astype(np.float64)
        directions = near - near.mean(0)
        ridge = 0.03 * np.square(directions).sum(1).mean()
        regression = Ridge(ridge, fit_intercept=False)
        regression.fit(directions.T, flat[0] - near.mean(0))
        explained = near.mean(0) + regression.coef_ @ directions
        expected = np.square(flat - explained).reshape(image.shape).sum(0)
        np.testing.assert_allclose(detector.map(image), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_fewer_neighbours_than_twenty_are_all_used(count: int) -> None:
    training = pictures(count, 1)
    rows = np.rint(training.reshape(count, -1) * 255).astype(np.uint8)
    found = Neighbours((16, 16), rows).map(training.mean(0))
    np.testing.assert_allclose(found, 0, atol=1e-6)


@pytest.mark.parametrize(("channels", "side"), [(1, 4), (3, 8), (1, 16)])
def test_cells_have_the_mahalanobis_distance_of_their_position(channels: int, side: int) -> None:
    rng = np.random.default_rng(8)
    blank = random_cells(rng, side, channels, (16, 16))
    length = len(blank.mean)
    root = rng.normal(size=(length, length))
    covariance = root @ root.T + np.eye(length)
    inverse = np.linalg.inv(covariance)
    whitening = np.linalg.cholesky(inverse)[:, :, None, None] * np.ones((1, 1, *blank.shape))
    detector = Cells((16, 16), side, blank.mean, whitening.astype(np.float32))
    image = pictures(1, channels)[0]
    found, statistics = detector.map(image), cell_statistics(image, side)
    for row, column in np.ndindex(*detector.shape):
        place = (slice(None), row, column)
        expected = mahalanobis(statistics[place], blank.mean[place], inverse) ** 2 / length
        assert found[row, column] == pytest.approx(expected, rel=0.01)
