import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates, uniform_filter1d

from training.data.defects.arrays import blur, mirrored, sample, smooth_noise

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("radius", [1, 3, 9])
def test_blur_is_two_box_filters_of_scipy_on_each_axis(radius):
    values = RNG.uniform(0, 255, (2, 14, 21)).astype(np.float32)
    expected = values.astype(float)
    for axis in (1, 2, 1, 2):
        expected = uniform_filter1d(expected, 2 * radius + 1, axis, mode="nearest")
    np.testing.assert_allclose(blur(values, radius), expected, atol=1e-3)


def test_blur_keeps_a_flat_area_and_the_range():
    flat = np.full((1, 5, 7), 31, np.float32)
    np.testing.assert_allclose(blur(flat, 20), flat, rtol=1e-6)
    values = RNG.uniform(3, 9, (1, 30, 4)).astype(np.float32)
    smooth = blur(values, 2)
    assert values.min() <= smooth.min()
    assert smooth.max() <= values.max()
    assert smooth.std() < values.std() / 2


def test_samples_are_those_of_scipy():
    image = RNG.integers(0, 256, (3, 9, 13), np.uint8)
    rows, columns = RNG.uniform(-30, 40, (2, 6, 8))
    expected = [
        map_coordinates(plane.astype(float), [rows, columns], order=1, mode="mirror")
        for plane in image
    ]
    np.testing.assert_allclose(sample(image, rows, columns), expected, atol=1e-2)


@given(st.integers(1, 9), st.integers(-50, 50))
def test_mirrored_places_are_inside_and_places_inside_stay(size, place):
    folded = mirrored(np.array([place]), size)[0]
    assert 0 <= folded < size
    if 0 <= place < size:
        assert folded == place


@pytest.mark.parametrize("sigma", [0.5, 2.0, 5.0])
def test_smooth_noise_has_deviation_one_and_the_gaussian_correlation_of_its_sigma(sigma):
    """Noise smoothed by a Gaussian has the correlation exp(-d² / (4 sigma²)) at distance d."""
    noise = smooth_noise(np.random.default_rng(1), (256, 300), sigma)
    assert noise.shape == (256, 300)
    assert noise.std() == pytest.approx(1, abs=1e-3)
    found = (noise[2:] * noise[:-2]).mean()
    assert found == pytest.approx(np.exp(-4 / (4 * sigma**2)), abs=0.05)
