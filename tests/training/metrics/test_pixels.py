from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

from training.metrics import pixels as metrics
from training.metrics.detection import auroc_of_counts, average_precision, best_f1

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


def reference_aupro(maps, masks, limit):
    """Every threshold one by one: the definition, on whole arrays. (AUPRO, points of the curve)"""
    regions, normal = [], []
    for values, mask in zip(maps, masks, strict=True):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        regions += [values[labels == number] for number in range(1, count + 1)]
        normal.append(values[~mask])
    normal = np.concatenate(normal)
    points = [(0.0, 0.0)]
    for threshold in sorted(set(np.ravel(maps).tolist()), reverse=True):
        overlap = np.mean([np.mean(region >= threshold) for region in regions])
        points.append((np.mean(normal >= threshold), overlap))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        end = min(x1, limit)
        if x1 > x0 and end > x0:
            y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            area += (end - x0) * (y0 + y_end) / 2
    return area / limit


def drawn(seed, count=6, side=24, signal=1.0):
    """Maps with blobs of higher values, and the masks of the blobs, one without a defect."""
    rng = np.random.default_rng(seed)
    rough = ndimage.gaussian_filter(rng.normal(size=(count, side, side)), (0, 2, 2))
    masks = rough > np.quantile(rough, 0.9)
    masks[0] = False
    maps = rng.gamma(2.0, 1.0, masks.shape) + signal * masks * rng.random((count, 1, 1))
    return maps.astype(np.float32), masks


def measured(maps, masks, limit=0.3):
    normal = sum(metrics.count_levels(v, m)[0] for v, m in zip(maps, masks, strict=True))
    parts = [metrics.overlap_levels(v, m) for v, m in zip(maps, masks, strict=True)]
    return metrics.aupro(normal, sum(p[0] for p in parts), sum(p[1] for p in parts), limit)


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_aupro_is_that_of_the_definition_over_all_thresholds(seed, limit):
    maps, masks = drawn(seed)
    whole = np.rint(maps * 100)  # numbers that levels hold exactly, with many ties
    expected = reference_aupro(whole, masks, limit)
    assert measured(whole, masks, limit) == pytest.approx(expected, abs=1e-12)


def test_aupro_of_values_between_levels_is_nearly_that_of_the_definition():
    maps, masks = drawn(3)
    assert measured(maps, masks) == pytest.approx(reference_aupro(maps, masks, 0.3), abs=1e-3)
    assert measured(-maps, masks) == pytest.approx(reference_aupro(-maps, masks, 0.3), abs=1e-3)


def test_every_region_counts_the_same_whatever_its_size():
    mask = np.zeros((10, 10), np.bool_)
    mask[:4, :4] = mask[8, 8] = True
    found_large, found_small = np.zeros((2, 10, 10), np.float32)
    found_large[:4, :4] = found_small[8, 8] = 1
    assert measured([found_large], [mask]) == pytest.approx(
        reference_aupro([found_large], [mask], 0.3)
    )
    # Nothing else is higher than the rest, so that the overlap rises from 1/2 to 1 at rate 1.
    assert measured([found_large], [mask]) == pytest.approx(0.5 + 0.5 * 0.3 / 2)
    assert measured([found_large], [mask]) == measured([found_small], [mask])


def test_a_perfect_map_has_aupro_1_and_one_that_is_the_same_everywhere_has_that_of_chance():
    _, masks = drawn(0)
    assert measured(masks.astype(np.float32), masks) == pytest.approx(1.0)
    assert measured(np.zeros(masks.shape, np.float32), masks) == pytest.approx(0.3 / 2)


def test_without_regions_or_without_normal_pixels_there_is_no_aupro():
    some, nothing = np.ones((1, 4, 4), np.float32), np.zeros((1, 4, 4), np.bool_)
    assert np.isnan(measured(some, nothing))
    assert np.isnan(measured(some, ~nothing))


@given(arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_regions_are_those_of_scipy_with_corners_that_touch(mask):
    expected, count = ndimage.label(mask, np.ones((3, 3)))
    labels, found = metrics.label_regions(mask)
    assert found == count
    assert np.array_equal(labels, expected)


def test_regions_of_a_spiral_and_of_noise_are_those_of_scipy():
    y, x = np.mgrid[-60:60, -70:70]
    spiral = (np.hypot(x, y) / 3 - np.arctan2(y, x)) % (2 * np.pi) < 2
    noise = np.random.default_rng(0).random((150, 130)) < 0.35
    for mask in (spiral, noise):
        expected, count = ndimage.label(mask, np.ones((3, 3)))
        labels, found = metrics.label_regions(mask)
        assert found == count
        assert np.array_equal(labels, expected)


@given(arrays(np.float32, 2, elements=FINITE))
def test_levels_keep_the_order_of_values_and_hold_close_values_only(pair):
    low, high = metrics.levels_of(np.sort(pair)).tolist()
    assert low <= high
    assert 0 <= low < metrics.LEVELS
    assert 0 <= high < metrics.LEVELS
    if low == high:
        assert abs(float(pair[0]) - float(pair[1])) <= max(np.abs(pair).max() * 2**-11, 2e-38)


@given(st.floats(-(2.0**126), 2.0**126, width=32))
def test_the_value_of_a_level_is_its_smallest(value):
    level = int(metrics.levels_of(np.array([value]))[0])
    smallest = np.float32(metrics.value_of(level))
    assert smallest <= np.float32(value)
    assert metrics.levels_of(np.array([smallest]))[0] == level
    below = np.nextafter(smallest, np.float32(-np.inf), dtype=np.float32)
    assert metrics.levels_of(np.array([below]))[0] < level


def test_metrics_of_counted_maps_are_those_of_all_their_pixels():
    rng = np.random.default_rng(0)
    truth = rng.random((20, 32, 32)) < 0.03
    maps = (rng.gamma(0.3, 1e-3, truth.shape) * (1 + 2 * truth)).astype(np.float32)
    maps[:, :4] = 0
    counts = sum(metrics.count_levels(m, t) for m, t in zip(maps, truth, strict=True))
    auroc = roc_auc_score(truth.ravel(), maps.ravel())
    assert auroc_of_counts(counts) == pytest.approx(auroc, abs=1e-3)
    precision = average_precision_score(truth.ravel(), maps.ravel())
    assert average_precision(counts) == pytest.approx(precision, abs=1e-3)
    f1, place = best_f1(counts)
    flagged = maps >= metrics.value_of(place)
    assert f1 == pytest.approx(2 * (flagged & truth).sum() / (flagged.sum() + truth.sum()))


def test_every_pixel_is_counted_once_whatever_its_size():
    values = np.array([[0.0, 1e-38, 3e38], [-1e-9, -3e38, 1.0]], np.float32)
    truth = np.array([[True, False, False], [False, False, True]])
    assert metrics.count_levels(values, truth).sum(1).tolist() == [4, 2]


def test_memory_does_not_grow_with_the_number_of_maps():
    maps, masks = drawn(0)
    one = metrics.count_levels(maps[1], masks[1])
    many = metrics.count_levels(np.tile(maps[1], (40, 1)), np.tile(masks[1], (40, 1)))
    assert one.shape == many.shape == (2, metrics.LEVELS)
    assert np.array_equal(40 * one, many)
