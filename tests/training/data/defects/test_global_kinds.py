"""What the global kinds make of a whole image."""

import numpy as np
import pytest

from training.data.defects import RANKING_GROUPS, draw, draw_bank

BANK = draw_bank(0, 64, 48)


def drawn(image, other, kind, seed):
    result, mask = draw(image[None], other[None], BANK, np.random.default_rng(seed), (kind,), 1)
    return result[0], mask[0]


@pytest.fixture
def pair():
    """Two images of noise, [3, 64, 48]."""
    return np.random.default_rng(0).integers(0, 256, (2, 3, 64, 48), np.uint8)


def test_two_blended_images_are_their_mean(pair):
    result, _ = drawn(*pair, "blended", 0)
    assert np.abs(result - pair.mean(0)).max() <= 3  # changes of two levels are left out


def test_a_turned_image_has_the_same_pixels_at_other_places(pair):
    seen = set()
    for seed in range(12):
        result, _ = drawn(*pair, "turned", seed)
        assert abs(float(result.mean()) - float(pair[0].mean())) < 1
        ways = (pair[0][:, :, ::-1], pair[0][:, ::-1], pair[0][:, ::-1, ::-1])
        errors = [np.abs(result.astype(int) - way).max() for way in ways]
        assert min(errors) <= 2
        seen.add(int(np.argmin(errors)))
    assert seen == {0, 1, 2}


def test_half_of_an_image_is_that_of_another_one(pair):
    for seed in range(6):
        result, _ = drawn(*pair, "halved", seed)
        same = np.abs(result.astype(int) - pair[0]).max(0) <= 2
        foreign = np.abs(result.astype(int) - pair[1]).max(0) <= 2
        assert (same | foreign).all()
        assert 0.48 < foreign.mean() < 0.53


def test_another_image_of_another_size_is_scaled(pair):
    other = np.full((3, 20, 90), 7, np.uint8)
    result, _ = drawn(pair[0], other, "halved", 1)
    assert 0.48 < (np.abs(result.astype(int) - 7).max(0) <= 2).mean() < 0.53


def test_a_bent_image_moves_by_at_most_an_eighth_of_its_side(pair):
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None] * 3, (1, 64, 48))
    far = [np.abs(drawn(ramp, ramp, "bent", s)[0].astype(int) - ramp).max() / 3 for s in range(8)]
    assert min(far) > 2
    assert max(far) <= 48 / 8 + 1


def test_they_are_a_group_that_scores_are_ranked_by(pair):
    kinds = RANKING_GROUPS["global"]
    masks = [drawn(*pair, kind, 0)[1] for kind in kinds]
    assert min(float(mask.mean()) for mask in masks) > 0.4
