"""Heat maps drawn over images."""

import tracemalloc

import numpy as np
import pytest

from residuum_client import Box
from residuum_client.heatmap import BOX_COLOUR, MAX_OPACITY, RAMP, draw_heatmap, ramp, to_levels

GRAY = np.full((4, 6, 1), 100, np.uint8)


def test_no_heat_leaves_the_image_unchanged():
    drawn = draw_heatmap(GRAY, np.zeros((4, 6), np.float32), 5.0)
    assert drawn.shape == (4, 6, 3)
    assert (drawn == 100).all()


def test_values_from_vmax_up_have_the_full_colour():
    at = draw_heatmap(GRAY, np.full((4, 6), 5.0, np.float32), 5.0)
    above = draw_heatmap(GRAY, np.full((4, 6), 500.0, np.float32), 5.0)
    expected = np.rint(100 * (1 - MAX_OPACITY) + RAMP[-1] * MAX_OPACITY)
    assert np.abs(at - expected).max() <= 1
    assert np.array_equal(at, above)


def test_more_heat_is_always_further_from_yellow():
    colours = ramp(np.linspace(0, 1, 50, dtype=np.float32))
    assert (np.diff(colours[:, 1]) < 0).all()


@pytest.mark.parametrize("level", [0, 128, 255], ids=["black", "gray", "white"])
def test_full_heat_stands_out_on_any_background(level):
    image = np.full((4, 6, 1), level, np.uint8)
    drawn = draw_heatmap(image, np.full((4, 6), 5.0, np.float32), 5.0).astype(int)
    assert np.linalg.norm(drawn[0, 0] - level) > 100


def test_colour_images_keep_their_colours_elsewhere():
    image = np.zeros((4, 6, 3), np.uint8)
    image[..., 2] = 200
    heat = np.zeros((4, 6), np.float32)
    heat[0, 0] = 9
    drawn = draw_heatmap(image, heat, 5.0)
    assert np.array_equal(drawn[1:], image[1:])
    assert drawn[0, 0, 0] > 100


def test_a_map_of_another_size_is_stretched():
    heat = np.zeros((2, 3), np.float32)
    heat[1, 2] = 5
    drawn = draw_heatmap(GRAY, heat, 5.0)
    assert drawn.shape == (4, 6, 3)
    assert drawn[3, 5, 0] > drawn[0, 0, 0]


def test_the_former_name_of_vmax_is_still_taken():
    heat = np.full((4, 6), 2.0, np.float32)
    former = draw_heatmap(GRAY, heat, heat_scale=5.0)
    assert np.array_equal(former, draw_heatmap(GRAY, heat, heatmap_vmax=5.0))
    assert not np.array_equal(former, draw_heatmap(GRAY, heat))


@pytest.mark.parametrize("scale", [None, 0.0, -1.0, float("nan"), float("inf")])
def test_without_a_usable_vmax_the_maximum_has_the_full_colour(scale):
    heat = np.array([[0, 3]], np.float32)
    drawn = draw_heatmap(np.zeros((1, 2, 1), np.uint8), heat, scale)
    assert (drawn[0, 0] == 0).all()
    assert np.abs(drawn[0, 1] - RAMP[-1] * MAX_OPACITY).max() <= 1


def test_a_large_image_is_drawn_as_its_parts_are():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (700, 1000, 3), np.uint8)
    heat = rng.normal(0, 3, (700, 1000)).astype(np.float32)
    drawn = draw_heatmap(image, heat, 5.0)
    for top in range(0, 700, 70):
        rows = slice(top, top + 70)
        assert np.array_equal(drawn[rows], draw_heatmap(image[rows], heat[rows], 5.0))


def test_drawing_takes_little_more_memory_than_the_image_and_the_map():
    image, heat = np.zeros((2000, 2000, 3), np.uint8), np.zeros((2000, 2000), np.float32)
    tracemalloc.start()
    draw_heatmap(image, heat, 5.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * (image.nbytes + heat.nbytes)


def boxed(image: np.ndarray, shape: tuple[int, int], **box: int) -> np.ndarray:
    """Where a box has a line, in a heat map of this shape without heat."""
    drawn = draw_heatmap(image, np.zeros(shape, np.float32), 5.0, boxes=[Box(**box)])
    return (drawn == BOX_COLOUR).all(-1)


def test_the_line_lies_around_the_box_and_hides_nothing_of_it():
    lines = boxed(np.zeros((20, 30, 1), np.uint8), (20, 30), top=5, left=8, height=4, width=6)
    expected = np.zeros((20, 30), bool)
    expected[4:10, 7:15] = True
    expected[5:9, 8:14] = False
    np.testing.assert_array_equal(lines, expected)


def test_at_the_edges_of_the_image_the_line_lies_in_the_box():
    lines = boxed(np.zeros((20, 30, 1), np.uint8), (20, 30), top=0, left=0, height=20, width=30)
    assert lines[[0, -1]].all()
    assert lines[:, [0, -1]].all()
    assert lines.sum() == 2 * (20 + 30) - 4


def test_boxes_are_in_pixels_of_the_map_also_if_it_is_stretched():
    lines = boxed(np.zeros((40, 90, 3), np.uint8), (20, 30), top=5, left=8, height=4, width=6)
    rows, columns = np.nonzero(lines)
    assert (rows.min(), rows.max()) == (9, 18)
    assert (columns.min(), columns.max()) == (23, 42)


def test_lines_are_wider_in_large_images():
    box = {"top": 500, "left": 500, "height": 20, "width": 20}
    lines = boxed(np.zeros((2000, 1000, 1), np.uint8), (2000, 1000), **box)
    assert np.flatnonzero(lines[510]).tolist() == [497, 498, 499, 520, 521, 522]


def test_a_box_outside_of_the_image_draws_nothing():
    assert not boxed(GRAY, (4, 6), top=10, left=10, height=4, width=6).any()


@pytest.mark.parametrize("level", [0, 128, 255], ids=["black", "gray", "white"])
def test_a_line_stands_out_on_any_background_and_heat(level):
    heat = np.linspace(0, 1, 50, dtype=np.float32)[np.newaxis]
    image = np.full((1, 50, 1), level, np.uint8)
    drawn = draw_heatmap(image, heat, 1.0).astype(int)
    assert np.linalg.norm(drawn - BOX_COLOUR, axis=-1).min() > 100


@pytest.mark.parametrize("shape", [(700, 900), (30, 40)])
def test_levels_are_the_heat_map_within_half_a_step(shape):
    heat = np.random.default_rng(0).normal(2, 3, shape).astype(np.float32)
    levels = to_levels(heat, 1.7, shape)
    assert (levels.dtype, levels.shape) == (np.uint16, (*shape, 1))
    step = 1.7 / 16384
    expected = np.clip(heat, 0, 65535 * step).astype(np.float64)
    assert np.abs(levels[..., 0] * step - expected).max() <= 0.5 * step * (1 + 1e-9)


def test_levels_have_fixed_ends():
    heat = np.array([[-1, 0, 1, 2, 4, 1e30, np.nan]], np.float32)
    levels = to_levels(heat, 2.0, (1, 7))[0, :, 0]
    assert levels.tolist() == [0, 0, 8192, 16384, 32768, 65535, 0]
    assert not to_levels(-np.ones((2, 3), np.float32), 0.0, (2, 3)).any()
    assert to_levels(heat[:, :5], 0.0, (1, 5)).max() == 16384


def test_levels_have_the_size_of_the_image():
    levels = to_levels(np.ones((4, 5), np.float32), 1.0, (40, 30))
    assert levels.shape == (40, 30, 1)
    assert (levels == 16384).all()
