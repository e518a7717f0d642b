import dataclasses

import numpy as np
import pytest
import torch

from training.config.model import ModelConfig
from training.config.run import TrainConfig
from training.data.batches import make_batches
from training.distributed import ProcessGroup

PLAIN = TrainConfig(
    model=ModelConfig(height=16, width=16, widths=(4,)), batch_size=4, corruptions=0.0
)
CROPS = dataclasses.replace(
    PLAIN, model=ModelConfig(family="sigma_vae_map", widths=(4, 4)), crop=16, epoch_steps=6
)


def numbered(count: int, side: int = 16) -> np.ndarray:
    """Images whose pixels all are the number of the image."""
    return np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones(
        (1, 1, side, side), np.uint8
    )


def ramp(height: int = 40, width: int = 40) -> np.ndarray:
    """[1, H, W] that grows to the right."""
    return np.broadcast_to(np.arange(width, dtype=np.uint8), (1, height, width))


def test_an_epoch_shows_every_image_once_and_each_epoch_in_another_order():
    batches = make_batches(PLAIN, numbered(12))
    seen = [[int(x[0, 0, 0]) for b, _ in batches.epoch(e) for x in b] for e in (0, 1)]
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(12))
    assert seen[0] != seen[1]


def test_an_epoch_of_more_steps_than_a_pass_shows_images_equally_often():
    batches = make_batches(dataclasses.replace(PLAIN, epoch_steps=6), numbered(8))
    seen = [int(x[0, 0, 0]) for b, _ in batches.epoch(0) for x in b]
    assert np.bincount(seen).tolist() == [3] * 8


def test_a_batch_larger_than_the_data_is_filled_up():
    batches = make_batches(dataclasses.replace(PLAIN, batch_size=10), numbered(3))
    assert batches.per_epoch() == 1
    assert batches.batch(0, 0)[0].shape == (10, 1, 16, 16)


@pytest.mark.parametrize("config", [PLAIN, CROPS], ids=["whole images", "crops"])
def test_an_epoch_can_be_entered_anywhere(config):
    config = dataclasses.replace(config, corruptions=2.0, flip=True, inversion=0.3, defects=0.5)
    images = np.random.default_rng(0).integers(0, 255, (24, 1, 16, 16), np.uint8)
    batches = make_batches(config, images)
    whole = list(batches.epoch(3))
    rest = list(make_batches(config, images).epoch(3, first=4))
    assert len(whole) == 6
    for (a, b), (c, d) in zip(whole[4:], rest, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)


def test_only_the_input_is_corrupted():
    batches = make_batches(dataclasses.replace(PLAIN, corruptions=3.0), numbered(4) + 100)
    source, target = batches.batch(0, 0)
    assert set(np.unique(target)) <= {100, 101, 102, 103}
    assert (source != target).any()


def test_the_images_in_memory_are_never_changed():
    images = numbered(4) + 100
    config = dataclasses.replace(PLAIN, corruptions=3.0, inversion=0.9, flip=True)
    list(make_batches(config, images).epoch(0))
    np.testing.assert_array_equal(images, numbered(4) + 100)


def test_crops_come_from_images_of_any_size():
    images = [ramp(), ramp(20, 60), ramp(90, 17)]
    batches = make_batches(dataclasses.replace(CROPS, scale_jitter=(0.5, 2.0)), images)
    for source, _ in batches.epoch(0):
        assert source.shape == (4, 1, 16, 16)
        assert (np.diff(source.int(), axis=3) >= 0).all()


def test_an_image_smaller_than_the_crop_is_enlarged():
    batches = make_batches(CROPS, [ramp(10, 10)] * 2)
    assert batches.batch(0, 0)[0].shape == (4, 1, 16, 16)


def test_enlarging_makes_ramps_flatter_and_reducing_steeper():
    for jitter, slope in (((2.0, 2.0), 0.5), ((0.5, 0.5), 2.0)):
        batches = make_batches(dataclasses.replace(CROPS, scale_jitter=jitter), [ramp()] * 4)
        slopes = {
            round(2 * float(np.diff(x[0, :, 4:12].float()).mean())) / 2
            for b, _ in batches.epoch(0)
            for x in b
        }
        assert slopes == {1.0, slope}


