"""What the recipe chooses from facts alone."""

from dataclasses import replace

import pytest

from training.detect import Facts, calibration, choose, sentences
from training.detect.budget import Speed
from training.errors import TrainingError

TEXTURE = Facts(
    count=400,
    channels=1,
    smallest=(256, 256),
    largest=(256, 256),
    mirror=0.5,
    turn=0.55,
)
SCENE = replace(TEXTURE, channels=3, correlation=0.6, mirror=0.9, turn=1.0)


def chosen(facts, steps=1000):
    return choose(facts, steps=steps, seed=3)


def test_a_texture_gets_a_map_of_crops_that_are_mirrored_and_turned():
    config = chosen(TEXTURE)
    assert (config.model.family, config.crop) == ("sigma_vae_map", 128)
    assert config.flip
    assert config.rotate


def test_a_registered_scene_gets_one_code_for_the_whole_image_and_is_left_as_it_is():
    config = chosen(SCENE)
    assert (config.model.family, config.crop, config.model.channels) == ("pca_vae", 0, 3)
    assert not config.flip
    assert not config.rotate


def test_small_images_are_encoded_whole_wherever_their_content_is():
    small = replace(TEXTURE, smallest=(28, 28), largest=(28, 28))
    assert chosen(small).model.height == 28


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1600, 800), (128, 64)), ((50, 100), (48, 100)), ((1000, 3), None), ((129, 129), (128, 128))],
)
def test_whole_images_keep_their_aspect_within_128_pixels(size, expected):
    facts = replace(SCENE, smallest=size, largest=size)
    if expected is None:
        with pytest.raises(TrainingError, match="1000x3 pixels"):
            chosen(facts)
        return
    model = chosen(facts).model
    assert (model.height, model.width) == expected


def test_crops_fit_into_the_smallest_image():
    config = chosen(replace(TEXTURE, smallest=(40, 300)))
    assert config.crop == 80
    assert config.data.min_side == 40


@pytest.mark.parametrize("steps", [1, 7, 10, 300, 12345])
def test_the_steps_are_about_those_asked_for(steps):
    config = chosen(TEXTURE, steps)
    total = config.epochs * config.epoch_steps
    assert steps - 20 <= total <= steps
    assert config.objective.kl_warmup_steps <= total // 5
    assert config.decoded_fraction > 0


def test_few_images_are_refused_with_the_number_that_is_needed():
    with pytest.raises(TrainingError, match="12 normal images; at least 20 are needed"):
        chosen(replace(TEXTURE, count=12))


def test_the_sentences_name_what_was_found():
    text = "\n".join(sentences(TEXTURE, chosen(TEXTURE)))
    for word in ("400 gray images of 256x256", "not registered", "turns", "crops of 128"):
        assert word in text


def test_a_budget_leaves_time_for_validation_and_is_not_negative():
    speed = Speed(step=0.1, validation=1.0)
    assert speed.steps_within(0) == 0
    assert speed.steps_within(3) == 0
    assert speed.epochs_within(1000) == 20
    assert speed.steps_within(1000) == int((0.95 * 1000 - 20) / 0.1)


def test_slow_validations_become_fewer_instead_of_taking_the_time():
    speed = Speed(step=0.1, validation=1.0)
    assert speed.epochs_within(60) == 9
    assert speed.steps_within(60) == int((0.95 * 60 - 9) / 0.1)
    assert speed.epochs_within(1) == 4
    assert chosen(TEXTURE, 100).epochs == 20
    assert choose(TEXTURE, steps=100, epochs=9, seed=0).epochs == 9


@pytest.mark.parametrize(("count", "expected"), [(1000, 0.2), (100, 0.2), (60, 1 / 3), (25, 0.4)])
def test_of_few_images_more_calibrate(count, expected):
    config = chosen(replace(TEXTURE, count=count))
    assert config.validation_fraction == pytest.approx(expected)


@pytest.mark.parametrize(
    ("held_out", "words"),
    [
        (9, "9 images calibrate: false-alarm rates from 0.100 on; 0.05 needs 19, 0.01 needs 99"),
        (19, "19 images calibrate: false-alarm rates from 0.050 on; 0.01 needs 99"),
        (99, "99 images calibrate: false-alarm rates from 0.010 on"),
    ],
)
def test_the_rates_that_images_for_calibration_support_are_said(held_out, words):
    assert calibration(held_out) == words


def test_mixed_gray_and_colour_images_are_said_with_the_remedy():
    mixed = replace(TEXTURE, channels=3, coloured=0.25)
    text = "\n".join(sentences(mixed, chosen(mixed)))
    assert "mixed (colour: 25%, gray: 75%)" in text
    assert "convert all to gray" in text
