"""What is measured on a folder of images, on families of images whose nature is known."""

import numpy as np
import pytest

from training.detect import look

SIDE = 64


def smooth_noise(rng, height, width, block=4):
    coarse = rng.integers(0, 256, (height // block, width // block))
    return np.kron(coarse, np.ones((block, block))).astype(np.uint8)[None]


def registered(count=60, seed=0):
    """The same part in the same place, under noise."""
    rng = np.random.default_rng(seed)
    part = smooth_noise(rng, SIDE, SIDE).astype(np.float64)
    return [
        (part + rng.normal(0, 4, part.shape)).clip(0, 255).astype(np.uint8) for _ in range(count)
    ]


def texture(count=60, seed=0):
    rng = np.random.default_rng(seed)
    return [smooth_noise(rng, SIDE, SIDE) for _ in range(count)]


def test_a_part_in_one_place_is_registered():
    assert look(registered()).registered


def test_a_texture_is_not_registered_and_may_be_mirrored_and_turned():
    facts = look(texture())
    assert not facts.registered
    assert facts.mirrors
    assert facts.turns


def test_a_part_that_looks_to_one_side_is_not_mirrored():
    facts = look(registered())
    assert not facts.mirrors
    assert not facts.turns


def test_a_part_whose_mirror_image_is_seen_as_often_is_mirrored():
    images = registered()
    facts = look([*images[::2], *(image[:, :, ::-1] for image in images[1::2])])
    assert facts.mirrors
    assert not facts.turns


def test_light_that_differs_from_left_to_right_is_not_the_scene():
    ramp = np.linspace(0, 60, SIDE)[None, None]
    lit = [(0.7 * image + ramp).astype(np.uint8) for image in texture()]
    assert not look(lit).registered


def test_rgb_files_with_equal_channels_are_gray():
    gray = [np.repeat(image, 3, axis=0) for image in texture()]
    assert look(gray).channels == 1
    rng = np.random.default_rng(1)
    assert look([rng.integers(0, 256, (3, SIDE, SIDE)).astype(np.uint8)] * 30).channels == 3


def test_sizes_are_those_of_the_shortest_side_and_of_the_most_pixels():
    images = [np.zeros((1, *shape), np.uint8) for shape in [(40, 90), (30, 50), (80, 70)] * 10]
    facts = look(images)
    assert (facts.smallest, facts.largest, facts.one_size) == ((30, 50), (80, 70), False)
    assert look(images[::3]).one_size


@pytest.mark.parametrize("level", [0, 255])
def test_images_without_any_content_have_facts_that_are_finite(level):
    facts = look([np.full((1, 24, 24), level, np.uint8)] * 20)
    assert np.isfinite([facts.shift, facts.mirror, facts.turn]).all()
