import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from training.metrics import images as metrics

LABELLED = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40).filter(
    lambda pairs: len({defect for _, defect in pairs}) == 2
)


@given(LABELLED)
def test_auroc_is_that_of_scikit_learn_ties_included(pairs):
    scores, defect = np.array([s for s, _ in pairs]), np.array([d for _, d in pairs])
    assert metrics.auroc(scores, defect) == pytest.approx(roc_auc_score(defect, scores))


def test_auroc_of_only_one_kind_is_not_a_number():
    assert np.isnan(metrics.auroc([1.0, 2.0], [False, False]))
    assert np.isnan(metrics.auroc([], []))


def reference_ssim(x, y):
    """On SciPy's Gaussian filter, whose radius is 5 pixels for these arguments."""
    x, y = x / 255.0, y / 255.0

    def blur(a):
        return gaussian_filter(a, 1.5, truncate=3.5)[5:-5, 5:-5]

    mx, my = blur(x), blur(y)
    vx, vy, c = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    top = (2 * mx * my + 1e-4) * (2 * c + 9e-4)
    return np.mean(top / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4)))


@pytest.mark.parametrize("shape", [(11, 11), (24, 37)])
def test_ssim_is_that_of_the_definition(shape):
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (*shape, 1), np.uint8)
    y = np.clip(x + rng.normal(0, 30, x.shape), 0, 255).astype(np.uint8)
    assert metrics.ssim(x, y) == pytest.approx(reference_ssim(x[..., 0], y[..., 0]))


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 40, 3), (28, 28, 1)])
def test_an_image_is_wholly_similar_to_itself_at_any_size(shape):
    image = np.random.default_rng(2).integers(0, 256, shape, np.uint8)
    assert metrics.ssim(image, image) == pytest.approx(1.0)


def test_a_resized_mask_keeps_its_place():
    mask = np.zeros((8, 6), np.bool_)
    mask[4:, 3:] = True
    small = metrics.resize_mask(mask, (4, 2))
    assert small.tolist() == [[False, False]] * 2 + [[False, True]] * 2
    assert np.array_equal(metrics.resize_mask(mask, mask.shape), mask)


@given(st.integers(0, 50), st.integers(0, 60))
def test_evenly_spread_positions_are_different_and_in_range(count, wanted):
    positions = metrics.evenly(count, wanted)
    assert len(positions) == min(count, wanted)
    assert positions == sorted(set(positions))
    assert all(0 <= i < count for i in positions)
