import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.corruption import LARGEST, add_noise, corrupt, mask_pixels, spot, spots


@pytest.fixture(scope="module")
def shapes():
    return spots(0, 64)


def grey(channels: int = 1) -> np.ndarray:
    return np.full((6, channels, 64, 64), 128, np.uint8)


def test_corruption_changes_a_copy_and_not_the_original(shapes):
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


def test_a_spot_in_a_flat_image_is_black_white_shifted_negated_or_invisible(shapes):
    """Pieces of the same image and its mean colour are what a flat image has already."""
    seen = []
    for seed in range(300):
        image = np.full((1, 3, 64, 64), 100, np.uint8)
        pixels = corrupt(image, 1.0, shapes, np.random.default_rng(seed))[0].reshape(3, -1).T
        colours = np.unique(pixels, axis=0)
        seen += [tuple(c) for c in colours.tolist() if c != [100, 100, 100]]
    extreme = [colour for colour in seen if set(colour) <= {0, 255}]
    negative = [colour for colour in seen if colour == (155, 155, 155)]
    shifted = [c for c in seen if c not in extreme + negative and max(map(abs, c)) < 255]
    assert len(extreme) > 4 * len(shifted) > 4 * len(negative) > 0
    assert all(abs(value - 100) <= 80 for colour in shifted for value in colour)


def test_a_missing_part_has_the_mean_colour_of_the_image(shapes):
    halves = np.zeros((1, 1, 64, 64), np.uint8)
    halves[..., 32:] = 200
    values = set()
    for seed in range(100):
        values |= set(np.unique(corrupt(halves, 1.0, shapes, np.random.default_rng(seed))))
    assert 100 in values


def test_masking_blackens_the_wanted_part_of_the_pixels_in_all_channels():
    images = np.full((4, 3, 64, 64), 7, np.uint8)
    masked = mask_pixels(images, 0.3, np.random.default_rng(0))
    assert masked.dtype == np.uint8
    assert set(np.unique(masked)) == {0, 7}
    assert (masked == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert (masked == masked[:, :1]).all()


def test_noise_has_the_wanted_deviation_and_is_clipped():
    rng = np.random.default_rng(0)
    noisy = add_noise(np.full((4, 1, 64, 64), 128, np.uint8), 0.1, rng)
    assert noisy.dtype == np.uint8
    assert noisy.astype(float).mean() == pytest.approx(128, abs=1)
    assert noisy.astype(float).std() == pytest.approx(25.5, rel=0.02)
    black = add_noise(np.zeros((4, 1, 64, 64), np.uint8), 0.1, rng)
    assert (black == 0).mean() == pytest.approx(0.5, abs=0.02)
    assert black.max() < 150


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
