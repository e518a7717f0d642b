"""Detectors fitted in closed form, against scikit-learn and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import generic_filter
from sklearn.decomposition import PCA

from codec.detectors import Cells, Components, Detectors, Neighbours
from codec.detectors.working import smoothed_picture, working_image
from codec.images.input_spec import InputSpec
from codec.smoothing import smooth
from exporter.fit.detectors import (
    fit_detectors,
    gaussians,
    principal_components,
    whitening,
    working_size,
)

ANY = InputSpec(channels=1, height=None, width=None, stride=8, fit="pad")
FIXED = InputSpec(channels=3, height=40, width=32, stride=1, fit="resize")


def scenes(count, size=(40, 32), channels=1, seed=0):
    """Registered images: a fixed pattern whose parts vary in brightness, and noise."""
    rng = np.random.default_rng(seed)
    pattern = np.random.default_rng(99).uniform(-1, 1, (6, *size, channels))
    strength = rng.normal(0, 12, (count, 6))
    images = 120 + np.einsum("nk,khwc->nhwc", strength, pattern)
    images += rng.normal(0, 3, images.shape)
    return list(images.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def training():
    return scenes(130)


@pytest.fixture(scope="module")
def fitted(training):
    return fit_detectors(training, ANY)


def test_components_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 12)) * 3 ** -np.arange(12.0) @ rng.normal(size=(12, 300))
    rows = (rows + rng.normal(0, 1e-3, rows.shape) + 5).astype(np.float32)
    mean, basis = principal_components(rows, 6)
    reference = PCA(6, svd_solver="full").fit(rows.astype(np.float64))
    np.testing.assert_allclose(mean, reference.mean_, rtol=1e-5)
    np.testing.assert_allclose(np.abs(basis @ reference.components_.T), np.eye(6), atol=1e-3)
    np.testing.assert_allclose(basis @ basis.T, np.eye(6), atol=1e-5)


def test_what_components_leave_is_what_scikit_learn_leaves(training, fitted):
    detector = fitted["smoothed_components20"]
    assert isinstance(detector, Components)
    pictures = [working_image(image, detector.size) for image in training]
    rows = np.stack([smoothed_picture(picture).ravel() for picture in pictures])
    reference = PCA(20, svd_solver="full").fit(rows.astype(np.float64))
    row = smoothed_picture(working_image(scenes(1, seed=7)[0], detector.size))
    left = row.ravel() - reference.inverse_transform(reference.transform(row.reshape(1, -1)))[0]
    assert detector.map(row).sum() == pytest.approx((left**2).sum(), rel=0.05)


def test_only_components_that_the_images_support_are_fitted(training):
    found = fit_detectors(training, ANY).keys()
    assert {"components60", "smoothed_components20", "smoothed_components60"} <= found
    assert not {"components150", "smoothed_components150"} & found
    few = fit_detectors(training[:31], ANY)
    assert {name for name in few if "components" in name} == {"smoothed_components20"}
    assert not any("components" in name for name in fit_detectors(training[:30], ANY))


def test_neighbours_remember_smoothed_pictures(training, fitted):
    detector = fitted["neighbours"]
    assert isinstance(detector, Neighbours)
    assert len(detector.images) == len(training)
    size = detector.size
    for image, row in zip(training[:5], detector.images, strict=False):
        smoothed = 255 * smooth(working_image(image, size), 3)
        np.testing.assert_allclose(row.reshape(1, *size), smoothed, atol=0.51)


def test_neighbours_take_at_most_four_mebibytes_of_a_bundle():
    images = scenes(400, (64, 64), channels=3)
    spec = InputSpec(channels=3, height=None, width=None, stride=8, fit="pad")
    detector = fit_detectors(images, spec)["neighbours"]
    assert isinstance(detector, Neighbours)
    assert detector.images.size <= 2**22
    assert len(detector.images) == 2**22 // (64 * 64 * 3)


def test_the_gaussian_at_a_position_is_that_of_its_neighbours():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(50, 3, 5, 4)).astype(np.float32)
    mean, covariance = gaussians(iter(values))
    for row, column, rows, columns in (
        (2, 1, slice(1, 4), slice(0, 3)),
        (0, 3, slice(0, 2), slice(2, 4)),
    ):
        near = values[:, :, rows, columns].transpose(1, 0, 2, 3).reshape(3, -1)
        np.testing.assert_allclose(mean[:, row, column], near.mean(1), atol=1e-6)
        np.testing.assert_allclose(covariance[:, :, row, column], np.cov(near, bias=True), 1e-5)


def test_means_over_neighbours_are_those_of_scipy():
    values = np.random.default_rng(2).normal(size=(1, 1, 6, 7)).astype(np.float32)
    padded = np.pad(values[0, 0], 1, constant_values=np.nan)
    reference = generic_filter(padded, np.nanmean, 3)[1:-1, 1:-1]
    np.testing.assert_allclose(gaussians(iter(values))[0][0], reference, atol=1e-6)


def test_whitened_differences_have_the_shrunk_covariance():
    rng = np.random.default_rng(3)
    roots = rng.normal(size=(2, 3, 4, 4))
    covariance = (roots @ roots.transpose(0, 1, 3, 2)).transpose(2, 3, 0, 1)
    mean = covariance.mean((2, 3))
    factors = whitening(covariance)
    ridge = 1e-4 * np.trace(mean) / 4 * np.eye(4)
    wanted = np.linalg.inv(0.9 * covariance[..., 1, 2] + 0.1 * mean + ridge)
    np.testing.assert_allclose(factors[..., 1, 2] @ factors[..., 1, 2].T, wanted, rtol=1e-6)


def test_cells_of_normal_images_are_at_a_distance_of_one(fitted):
    for side in (4, 8):
        detector = fitted[f"cells{side}"]
        assert isinstance(detector, Cells)
        maps = [detector.map(working_image(image, detector.size)) for image in scenes(40, seed=9)]
        assert np.mean(maps) == pytest.approx(1.0, abs=0.15)


def test_the_same_images_give_the_same_detectors(training, fitted):
    again = Detectors(fit_detectors(training, ANY)).pack()
    for name, array in Detectors(fitted).pack().items():
        np.testing.assert_array_equal(array, again[name])


def test_images_are_measured_as_the_model_takes_them():
    """Resized to the model's size first, so alone and in the scorer the picture is one."""
    images = [np.kron(image, np.ones((2, 3, 1), np.uint8)) for image in scenes(45, channels=3)]
    found = fit_detectors(images, FIXED)
    assert found["neighbours"].size == (40, 32)
    assert found["cells4"].size == (40, 32)
    assert {detector.channels for detector in found.values()} == {3}


