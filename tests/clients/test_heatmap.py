"""Heat maps drawn over images."""

import tracemalloc

import numpy as np
import pytest

from residuum_client.heatmap import MAX_OPACITY, RAMP, draw_heatmap, ramp

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
