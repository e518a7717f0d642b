"""A segmenter from the configuration of a run to its file, with as few steps as possible."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from training.config.model import ModelConfig
from training.config.run import TrainConfig
from training.data.ahead import Resources
from training.data.defects import bank
from training.errors import TrainingError
from training.run.checkpoint import write
from training.run.files import BEST
from training.run.start import init_from_images, new_state
from training.segmenter import (
    SEGMENTER,
    SegmenterConfig,
    drawn,
    load_segmenter,
    measure,
    steps_within,
    train_segmenter,
)
from training.segmenter.drawn import draw_judged, make_drawn_batches
from training.segmenter.files import STATE
from training.segmenter.network import STRIDE, build_segmenter, segment
from training.segmenter.state import learning_rate

CPU = Resources(torch.device("cpu"))
MAP = TrainConfig(
    model=ModelConfig(family="sigma_vae_map", latent=2, widths=(4, 8)), crop=24, precision="fp32"
)
WHOLE = TrainConfig(
    model=ModelConfig(
        family="sigma_vae", channels=3, height=20, width=28, latent=4, widths=(4, 8), depth=0
    ),
    precision="fp32",
)
INDICES = TrainConfig(
    model=ModelConfig(family="fsq", widths=(4, 8), levels=(5, 4)), crop=24, precision="fp32"
)


def normal_images(config, count=12):
    """A bright bar under noise, uint8 [C, H, W]."""
    rng = np.random.default_rng(count)
    height, width = config.model.height or 40, config.model.width or 32
    images = rng.normal(100, 4, (count, config.model.channels, height, width))
    images[..., 8:12] += 80
    return images.clip(0, 255).astype(np.uint8)


def make_run(folder, config, seed=0):
    torch.manual_seed(seed)
    state = new_state(config, CPU.device)
    init_from_images(state, normal_images(config))
    for parameter in state.ema_model.parameters():
        parameter.data.add_(0.05 * seed)
    folder.mkdir(exist_ok=True)
    write(folder / BEST, state, {}, whole=False)
    return folder


@pytest.fixture(autouse=True)
def _few_masks(monkeypatch):
    """Drawing the usual number takes most of the time."""
    monkeypatch.setattr(bank, "COUNT", 8)
    monkeypatch.setattr(drawn, "MOST", 10 / MAP.batch_size)
    monkeypatch.setattr(drawn, "JUDGED", 10)


@pytest.fixture
def run(tmp_path) -> Path:
    """The folder of a run of crops."""
    return make_run(tmp_path / "run", MAP)


def train(run, *, config=MAP, stop_after=None, log=None, **options):
    images, asked = normal_images(config), []

    def should_stop():
        asked.append(1)
        return stop_after is not None and len(asked) >= stop_after

    return train_segmenter(
        run,
        images[:9],
        images[9:],
        available=CPU,
        log=(log if log is not None else []).append,
        should_stop=should_stop,
        **{"steps": 6, "seed": 3, **options},
    )


@pytest.mark.parametrize("config", [MAP, WHOLE, INDICES], ids=["map", "whole", "indices"])
def test_an_interrupted_training_ends_with_the_bytes_of_one_that_was_not(tmp_path, config):
    straight, broken = (make_run(tmp_path / name, config) for name in "ab")
    before = (straight / BEST).read_bytes()
    assert train(straight, config=config)
    log = []
    assert not train(broken, config=config, stop_after=2)
    assert not (broken / SEGMENTER).exists()
    assert not train(broken, config=config, stop_after=3, log=log)
    assert "segmenter: continues after step 2 of 6" in log
    assert train(broken, config=config, steps=99)  # the steps that it began with stay
    assert (straight / SEGMENTER).read_bytes() == (broken / SEGMENTER).read_bytes()
    assert not (broken / STATE).exists()
    assert (straight / BEST).read_bytes() == before


def test_another_seed_gives_other_weights_and_the_same_one_the_same(tmp_path):
    found = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train(make_run(tmp_path / name, MAP), seed=seed, steps=2)
        network, _ = load_segmenter(tmp_path / name)
        found.append(torch.cat([p.flatten() for p in network.parameters()]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_the_log_has_ten_points_and_the_time_that_is_left(run):
    log: list[str] = []
    train(run, steps=20, log=log)
    points = [line for line in log if "AUROC" in line]
    assert [line.split()[2] for line in points] == [f"{n}/20" for n in range(2, 21, 2)]
    assert all(line.split("left")[0].rstrip()[-3] == ":" for line in points)
    _, info = load_segmenter(run)
    assert [point["step"] for point in info["history"]] == list(range(2, 21, 2))
    assert all(0 <= point["auroc"] <= 1 for point in info["history"])
    json.dumps(info)


def test_the_loss_falls(run):
    train(run, steps=30)
    history = load_segmenter(run)[1]["history"]
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]


def test_a_finished_segmenter_is_kept(run):
    train(run)
    before, log = (run / SEGMENTER).read_bytes(), []
    assert train(run, steps=50, log=log)
    assert (run / SEGMENTER).read_bytes() == before
    assert log == [f"segmenter: there is one already, of 6 steps: {run / SEGMENTER}"]


def test_the_weights_of_the_autoencoder_do_not_matter(run, tmp_path):
    train(run, stop_after=2)
    make_run(run, MAP, seed=1)
    train(run)
    train(make_run(tmp_path / "other", MAP))
    assert (run / SEGMENTER).read_bytes() == (tmp_path / "other" / SEGMENTER).read_bytes()


def test_another_seed_replaces_a_finished_segmenter(run):
    train(run, steps=1)
    train(run, steps=1, seed=4)
    assert load_segmenter(run)[1]["task"]["seed"] == 4


@pytest.mark.parametrize("change", ["seed", "network"])
def test_one_that_was_begun_with_another_seed_or_network_begins_anew(run, tmp_path, change):
    log: list[str] = []
    config, seed = (MAP, 4) if change == "seed" else (WHOLE, 3)
    train(run, stop_after=2)
    make_run(run, config)
    assert train(run, config=config, seed=seed, log=log)
    assert any(line.endswith("it begins anew") for line in log)
    straight = make_run(tmp_path / "straight", config)
    train(straight, config=config, seed=seed)
    assert (run / SEGMENTER).read_bytes() == (straight / SEGMENTER).read_bytes()


def test_a_run_without_a_segmenter_has_none(run):
    assert load_segmenter(run) is None


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_a_damaged_file_is_an_error(run, damage):
    train(run, steps=1)
    whole = (run / SEGMENTER).read_bytes()
    (run / SEGMENTER).write_bytes(whole[:-100] if damage is None else damage)
    with pytest.raises(TrainingError, match=r"segmenter\.safetensors is not a readable"):
        load_segmenter(run)


def test_the_checkpoint_of_an_autoencoder_is_not_a_segmenter(run):
    (run / SEGMENTER).write_bytes((run / BEST).read_bytes())
    with pytest.raises(TrainingError, match="is not the file of a segmenter"):
        load_segmenter(run)


def test_no_steps_and_no_run_are_refused(run, tmp_path):
    with pytest.raises(TrainingError, match="0 steps for the segmenter; at least 1 expected"):
        train(run, steps=0)
    with pytest.raises(TrainingError, match=r"best\.safetensors does not exist; is"):
        train(tmp_path / "nothing")


def test_the_speed_gives_the_steps_of_a_time(run):
    seconds = measure(run, normal_images(MAP), CPU)
    assert seconds > 0
    assert not (run / SEGMENTER).exists()
    assert steps_within(100, 0.5) == 190  # a twentieth is left for everything else
    assert steps_within(0.1, 0.5) == 0


def test_a_batch_depends_on_its_number_alone_and_has_masks_where_something_was_drawn():
    batches = make_drawn_batches(MAP, normal_images(MAP), seed=5)
    images, masks = batches.batch(7)
    again = make_drawn_batches(MAP, normal_images(MAP), seed=5).batch(7)
    np.testing.assert_array_equal(images, again[0])
    np.testing.assert_array_equal(masks, again[1])
    assert images.shape[1:] == (1, 24, 24)
    changed = masks.any((1, 2))
    assert changed[: batches.drawn].all()
    assert not changed[batches.drawn :].any()
    assert batches.drawn == round(0.6 * len(images))
    assert not np.array_equal(images, batches.batch(8)[0])


def test_judged_images_differ_from_clean_ones_in_a_defect_each():
    images = normal_images(WHOLE)
    clean, copies = draw_judged(WHOLE, images[9:], images[:9], 0)
    assert clean.shape == copies.shape
    changed = (clean != copies).any(1)
    assert changed.any((1, 2)).all()
    assert changed.mean() < 0.5


def test_the_edge_is_repeated_up_to_whole_cells():
    network = build_segmenter(SegmenterConfig(channels=1, widths=(4, 4, 4))).eval()
    x = torch.rand(2, 1, 20, 33)
    found = segment(network, x)
    wide = np.pad(x, ((0, 0), (0, 0), (0, 12), (0, 15)), mode="edge")
    expected = network(torch.from_numpy(wide))
    torch.testing.assert_close(found, expected[:, :20, :33])
    assert STRIDE == 16


def test_the_rate_warms_up_and_ends_at_a_hundredth():
    rates = [learning_rate(step, 1000) for step in range(1000)]
    assert np.argmax(rates) == 99
    assert max(rates) == pytest.approx(2e-3, rel=0.05)
    assert rates[0] == pytest.approx(2e-5, rel=0.01)
    assert rates[-1] == pytest.approx(2e-5, rel=0.01)


@pytest.mark.parametrize("widths", [(1, 2), (8, 0, 8), (1, 2, 3, 4)])
def test_three_positive_widths_are_expected(widths):
    with pytest.raises(TrainingError, match="three positive numbers expected"):
        SegmenterConfig(widths=widths)
