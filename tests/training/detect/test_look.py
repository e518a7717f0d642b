"""What is measured on a folder of images, on families of images whose nature is known."""

import numpy as np
import pytest
from PIL import Image

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


def window(rng, scene, reach):
    """SIDE x SIDE of a larger scene, up to `reach` pixels from its middle."""
    middle = (scene.shape[1] - SIDE) // 2
    top, left = middle + rng.integers(-reach, reach + 1, 2)
    return scene[:, top : top + SIDE, left : left + SIDE]


def turned_part(rng):
    """A hammer on a plain ground, in any direction."""
    part = Image.new("L", (SIDE, SIDE), 40)
    part.paste(200, (28, 14, 36, 50))
    part.paste(200, (20, 14, 44, 24))
    turned = part.rotate(rng.uniform(0, 360), Image.Resampling.BILINEAR, fillcolor=40)
    return np.asarray(turned)[None]


@pytest.mark.parametrize(("reach", "expected"), [(0, True), (3, True), (20, False)])
def test_a_scene_that_moves_a_little_is_still_registered(reach, expected):
    rng = np.random.default_rng(0)
    scene = smooth_noise(rng, 128, 128, block=8)
    facts = look([window(rng, scene, reach) for _ in range(60)])
    assert facts.registered is expected


def test_a_part_in_any_direction_is_not_registered_and_may_be_mirrored_and_turned():
    rng = np.random.default_rng(0)
    facts = look([turned_part(rng) for _ in range(100)])
    assert not facts.registered
    assert facts.turns


def test_several_cameras_in_turn_are_registered():
    views = [registered(20, seed) for seed in range(5)]
    facts = look([image for images in zip(*views, strict=True) for image in images])
    assert facts.correlation < 0.3
    assert facts.registered


def test_stripes_are_not_turned():
    rng = np.random.default_rng(0)
    phases = rng.uniform(0, 2 * np.pi, 60)
    waves = [128 + 80 * np.sin(np.arange(SIDE) / 2 + phase) for phase in phases]
    noise = rng.normal(0, 12, (60, 1, SIDE, SIDE))
    facts = look(list((np.array(waves)[:, None, None] + noise).clip(0, 255).astype(np.uint8)))
    assert not facts.registered
    assert not facts.turns


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
    assert np.isfinite(
        [facts.correlation, facts.nearest_correlation, facts.mirror, facts.turn]
    ).all()
