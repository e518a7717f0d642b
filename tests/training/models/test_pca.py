import math

import numpy as np
import pytest
from sklearn.decomposition import PCA

from training.errors import TrainingError
from training.models.pca import fit_pca, linear_kl, pixel_variance, reconstruction_error


def images(count: int = 300, channels: int = 1, side: int = 8, seed: int = 0) -> np.ndarray:
    """Uint8 images [N, C, H, W] with a few strong directions and noise."""
    rng = np.random.default_rng(seed)
    values = channels * side * side
    basis = rng.normal(size=(5, values)) * np.array([24.0, 15.0, 9.0, 6.0, 4.0])[:, None]
    pixels = 120 + rng.normal(size=(count, 5)) @ basis / 2 + 3 * rng.normal(size=(count, values))
    return pixels.clip(0, 255).astype(np.uint8).reshape(count, channels, side, side)


def rows(data: np.ndarray) -> np.ndarray:
    return data.reshape(len(data), -1).astype(np.float64) / 255


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("components", [1, 4])
def test_the_components_are_those_of_scikit_learn(channels, components):
    data = images(channels=channels)
    found = fit_pca(data, components)
    reference = PCA(components, svd_solver="full").fit(rows(data))
    np.testing.assert_allclose(found.mean, reference.mean_, atol=1e-7)
    variances = reference.explained_variance_ * (len(data) - 1) / len(data)
    np.testing.assert_allclose(found.variances, variances, rtol=1e-5)
    angles = (found.components * reference.components_).sum(1)
    np.testing.assert_allclose(np.abs(angles), 1, atol=1e-6)
    total = rows(data).var(0).sum()
    left = (total - variances.sum()) / (data[0].size - components)
    assert found.residual == pytest.approx(left, rel=1e-5)


def test_the_residual_of_many_images_is_the_noise_of_probabilistic_pca():
    """Tipping & Bishop 1999: the maximum-likelihood noise is the mean of the variances left out."""
    data = images(4000, side=6)
    reference = PCA(4, svd_solver="full").fit(rows(data))
    assert fit_pca(data, 4).residual == pytest.approx(reference.noise_variance_, rel=1e-3)


def test_more_images_than_are_held_at_a_time_make_no_difference(monkeypatch):
    data = images(250)
    whole = fit_pca(data, 3)
    monkeypatch.setattr("training.models.pca.ROWS", 64)
    for one, other in zip(fit_pca(data, 3), whole, strict=True):
        np.testing.assert_allclose(np.abs(one), np.abs(other), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("components", [1, 4, 20])
def test_the_error_of_a_reconstruction_is_that_of_scikit_learn(components):
    data, others = images(), images(100, seed=1)
    reference = PCA(components, svd_solver="full").fit(rows(data))
    for sample in (data, others):
        restored = reference.inverse_transform(reference.transform(rows(sample)))
        expected = ((rows(sample) - restored) ** 2).sum(1).mean()
        found = reconstruction_error(fit_pca(data, components), sample)
        assert found == pytest.approx(expected, rel=1e-4)


def test_the_error_on_the_images_of_the_fit_is_the_variance_left_out():
    data = images()
    found = fit_pca(data, 3)
    assert reconstruction_error(found, data) == pytest.approx(found.residual * 61, rel=1e-4)


def test_all_components_together_have_no_error():
    data = images(100, side=4)
    found = fit_pca(data, 16)
    assert found.residual == 0
    assert reconstruction_error(found, data) == pytest.approx(0, abs=1e-5)


def test_images_that_do_not_differ_have_no_variance():
    found = fit_pca(np.full((10, 1, 4, 4), 77, np.uint8), 3)
    assert (found.variances >= 0).all()
    assert found.variances == pytest.approx(0, abs=1e-9)
    assert found.mean == pytest.approx(77 / 255, abs=1e-6)


@pytest.mark.parametrize(("count", "components"), [(300, 65), (10, 11), (10, 0)])
def test_more_components_than_images_or_values_are_refused(count, components):
    with pytest.raises(TrainingError, match=f"^{components} principal components of {count} "):
        fit_pca(images(count), components)


def test_the_variance_of_all_pixels_is_that_of_numpy():
    data = images(40, channels=3)
    expected = (data / 255).var()
    assert pixel_variance(data) == pytest.approx(expected, rel=1e-6)
    assert pixel_variance(list(data)) == pytest.approx(expected, rel=1e-9)


def test_images_of_different_sizes_count_by_their_pixels():
    rng = np.random.default_rng(2)
    data = [rng.integers(0, 256, (1, h, w), np.uint8) // (1 + h % 3) for h, w in ((3, 9), (20, 4))]
    pixels = np.concatenate([image.ravel() for image in data]) / 255
    assert pixel_variance(data) == pytest.approx(pixels.var(), rel=1e-9)


def test_the_rate_of_a_linear_vae_counts_the_directions_above_the_noise():
    variances = np.array([4.0, 1.0, 0.5, 0.1])
    expected = 0.5 * (math.log(4 / 0.5) + math.log(1 / 0.5))
    assert linear_kl(variances, 0.5) == pytest.approx(expected)
    assert linear_kl(variances, 10.0) == 0


def test_the_rate_of_a_linear_vae_is_the_kl_at_the_posterior_of_probabilistic_pca():
    """KL of N(m, v) and N(0, 1) with v = s / lambda and E m^2 = 1 - v, typed anew."""
    variances, noise = np.array([3.0, 0.7, 0.2]), 0.05
    v = noise / variances
    expected = 0.5 * ((1 - v) + v - 1 - np.log(v)).sum()
    assert linear_kl(variances, noise) == pytest.approx(expected)


def test_few_images_of_many_values_have_the_same_components(monkeypatch):
    data = images(60, side=12)
    whole = fit_pca(data, 5)
    monkeypatch.setattr("training.models.pca.MOST_VALUES", 100)
    few = fit_pca(data, 5)
    np.testing.assert_allclose(few.variances, whole.variances, rtol=1e-4)
    np.testing.assert_allclose(np.abs((few.components * whole.components).sum(1)), 1, atol=1e-4)
    assert few.residual == pytest.approx(whole.residual, rel=1e-3)


def test_components_of_equal_images_are_orthonormal(monkeypatch):
    monkeypatch.setattr("training.models.pca.MOST_VALUES", 100)
    components = fit_pca(np.full((20, 1, 12, 12), 90, np.uint8), 5).components
    np.testing.assert_allclose(components @ components.T, np.eye(5), atol=1e-6)
