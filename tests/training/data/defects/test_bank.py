import numpy as np
import pytest

from training.data.defects import draw_bank
from training.data.defects.bank import MARGIN, SHAPES


@pytest.fixture(scope="module")
def bank():
    return draw_bank(0, 128, 128)


def extents(masks) -> np.ndarray:
    """The longer side of each mask without its margin."""
    return np.array([max(mask.shape) - 2 * MARGIN for mask in masks])


def test_equal_seeds_draw_equal_masks_and_other_seeds_others():
    first, second, other = (draw_bank(seed, 40, 40) for seed in (3, 3, 4))
    for shape in SHAPES:
        pairs = list(zip(first.masks[shape], second.masks[shape], strict=True))
        assert all(np.array_equal(a, b) for a, b in pairs)
        others = zip(first.masks[shape], other.masks[shape], strict=True)
        assert not all(np.array_equal(a, b) for a, b in others)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mask_fills_its_extent_and_has_an_empty_margin(bank, shape):
    for mask in bank.masks[shape]:
        assert mask.max() == 255
        inner = mask[MARGIN:-MARGIN, MARGIN:-MARGIN]
        assert mask.sum() == inner.sum()
        assert all(edge.any() for edge in (inner[0], inner[-1], inner[:, 0], inner[:, -1]))


@pytest.mark.parametrize("shape", SHAPES)
def test_sizes_reach_from_a_few_pixels_to_half_of_the_image(bank, shape):
    sides = extents(bank.masks[shape])
    assert sides.min() <= (3 if shape in ("polygon", "ellipse", "rectangle", "blob") else 14)
    assert 45 <= sides.max() <= 64 + 2 * 64 // 6
    assert (sides < 32).mean() > 0.4


def test_many_edges_are_soft_and_some_are_hard(bank):
    soft = [((mask > 0) & (mask < 255)).sum() / (mask > 0).sum() for mask in bank.masks["ellipse"]]
    assert min(soft) < 0.1
    assert max(soft) > 0.7


def test_lines_are_thin_and_areas_are_not(bank):
    def share(shape: str) -> float:
        large = [mask for mask in bank.masks[shape] if max(mask.shape) > 40]
        return float(np.median([(mask > 127).mean() for mask in large]))

    assert max(map(share, ("scratch", "crack", "ring", "fibre", "scuff"))) < 0.2
    assert min(map(share, ("polygon", "ellipse", "rectangle"))) > 0.3


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (16, 16), (16, 300)])
def test_small_and_narrow_images_get_small_masks(size):
    bank = draw_bank(0, *size)
    largest = max(2, round(np.sqrt(size[0] * size[1]) / 2))
    for shape in SHAPES:
        assert extents(bank.masks[shape]).max() <= largest + 2 * (1 + largest // 6)


def test_a_chosen_mask_is_one_of_the_shape_in_one_of_eight_positions(bank):
    rng = np.random.default_rng(0)
    known = {mask.tobytes() for mask in bank.masks["crack"]}
    turns = set()
    for _ in range(100):
        mask = np.rint(bank.choose(("crack",), rng) * 255).astype(np.uint8)
        turned = [np.rot90(m, k) for m in (mask, mask.T) for k in range(4)]
        found = [n for n, m in enumerate(turned) if np.ascontiguousarray(m).tobytes() in known]
        assert found
        turns |= set(found)
    assert turns == set(range(8))