def test_images_of_several_sizes_share_the_middle_one():
    images = [*scenes(3, (24, 30)), *scenes(4, (40, 32)), *scenes(2, (80, 90))]
    assert fit_detectors(images, ANY)["cells8"].size == (40, 32)


def test_whole_images_are_compared_only_if_they_hardly_vary_in_size():
    similar = [*scenes(30, (40, 32)), *scenes(10, (42, 31))]
    assert {"smoothed_components20", "neighbours"} <= fit_detectors(similar, ANY).keys()
    different = [*similar, *scenes(1, (60, 32))]
    assert set(fit_detectors(different, ANY)) == {"cells4", "cells8", "cells16"}
    resized = InputSpec(channels=1, height=40, width=32, stride=1, fit="resize")
    assert "neighbours" in fit_detectors(different, resized)


@pytest.mark.parametrize("level", [0, 255])
def test_images_without_any_variation_give_finite_maps(level):
    blank = np.full((16, 16, 1), level, np.uint8)
    found = fit_detectors([blank] * 45, ANY)
    assert set(found) == {"smoothed_components20", "neighbours", "cells4", "cells8"}
    other = np.full((16, 16, 1), 100, np.uint8)
    for values in Detectors(found).maps(other, list(found)).values():
        assert np.isfinite(values).all()
        assert values.max() > 0


def test_two_small_images_are_enough_for_some():
    found = fit_detectors(scenes(2, (9, 7)), ANY)
    assert set(found) == {"neighbours"}


@pytest.mark.parametrize(
    ("size", "largest", "reduced"),
    [((256, 256), 64, (64, 64)), ((200, 100), 128, (128, 64)), ((1, 4000), 32, (1, 32))],
)
def test_a_working_size_keeps_the_shape(size, largest, reduced):
    assert working_size(size, largest) == reduced
    assert working_size((20, 30), 64) == (20, 30)
