"""Working pictures of images of any size, and maps brought back to the image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from codec.detectors.working import stretched, working_image


def noise(height: int, width: int, channels: int = 1) -> np.ndarray:
    """A random image `[H, W, C]`."""
    return np.random.default_rng(1).integers(0, 256, (height, width, channels), np.uint8)


@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    channels=st.sampled_from([1, 3]),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_an_image_of_any_size_has_a_working_picture(height, width, channels, size):
    found = working_image(noise(height, width, channels), size)
    assert found.shape == (channels, *size)
    assert found.dtype == np.float32
    assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_a_larger_image_is_averaged_over_boxes(channels: int) -> None:
    image = noise(48, 40, channels)
    boxes = image.reshape(12, 4, 8, 5, channels).mean((1, 3)).transpose(2, 0, 1)
    found = working_image(image, (12, 8)) * 255
    # Rounded after the rows and after the columns.
    assert np.abs(found - boxes).max() <= 1 + 1e-3
    assert (found == np.rint(found)).all()


def test_a_smaller_image_is_interpolated() -> None:
    image = np.array([[[0], [200]]], np.uint8)
    found = working_image(image, (1, 4))[0, 0] * 255
    np.testing.assert_allclose(found, [0, 50, 150, 200], atol=0.51)


def test_an_image_of_the_working_size_is_kept() -> None:
    image = noise(16, 20, 3)
    np.testing.assert_array_equal(
        working_image(image, (16, 20)) * 255, image.transpose(2, 0, 1).astype(np.float32)
    )


def test_an_image_that_is_no_block_of_memory_is_read_the_same() -> None:
    image = noise(30, 40, 3)
    view = np.ascontiguousarray(image[::-1, ::-1])[::-1, ::-1]
    np.testing.assert_array_equal(working_image(view, (8, 8)), working_image(image, (8, 8)))


@pytest.mark.parametrize("offset", [0.5, 1.0])
@pytest.mark.parametrize("size", [(63, 40), (200, 320)])
def test_a_map_is_interpolated_between_its_places(offset: float, size: tuple[int, int]) -> None:
    values = np.random.default_rng(2).random((7, 9), dtype=np.float32)
    steps = [n - 1 + 2 * offset for n in values.shape]
    places = [
        (np.arange(side) + 0.5) / side * step - offset
        for side, step in zip(size, steps, strict=True)
    ]
    grid = np.meshgrid(*places, indexing="ij")
    expected = map_coordinates(values.astype(np.float64), grid, order=1, mode="nearest")
    found = stretched(values, offset, size, slice(0, size[0]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    shape=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    offset=st.sampled_from([0.5, 1.0]),
    cut=st.floats(0, 1),
)
def test_a_map_in_parts_is_the_whole_map(size, shape, offset, cut):
    values = np.random.default_rng(3).random(shape, dtype=np.float32)
    whole = stretched(values, offset, size, slice(0, size[0]))
    middle = min(max(1, round(cut * size[0])), size[0])
    rows = [part for part in (slice(0, middle), slice(middle, size[0])) if part.start < part.stop]
    parts = [stretched(values, offset, size, part) for part in rows]
    assert whole.shape == size
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-4)
