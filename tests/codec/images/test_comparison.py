"""Restored images: their distortion, and heat maps, which look the same wherever they are drawn."""

import math

import numpy as np
import pytest

import residuum_client
from codec.images.comparison import RAMP, draw_heatmap, psnr, squared_error


def noise(*shape: int) -> np.ndarray:
    """Random pixels."""
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def test_psnr_is_that_of_the_definition() -> None:
    image = np.full((4, 4, 3), 100, np.uint8)
    assert psnr(squared_error(image, image)) == math.inf
    assert psnr(squared_error(image, image + 1)) == pytest.approx(20 * np.log10(255))
    there, back = squared_error(image, 255 - image), squared_error(255 - image, image)
    assert there == back == pytest.approx((55 / 255) ** 2)


def test_the_error_is_exact_for_large_images() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (900, 1100, 1), dtype=np.uint8) for _ in range(2))
    total = int(((a.astype(np.int64) - b) ** 2).sum())
    assert squared_error(a, b) == total / a.size / 255.0**2


def test_squared_error_is_in_units_of_full_scale() -> None:
    black, white = np.zeros((2, 3, 1), np.uint8), np.full((2, 3, 1), 255, np.uint8)
    assert squared_error(black, white) == 1.0
    assert squared_error(white, black) == 1.0


def test_a_cold_heat_map_leaves_the_image_as_it_is() -> None:
    image = noise(5, 6, 1)
    drawn = draw_heatmap(image, np.zeros((5, 6), np.float32), 1.0)
    assert (drawn == np.repeat(image, 3, axis=2)).all()


def test_a_hot_pixel_has_the_last_colour_of_the_ramp() -> None:
    drawn = draw_heatmap(np.zeros((5, 6, 1), np.uint8), np.full((5, 6), 9.0, np.float32), 1.0)
    assert (drawn == np.rint(0.85 * RAMP[-1])).all()


@pytest.mark.parametrize("vmax", [0.5, 2.0, 0.0, -1.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_client_draws_the_same_picture(channels: int, vmax: float) -> None:
    """The client cannot import the codec, so it has its own copy of the colours."""
    image = noise(17, 23, channels)
    heatmap = np.random.default_rng(2).normal(0.5, 1, (17, 23)).astype(np.float32)
    expected = residuum_client.draw_heatmap(image, heatmap, vmax)
    np.testing.assert_array_equal(draw_heatmap(image, heatmap, vmax), expected)
    cold = np.minimum(heatmap, 0)
    expected = residuum_client.draw_heatmap(image, cold, vmax)
    np.testing.assert_array_equal(draw_heatmap(image, cold, vmax), expected)
