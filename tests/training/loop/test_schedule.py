import dataclasses
import math

import numpy as np
import pytest
import torch

from training.cli.progress import Silent
from training.data.batches import make_batches
from training.loop import loop, schedule
from training.run import checkpoint
from training.run.files import LAST
from training.run.start import new_state

CPU = torch.device("cpu")
PICTURES = np.random.default_rng(0).integers(0, 255, (16, 1, 16, 16), np.uint8)


def judged(config, losses):
    """The state after epochs with these validation losses, and the rate used in each."""
    state, rates = new_state(config, CPU), []
    for loss in losses:
        rates.append(schedule.learning_rate(state, 100))
        schedule.judge(state, {"loss": loss})
        state.epoch += 1
        if schedule.early_stop(state):
            break
    return state, rates


def test_the_plateau_halves_the_rate_after_every_three_epochs_without_a_better_loss(tiny):
    config = dataclasses.replace(tiny["reslag"], lr_schedule="plateau", lr=1.0)
    losses = [5, 4, 4, 4.5, 4.2, 3.9, 4, 4, 4, 4, 4, 4, 4]
    assert judged(config, losses)[1] == [1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]


def test_the_plateau_ends_training_below_the_lowest_rate(tiny):
    config = dataclasses.replace(tiny["reslag"], lr_schedule="plateau", lr=1.6e-4, epochs=99)
    state, rates = judged(config, [1.0] * 99)
    assert rates == [1.6e-4] * 4 + [0.8e-4] * 3
    assert schedule.early_stop(state) == "the learning rate fell to 4e-05, below 5e-05 (plateau)"


def test_patience_ends_training_after_so_many_epochs_without_a_better_loss(tiny):
    config = dataclasses.replace(tiny["reslag"], patience=3, epochs=99)
    state, rates = judged(config, [3, 2, 2, 2, 1, 1, math.nan, 1.5, 0])
    assert len(rates) == 8
    reason = "no better validation loss in 3 epochs (patience 3)"
    assert schedule.early_stop(state) == reason


@pytest.mark.parametrize("name", ["constant", "cosine", "plateau"])
def test_without_patience_training_continues(name, tiny):
    config = dataclasses.replace(tiny["reslag"], lr_schedule=name)
    state, rates = judged(config, [2, 1, 1, 1, 1, 1])
    assert len(rates) == 6
    assert schedule.early_stop(state) is None


def test_the_record_of_an_epoch_has_the_rate_of_its_last_step(tiny):
    config = dataclasses.replace(tiny["reslag"], lr_schedule="constant", lr=3e-4, epoch_steps=2)
    state = new_state(config, CPU)
    loop.train(
        state, make_batches(config, PICTURES), PICTURES[:4], log=Silent(), save=lambda *_: None
    )
    assert [record["lr"] for record in state.history] == [3e-4, 3e-4]


def test_a_run_that_stopped_early_stays_stopped(tiny):
    config = dataclasses.replace(tiny["reslag"], patience=2, lr=1e-12, epochs=50, epoch_steps=1)
    state = new_state(config, CPU)
    for _ in range(2):
        finished = loop.train(
            state, make_batches(config, PICTURES), PICTURES[:4], log=Silent(), save=lambda *_: None
        )
        assert finished
        assert state.epochs_since_best == 2
        assert len(state.history) < 50


@pytest.mark.parametrize("stop_at", [3, 8, 9, 11])
def test_an_interrupted_run_on_a_plateau_resumes_bit_for_bit(stop_at, tiny, tmp_path):
    """A rate of almost nothing: no epoch is better than the first, and the rate is halved twice."""
    config = dataclasses.replace(
        tiny["reslag"], lr_schedule="plateau", lr=1.9e-4, epochs=20, epoch_steps=2, grad_clip=1e-30
    )

    def train(state, stop_at=None):
        loop.train(
            state,
            make_batches(config, PICTURES),
            PICTURES[:4],
            log=Silent(),
            save=lambda state, best: checkpoint.save(tmp_path, state, {}, best=best),
            should_stop=lambda: state.step == stop_at,
        )
        return state

    whole = train(new_state(config, CPU))
    train(new_state(config, CPU), stop_at)
    state = checkpoint.resume(checkpoint.read(tmp_path / LAST), config, CPU)
    assert state.step == stop_at
    train(state)
    assert state.history == whole.history
    assert (state.epochs_since_best, state.lr_scale) == (whole.epochs_since_best, whole.lr_scale)
    assert [r["lr"] for r in whole.history[:5]] == [1.9e-4] * 4 + [0.95e-4]
    assert schedule.early_stop(state) == schedule.early_stop(whole) is not None
