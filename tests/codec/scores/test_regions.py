"""Boxes around the hot pixels of a heat map."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from codec.images.boxes import MAX_AREA, MAX_BOXES, Box
from codec.scores.conformal import p_value, threshold
from codec.scores.regions import BAND, HOT, MAX_REGIONS, PADDING, find_regions, regions_at_rate

VMAX = 4.0
HOT_VALUE = np.float32(HOT * VMAX)
sides = st.tuples(st.integers(1, 120), st.integers(1, 120))


@st.composite
def heatmaps(draw):
    """A few hot rectangles on a cool ground."""
    height, width = draw(sides)
    heatmap = np.zeros((height, width), np.float32)
    for _ in range(draw(st.integers(0, 12))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        down, across = draw(st.integers(1, 20)), draw(st.integers(1, 20))
        heatmap[top : top + down, left : left + across] = draw(st.floats(0, 20, width=32))
    return heatmap


def inside(boxes, shape):
    """How many boxes lie over each pixel."""
    count = np.zeros(shape, np.int64)
    for box in boxes:
        count[box.slices] += 1
    return count


@settings(deadline=None)
@given(heatmap=heatmaps())
def test_boxes_lie_in_the_image_in_order_and_apart(heatmap):
    boxes = find_regions(heatmap, VMAX)
    assert 1 <= len(boxes) <= MAX_BOXES
    assert boxes == sorted(boxes)
    for box in boxes:
        assert min(box.top, box.left) >= 0 < min(box.height, box.width)
        assert box.top + box.height <= heatmap.shape[0]
        assert box.left + box.width <= heatmap.shape[1]
    assert inside(boxes, heatmap.shape).max() == 1


@settings(deadline=None)
@given(heatmap=heatmaps())
@example(heatmap=np.diag(np.ones(60, np.float32))[:, ::59].copy())
def test_all_that_is_hot_is_inside_and_so_is_a_peak(heatmap):
    """At this size neither the number of boxes nor their area is ever used up."""
    count = inside(find_regions(heatmap, VMAX), heatmap.shape)
    assert heatmap[count == 1].max() == heatmap.max()
    assert count[heatmap > HOT_VALUE].all()


@settings(deadline=None)
@given(
    heatmap=arrays.arrays(
        np.float32, sides, elements=st.floats(-5, 0.5, width=32), fill=st.just(np.float32(0))
    )
)
@example(heatmap=np.zeros((3, 5), np.float32))
@example(heatmap=np.full((3, 5), -1, np.float32))
def test_where_nothing_is_hot_one_box_holds_the_peak(heatmap):
    (box,) = find_regions(heatmap, VMAX)
    assert heatmap[box.slices].max() == heatmap.max()


def test_a_box_is_what_is_hot_and_its_padding():
    heatmap = np.zeros((200, 300), np.float32)
    heatmap[80:90, 100:130] = 9
    assert find_regions(heatmap, VMAX) == [
        Box(80 - PADDING, 100 - PADDING, 10 + 2 * PADDING, 30 + 2 * PADDING)
    ]


@pytest.mark.parametrize(("gap", "count"), [(BAND - 1, 1), (BAND, 2)])
def test_places_are_separated_by_a_band_that_is_wide_enough(gap, count):
    heatmap = np.zeros((200, 200), np.float32)
    heatmap[80:90, 50:60] = heatmap[80:90, 60 + gap : 70 + gap] = 9
    assert len(find_regions(heatmap, VMAX)) == count
    assert len(find_regions(heatmap.T.copy(), VMAX)) == count


def test_places_that_need_a_second_cut_are_separated():
    """Two share rows and two share columns: no single band parts all three."""
    heatmap = np.zeros((200, 200), np.float32)
    for top, left in ((20, 20), (20, 120), (120, 20)):
        heatmap[top : top + 30, left : left + 30] = 9
    assert len(find_regions(heatmap, VMAX)) == 3


def test_the_hottest_of_too_many_places_are_kept():
    heatmap = np.zeros((600, 600), np.float32)
    places = [(row, column) for row in range(20, 580, 60) for column in range(20, 580, 60)]
    for rank, (row, column) in enumerate(places):
        heatmap[row : row + 4, column : column + 4] = 2 + rank
    boxes = find_regions(heatmap, VMAX)
    assert len(boxes) == MAX_BOXES
    count = inside(boxes, heatmap.shape)
    for rank, (row, column) in enumerate(places):
        assert count[row, column] == (rank >= len(places) - MAX_BOXES)


@pytest.mark.parametrize("shape", [(1500, 1500), (30, 40_000), (40_000, 30)])
def test_of_too_large_a_place_the_part_around_its_peak_is_kept(shape):
    heatmap = np.full(shape, 5, np.float32)
    peak = (shape[0] * 2 // 3, shape[1] * 3 // 4)
    heatmap[peak] = 6
    (box,) = find_regions(heatmap, VMAX)
    assert 0.9 * MAX_AREA < box.area <= MAX_AREA
    assert inside([box], shape)[peak] == 1


def test_a_place_that_no_longer_fits_is_left_out_and_a_smaller_one_kept():
    heatmap = np.zeros((1400, 1400), np.float32)
    heatmap[:900, :900] = 9
    heatmap[1000:1400, 0:900] = 8
    heatmap[1000:1010, 1300:1310] = 7
    boxes = find_regions(heatmap, VMAX)
    count = inside(boxes, heatmap.shape)
    assert count[0, 0] == count[1005, 1305] == 1
    assert count[1200, 400] == 0
    assert sum(box.area for box in boxes) <= MAX_AREA


PEAKS = np.sort(np.random.default_rng(4).uniform(0, 6, 39).astype(np.float32)).astype(np.float64)


@settings(deadline=None)
@given(heatmap=heatmaps(), rate=st.floats(0.025, 0.9), with_peaks=st.booleans())
def test_regions_are_apart_and_hold_all_that_is_hot(heatmap, rate, with_peaks):
    peaks = PEAKS if with_peaks else None
    if with_peaks:
        hot = np.reshape(
            [p_value(value, PEAKS) <= rate for value in heatmap.ravel()], heatmap.shape
        )
    else:
        hot = heatmap > HOT_VALUE
    regions = regions_at_rate(heatmap, rate, VMAX, peaks)
    count = inside([region.box for region in regions], heatmap.shape)
    assert count.max() == 1
    assert count[hot].all()
    assert sum(region.area for region in regions) >= hot.sum()
    if hot.any():
        assert [region.area for region in regions] == [hot[r.box.slices].sum() for r in regions]
    else:
        assert len(regions) == 1
    assert regions[0].value == heatmap.max()
    for region in regions:
        assert region.value == heatmap[region.box.slices].max()
        assert region.p_value == (p_value(region.value, PEAKS) if with_peaks else None)
        assert not with_peaks or not hot.any() or region.p_value <= rate


@given(heatmap=heatmaps(), rate=st.floats(0.025, 0.9))
def test_the_hottest_region_comes_first_and_has_the_smallest_p_value(heatmap, rate):
    regions = regions_at_rate(heatmap, rate, VMAX, PEAKS)
    values = [region.value for region in regions]
    p_values = [region.p_value for region in regions]
    assert values == sorted(values, reverse=True)
    assert p_values == sorted(p_values)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.33])
def test_a_normal_image_has_a_hot_region_at_most_at_the_rate(rate):
    """Maps of many sets, each of exchangeable images: one of a set is new, the others calibrate."""
    rng, n, sets = np.random.default_rng(8), 39, 1500
    found = 0
    for _ in range(sets):
        maps = rng.gamma(rng.uniform(0.5, 3), 1, (n + 1, 6, 7)).astype(np.float32)
        peaks = np.sort(maps[1:].max((1, 2)).astype(np.float64))
        found += regions_at_rate(maps[0], rate, VMAX, peaks)[0].p_value <= rate
    exact = np.floor(rate * (n + 1) + 1e-9) / (n + 1)
    assert found / sets == pytest.approx(exact, abs=4 * (exact * (1 - exact) / sets) ** 0.5)
    assert exact <= rate


@given(
    peaks=st.lists(st.integers(0, 9), min_size=1, max_size=40),
    rate=st.floats(0.001, 0.999),
    value=st.integers(-1, 10),
)
def test_values_above_the_threshold_are_those_with_such_a_p_value(peaks, rate, value):
    ascending = np.sort(np.array(peaks, np.float64))
    for at in (value - 0.5, float(value), value + 0.5):
        assert (at > threshold(ascending, rate)) == (p_value(at, ascending) <= rate)


def test_no_value_has_a_p_value_that_the_calibration_does_not_have():
    assert threshold(PEAKS, 0.024) == np.inf
    (region,) = regions_at_rate(np.full((4, 5), 99, np.float32), 0.024, VMAX, PEAKS)
    assert (region.box, region.area, region.p_value) == (Box(0, 0, 4, 5), 20, 1 / 40)


def test_a_region_is_not_padded_and_its_area_counts_hot_pixels_only():
    heatmap = np.zeros((200, 300), np.float32)
    heatmap[80:90, 100:130] = np.arange(30) % 2 * 9
    (region,) = regions_at_rate(heatmap, 0.05, VMAX, PEAKS)
    assert region.box == Box(80, 101, 10, 29)
    assert region.area == 150


def test_of_too_many_regions_the_hottest_are_kept():
    heatmap = np.zeros((800, 800), np.float32)
    places = [(row, column) for row in range(0, 800, 40) for column in range(0, 800, 40)]
    for rank, (row, column) in enumerate(places):
        heatmap[row, column] = 10 + rank
    regions = regions_at_rate(heatmap, 0.05, VMAX, PEAKS)
    kept = places[: -MAX_REGIONS - 1 : -1]
    assert [(region.box.top, region.box.left) for region in regions] == kept


@given(a=st.tuples(*[st.integers(0, 6)] * 2, *[st.integers(1, 5)] * 2), data=st.data())
def test_boxes_overlap_if_they_share_a_pixel(a, data):
    b = data.draw(st.tuples(*[st.integers(0, 6)] * 2, *[st.integers(1, 5)] * 2))
    shared = inside([Box(*a), Box(*b)], (12, 12)).max() == 2
    assert Box(*a).overlaps(Box(*b)) == Box(*b).overlaps(Box(*a)) == shared
