"""A comparator from the weights of an autoencoder to its file, with as few steps as possible."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from codec.quantise import quantise, steps
from training.comparator import (
    COMPARATOR,
    ComparatorConfig,
    drawn,
    load_comparator,
    measure,
    steps_within,
    train_comparator,
)
from training.comparator.drawn import draw_judged, make_drawn_batches
from training.comparator.files import STATE
from training.comparator.network import STRIDE, build_comparator, compare
from training.comparator.records import make_records
from training.comparator.state import learning_rate
from training.config.model import ModelConfig
from training.config.run import TrainConfig
from training.data.defects import bank
from training.errors import TrainingError
from training.run.checkpoint import load_run, write
from training.run.files import BEST
from training.run.start import init_from_images, new_state

CPU = torch.device("cpu")
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
    state = new_state(config, CPU)
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
    monkeypatch.setattr(drawn, "MOST", 10)
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

    return train_comparator(
        run,
        images[:9],
        images[9:],
        device=CPU,
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
    assert not (broken / COMPARATOR).exists()
    assert not train(broken, config=config, stop_after=3, log=log)
    assert "comparator: continues after step 2 of 6" in log
    assert train(broken, config=config, steps=99)  # the steps that it began with stay
    assert (straight / COMPARATOR).read_bytes() == (broken / COMPARATOR).read_bytes()
    assert not (broken / STATE).exists()
    assert (straight / BEST).read_bytes() == before


def test_another_seed_gives_other_weights_and_the_same_one_the_same(tmp_path):
    found = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train(make_run(tmp_path / name, MAP), seed=seed, steps=2)
        network, _ = load_comparator(tmp_path / name)
        found.append(torch.cat([p.flatten() for p in network.parameters()]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_the_log_has_ten_points_and_the_time_that_is_left(run):
    log: list[str] = []
    train(run, steps=20, log=log)
    points = [line for line in log if "AUROC" in line]
    assert [line.split()[2] for line in points] == [f"{n}/20" for n in range(2, 21, 2)]
    assert all(line.split("left")[0].rstrip()[-3] == ":" for line in points)
    _, info = load_comparator(run)
    assert [point["step"] for point in info["history"]] == list(range(2, 21, 2))
    assert all(0 <= point["auroc"] <= 1 for point in info["history"])
    json.dumps(info)


def test_the_loss_falls(run):
    train(run, steps=30)
    history = load_comparator(run)[1]["history"]
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]


def test_a_finished_comparator_is_kept(run):
    train(run)
    before, log = (run / COMPARATOR).read_bytes(), []
    assert train(run, steps=50, log=log)
    assert (run / COMPARATOR).read_bytes() == before
    assert log == [f"comparator: there is one already, of 6 steps: {run / COMPARATOR}"]


def test_a_comparator_of_other_weights_is_refused_and_trained_again(run):
    train(run)
    make_run(run, MAP, seed=1)
    with pytest.raises(TrainingError, match="was trained with other weights of the autoencoder"):
        load_comparator(run)
    assert train(run)
    assert load_comparator(run) is not None


def test_one_that_was_begun_with_other_weights_begins_anew(run):
    log: list[str] = []
    train(run, stop_after=2)
    make_run(run, MAP, seed=1)
    assert train(run, log=log)
    assert any(line.endswith("it begins anew") for line in log)


def test_a_run_without_a_comparator_has_none(run):
    assert load_comparator(run) is None


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_a_damaged_file_is_an_error(run, damage):
    train(run, steps=1)
    whole = (run / COMPARATOR).read_bytes()
    (run / COMPARATOR).write_bytes(whole[:-100] if damage is None else damage)
    with pytest.raises(TrainingError, match=r"comparator\.safetensors is not a readable"):
        load_comparator(run)


def test_the_checkpoint_of_an_autoencoder_is_not_a_comparator(run):
    (run / COMPARATOR).write_bytes((run / BEST).read_bytes())
    with pytest.raises(TrainingError, match="is not the file of a comparator"):
        load_comparator(run)


def test_no_steps_and_no_autoencoder_are_refused(run, tmp_path):
    with pytest.raises(TrainingError, match="0 steps for the comparator; at least 1 expected"):
        train(run, steps=0)
    with pytest.raises(TrainingError, match="does not exist"):
        train(tmp_path / "nothing")


def test_the_speed_gives_the_steps_of_a_time(run):
    seconds = measure(run, normal_images(MAP), device=CPU)
    assert seconds > 0
    assert not (run / COMPARATOR).exists()
    assert steps_within(100, 0.5) == 190  # a twentieth is left for everything else
    assert steps_within(0.1, 0.5) == 0


def test_what_is_compared_is_what_a_record_of_the_default_level_decodes_to(run):
    config, model, _ = load_run(run)
    images = normal_images(MAP)
    records = make_records(config, model, images, CPU)
    x = torch.from_numpy(images).float() / 255
    posterior = model.encode(x)
    variance = posterior.log_var.double().exp().mean((0, 2, 3)).numpy()
    np.testing.assert_allclose(records.sigma, np.sqrt(variance), rtol=1e-5)
    step = steps(records.sigma, 8)
    z = quantise(posterior.mu.numpy(), step) * step.reshape(1, -1, 1, 1)
    expected = model.decode(torch.from_numpy(z.astype(np.float32)))
    torch.testing.assert_close(records.decoded(x), expected, rtol=0, atol=1e-6)


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
    network = build_comparator(ComparatorConfig(channels=1, widths=(4, 4, 4))).eval()
    x, x_hat = torch.rand(2, 1, 20, 33), torch.rand(2, 1, 20, 33)
    found = compare(network, x, x_hat)
    wide = [np.pad(part, ((0, 0), (0, 0), (0, 12), (0, 15)), mode="edge") for part in (x, x_hat)]
    expected = network(*(torch.from_numpy(part) for part in wide))
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
        ComparatorConfig(widths=widths)
