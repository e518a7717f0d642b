"""Heat maps over images: the same picture wherever it is drawn."""

import numpy as np
import pytest

import residuum_client
from codec.images.heatmap import RAMP, draw_heatmap


def noise(*shape: int) -> np.ndarray:
    """Random pixels."""
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


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
