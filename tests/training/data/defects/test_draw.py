import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.defects import RANKING_GROUPS, RANKING_KINDS, TRAINING_KINDS, draw, draw_bank
from training.errors import TrainingError

BANK = draw_bank(0, 48, 48)
ALL = TRAINING_KINDS + RANKING_KINDS


def scenes(count: int = 12, channels: int = 1, size: tuple[int, int] = (48, 48)) -> np.ndarray:
    """Images of a bright disc at random places on a noisy ramp."""
    rng = np.random.default_rng(5)
    rows, columns = np.indices(size)
    images = []
    for _ in range(count):
        top, left = (rng.uniform(0.3, 0.7) * side for side in size)
        disc = (rows - top) ** 2 + (columns - left) ** 2 < (min(size) / 5) ** 2
        plane = 60 + 80 * columns / size[1] + 70 * disc + rng.normal(0, 3, (channels, *size))
        images.append(plane.clip(0, 255).astype(np.uint8))
    return np.stack(images)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def differs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a.astype(int) - b).max(1) > 2


@pytest.mark.parametrize("kinds", [TRAINING_KINDS, RANKING_KINDS], ids=["training", "ranking"])
def test_equal_generators_draw_equal_defects_and_others_others(kinds):
    images = scenes()
    first, again, other = (draw(images, images, BANK, rng(seed), kinds) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ALL)
def test_each_kind_changes_every_image_inside_of_its_mask_only(kind, channels):
    images = scenes(channels=channels)
    before = images.copy()
    drawn, masks = draw(images, images[::-1], BANK, rng(), (kind,))
    np.testing.assert_array_equal(images, before)
    assert drawn.dtype == np.uint8
    assert masks.dtype == np.bool_
    assert masks.any((1, 2)).all()
    np.testing.assert_array_equal(masks, differs(drawn, images))
    outside = np.broadcast_to(~masks[:, None], images.shape)
    np.testing.assert_array_equal(drawn[outside], images[outside])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 3]))
def test_images_of_any_size_can_have_defects(seed, height, width, channels):
    images = rng(seed).integers(0, 256, (3, channels, height, width), np.uint8)
    others = [images[0, :, : height // 2 + 1], images[1, :, :, : width // 3 + 1]]
    for kinds in (TRAINING_KINDS, RANKING_KINDS):
        drawn, masks = draw(images, others, BANK, rng(seed), kinds)
        np.testing.assert_array_equal(masks, differs(drawn, images))
        np.testing.assert_array_equal(drawn * ~masks[:, None], images * ~masks[:, None])
        assert masks.any((1, 2)).all() or min(height, width) < 16


@pytest.mark.parametrize("size", [(16, 400), (400, 16)])
def test_narrow_images_have_defects_everywhere(size):
    images = scenes(150, 1, size)
    _, masks = draw(images, images, draw_bank(0, *size), rng())
    hit = masks.any(0).any(int(size[0] == 400))
    assert hit.mean() > 0.95


def test_a_constant_image_can_be_trained_with():
    images = np.full((50, 1, 16, 16), 128, np.uint8)
    assert draw(images, images, BANK, rng())[1].any((1, 2)).all()


def test_an_image_that_cannot_change_comes_back_with_an_empty_mask():
    images = np.full((4, 3, 20, 20), 90, np.uint8)
    drawn, masks = draw(images, images, BANK, rng(), ("foreign", "texture", "blur"))
    np.testing.assert_array_equal(drawn, images)
    assert not masks.any()


def test_without_others_the_images_themselves_are_the_textures():
    images = scenes()
    (drawn, _), (same, _) = (draw(images, o, BANK, rng(), ("texture",)) for o in ([], images))
    np.testing.assert_array_equal(drawn, same)


def test_no_images_are_no_error():
    drawn, masks = draw(scenes()[:0], scenes(), BANK, rng())
    assert drawn.shape == (0, 1, 48, 48)
    assert masks.shape == (0, 48, 48)


def test_areas_and_strengths_are_spread_widely():
    images = np.repeat(scenes(channels=3, size=(96, 96)), 40, 0)
    drawn, masks = draw(images, images, draw_bank(0, 96, 96), rng(), most=1)
    areas = masks.sum((1, 2))
    assert 4 <= np.quantile(areas, 0.1) < 20
    assert np.quantile(areas, 0.95) > 500
    assert areas.max() < 0.5 * 96 * 96
    change = np.abs(drawn.astype(int) - images).max((1, 2, 3))
    assert np.quantile(change, 0.15) < 20
    assert np.quantile(change, 0.85) > 60


def test_more_defects_change_more():
    images = scenes(100)
    few, many = (draw(images, images, BANK, rng(), most=most)[1].mean() for most in (1, 5))
    assert many > 2 * few


def test_no_kind_is_both_trained_with_and_ranked_with():
    assert not set(TRAINING_KINDS) & set(RANKING_KINDS)
    assert len(set(ALL)) == len(ALL)
    assert sorted(sum(RANKING_GROUPS.values(), ())) == sorted(RANKING_KINDS)


def test_strong_defects_change_more_than_faint_ones():
    images = scenes(100)

    def change(group: str) -> float:
        drawn, masks = draw(images, images, BANK, rng(), RANKING_GROUPS[group], 1)
        return float(np.abs(drawn.astype(int) - images)[masks[:, None]].mean())

    assert change("structural strong") > 1.7 * change("structural faint")


@pytest.mark.parametrize(
    ("kinds", "message"),
    [(("blur", "rust"), r"unknown kinds \['rust'\]"), ((), "no kinds of defects")],
)
def test_kinds_that_do_not_exist_are_named(kinds, message):
    with pytest.raises(TrainingError, match=message):
        draw(scenes(), scenes(), BANK, rng(), kinds)


def test_arrays_of_another_form_are_refused_with_what_was_found():
    with pytest.raises(TrainingError, match=r"float64 \[12, 1, 48, 48\]; uint8 \[B, C, H, W\]"):
        draw(scenes() / 255, scenes(), BANK, rng())
    with pytest.raises(TrainingError, match="other images have 3 channels; 1 expected"):
        draw(scenes(), scenes(channels=3), BANK, rng())
