"""What the logical kinds put where, on images that make it visible."""

import numpy as np
import pytest

from training.data.defects import draw, draw_bank

BANK = draw_bank(0, 64, 64)


def drawn(image: np.ndarray, other: np.ndarray, kind: str, seed: int) -> np.ndarray:
    result, _ = draw(image[None], other[None], BANK, np.random.default_rng(seed), (kind,), 1)
    return result[0]


def square(level: int = 200) -> np.ndarray:
    """A bright square of 12 pixels on black, [1, 64, 64]."""
    image = np.zeros((1, 64, 64), np.uint8)
    image[:, 26:38, 26:38] = level
    return image


BLACK = np.zeros((1, 64, 64), np.uint8)


@pytest.mark.parametrize("seed", range(8))
def test_a_part_that_lacks_leaves_less_of_it_and_one_that_is_doubled_more(seed):
    bright = int(square().sum())
    assert drawn(square(), BLACK, "lacking", seed).sum() < bright
    assert drawn(square(), BLACK, "doubled", seed).sum() != bright
    assert max(int(drawn(square(), BLACK, "doubled", s).sum()) for s in range(8)) > 1.5 * bright


def test_a_foreign_region_is_what_the_other_image_has_at_the_same_place():
    rng = np.random.default_rng(0)
    image, other = rng.integers(0, 256, (2, 1, 64, 64), np.uint8)
    result = drawn(image, other, "foreign", 1)
    changed = result != image
    exact = (result == other)[changed].mean()
    assert changed.mean() > 0.005
    # The border is a half of each.
    assert exact > 0.6


def test_moved_and_swapped_parts_keep_the_levels_of_an_image_of_two_levels():
    for kind in ("moved", "swapped", "doubled"):
        inner = drawn(square(), BLACK, kind, 3)
        assert np.isin(inner, (0, 200)).mean() > 0.9, kind


def test_a_level_moves_one_way_or_the_other():
    """The upper half of the image is black, the lower one bright."""
    image = np.zeros((1, 64, 64), np.uint8)
    image[:, 32:] = 180
    sums = [int(drawn(image, image, "level", seed).sum()) for seed in range(9)]
    assert min(sums) < image.sum() < max(sums)


def test_a_dimmed_region_changes_by_at_most_35_percent():
    image = np.full((1, 64, 64), 150, np.uint8)
    factors = [drawn(image, image, "dimmed", seed) / 150 for seed in range(20)]
    assert 0.64 < min(f.min() for f in factors) < 0.75
    assert 1.25 < max(f.max() for f in factors) < 1.36
