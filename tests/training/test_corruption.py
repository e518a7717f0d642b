import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.corruption import LARGEST, corrupt, spot, spots


@pytest.fixture(scope="module")
def shapes():
    return spots(0, 64)


def grey(channels: int = 1) -> np.ndarray:
    return np.full((6, channels, 64, 64), 128, np.uint8)


def test_the_original_is_left_alone_and_the_copy_is_not(shapes):
    images = grey()
    changed = corrupt(images, 4.0, shapes, np.random.default_rng(0))
    assert (images == 128).all()
    assert (changed != 128).any()


def test_no_corruption_is_the_identity(shapes):
    images = grey()
    assert (corrupt(images, 0.0, shapes, np.random.default_rng(0)) == images).all()


def test_the_same_seed_corrupts_alike(shapes):
    first, second = (corrupt(grey(3), 4.0, shapes, np.random.default_rng(7)) for _ in range(2))
    assert (first == second).all()


def test_a_flat_image_gets_only_extreme_values_or_its_negative(shapes):
    changed = corrupt(grey(), 6.0, shapes, np.random.default_rng(1))
    assert set(np.unique(changed)) <= {0, 127, 128, 255}


def test_the_number_of_spots_grows_with_their_mean(shapes):
    few, many = (
        (corrupt(grey(), mean, shapes, np.random.default_rng(2)) != 128).mean() for mean in (1, 8)
    )
    assert 0 < few < many < 0.6


@given(seed=st.integers(0, 10_000), largest=st.integers(1, 40))
@settings(max_examples=60)
def test_a_spot_keeps_within_its_size(seed, largest):
    mask = spot(np.random.default_rng(seed), largest)
    assert mask.shape[0] == mask.shape[1] <= largest


def test_spots_are_at_most_half_as_large_as_a_small_image():
    assert max(len(mask) for mask in spots(0, 28)) == 14
    assert max(len(mask) for mask in spots(0, 256)) == LARGEST


def test_spots_fit_into_the_smallest_images():
    tiny = np.full((4, 1, 8, 8), 128, np.uint8)
    assert corrupt(tiny, 3.0, spots(0, 8), np.random.default_rng(0)).shape == tiny.shape