def test_turning_gives_all_four_directions_and_flipping_only_left_and_right():
    def directions(**changes):
        batches = make_batches(dataclasses.replace(CROPS, **changes), [ramp()] * 8)
        crops = [x[0].int().numpy() for e in range(4) for b, _ in batches.epoch(e) for x in b]
        return {(int(np.sign(x[0, 9] - x[0, 0])), int(np.sign(x[9, 0] - x[0, 0]))) for x in crops}

    assert directions() == {(1, 0)}
    assert directions(flip=True) == {(1, 0), (-1, 0)}
    assert directions(rotate=True) == {(1, 0), (-1, 0), (0, 1), (0, -1)}


def test_about_the_wanted_part_is_negated():
    config = dataclasses.replace(PLAIN, inversion=0.25, epoch_steps=100)
    batches = make_batches(config, np.full((8, 1, 16, 16), 10, np.uint8))
    negatives = [(x == 245).all() for b, _ in batches.epoch(0) for x in b]
    assert np.mean(negatives) == pytest.approx(0.25, abs=0.07)


@pytest.mark.parametrize("changes", [{}, {"flip": True}, {"flip": True, "inversion": 0.3}])
def test_batches_gathered_on_the_device_are_those_made_from_the_arrays(changes):
    images = np.random.default_rng(0).integers(0, 256, (21, 3, 16, 16), np.uint8)
    there = make_batches(dataclasses.replace(PLAIN, epoch_steps=12, **changes), images)
    assert there.resident is not None
    made = dataclasses.replace(there, resident=None)
    for epoch in (0, 1):
        for (a, b), (c, d) in zip(there.epoch(epoch), made.epoch(epoch), strict=True):
            assert a.equal(c)
            assert b.equal(d)


def test_only_images_that_are_chosen_and_no_more_lie_on_the_device():
    images = numbered(8)
    assert make_batches(PLAIN, images).resident is not None
    for changes in ({"corruptions": 1.0}, {"masking": 0.1}, {"input_noise": 0.1}):
        assert make_batches(dataclasses.replace(PLAIN, **changes), images).resident is None
    assert make_batches(CROPS, images).resident is None
    assert make_batches(PLAIN, list(images)).resident is None


@pytest.mark.parametrize("changes", [{"masking": 0.5}, {"input_noise": 0.2}])
def test_denoising_changes_the_input_and_never_the_target(changes):
    batches = make_batches(dataclasses.replace(PLAIN, **changes), numbered(8) + 100)
    source, target = batches.batch(0, 0)
    assert source.dtype == target.dtype == torch.uint8
    assert len(set(target[:, 0, 0, 0].tolist()) & set(range(100, 108))) == 4
    assert (target == target[:, :1, :1, :1]).all()
    assert (source != target).float().mean() > 0.3


@pytest.mark.parametrize("config", [PLAIN, CROPS], ids=["on the device", "crops"])
def test_processes_share_the_rows_of_the_same_batch(config):
    config = dataclasses.replace(config, flip=True, inversion=0.3)
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 20, 20), np.uint8)
    cpu = torch.device("cpu")
    whole = make_batches(config, images).batch(1, 2)[0]
    parts = [make_batches(config, images, cpu, ProcessGroup(k, 2)).batch(1, 2)[0] for k in range(2)]
    assert torch.cat(parts).equal(whole)


def test_defects_are_drawn_on_the_wanted_part_of_the_inputs_only():
    images = np.random.default_rng(0).integers(60, 200, (200, 1, 16, 16), np.uint8)
    config = dataclasses.replace(PLAIN, batch_size=200, defects=0.3)
    source, target = make_batches(config, images).batch(0, 0)
    drawn = (source != target).flatten(1).any(1)
    assert 0.2 < drawn.float().mean() < 0.4
    clean, _ = make_batches(dataclasses.replace(PLAIN, batch_size=200), images).batch(0, 0)
    assert torch.equal(target, clean)


def test_every_input_can_have_defects():
    images = np.random.default_rng(0).integers(60, 200, (16, 3, 16, 16), np.uint8)
    config = dataclasses.replace(CROPS, batch_size=16, defects=1.0)
    source, target = make_batches(config, images).batch(0, 0)
    assert (source != target).flatten(1).any(1).all()


def test_noise_in_the_target_is_the_same_in_the_input():
    config = dataclasses.replace(PLAIN, noise_in_target=0.05)
    source, target = make_batches(config, numbered(4) + 100).batch(0, 0)
    assert source is target
    assert 9 < target.float().std() < 16
    source, target = make_batches(
        dataclasses.replace(config, defects=1.0), numbered(4) + 100
    ).batch(0, 0)
    assert 0 < (source != target).float().mean() < 0.7
