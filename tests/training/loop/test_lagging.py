import dataclasses
import math

import numpy as np
import pytest
import torch

from training.cli.progress import Silent
from training.data.batches import make_batches
from training.errors import TrainingError
from training.loop import lagging as aggressive
from training.loop import loop
from training.run import checkpoint
from training.run.files import LAST
from training.run.start import new_state
from training.run.state import LaggingState

CPU = torch.device("cpu")
PICTURES = np.random.default_rng(0).integers(0, 255, (20, 1, 16, 16), np.uint8)


def turns(config, losses, per_epoch=3):
    """What is done step by step when the steps have these losses."""
    state, done = new_state(config, CPU), []
    for loss in losses:
        turn = aggressive.next_turn(state, per_epoch)
        done.append(("".join(part[0] for part in turn.parts), turn.number))
        aggressive.count(state, turn, loss)
    return state, done


@pytest.fixture
def controlled(tiny):
    return dataclasses.replace(tiny["reslag"], aggressive_epochs=2, aggressive_until_mi=True)


def test_a_pace_of_epochs_trains_only_the_encoder_in_all_but_the_last_pass(tiny):
    config = dataclasses.replace(
        tiny["reslag"], aggressive_epochs=5, aggressive_ratio=3, aggressive_pace="epoch"
    )
    state, parts = new_state(config, CPU), []
    for state.epoch in range(8):
        turn = aggressive.next_turn(state, 10)
        parts.append("".join(part[0] for part in turn.parts))
    assert parts == ["e", "e", "ed", "e", "e", "ed", "ed", "ed"]


def test_the_encoder_is_trained_on_fresh_batches_until_its_loss_stops_falling(controlled):
    losses = [9.0] * 10 + [8.0] * 10 + [8.5] * 10
    state, done = turns(controlled, [*losses, 7.0, 9.0])
    assert done[:30] == [("e", 3 + i) for i in range(30)]
    assert done[30] == ("d", 0)
    assert done[31] == ("e", 33)
    assert (state.batch, state.step, state.lagging.steps) == (1, 1, 1)


def test_the_decoder_waits_for_99_encoder_steps_at_most(controlled):
    _, done = turns(controlled, [100.0 - i for i in range(101)])
    assert [part for part, _ in done] == ["e"] * 99 + ["d", "e"]


def test_skipped_steps_have_no_part_in_the_mean(controlled):
    lists = [None] * 5 + [9.0] * 5, [None] * 9 + [8.0], [None] * 10
    _, done = turns(controlled, [*lists[0], *lists[1], *lists[2], 1.0])
    assert [part for part, _ in done] == ["e"] * 30 + ["d"]


def test_the_phase_ends_after_five_epochs_in_all_without_more_mutual_information(controlled):
    """He et al. do not reset the count when it grows again."""
    config = dataclasses.replace(controlled, aggressive_epochs=100)
    state, phase = new_state(config, CPU), []
    for mi in (1.0, 2.0, 1.5, 1.5, 2.5, 2.4, 2.5, 2.4, 2.4, 3.0):
        phase.append(aggressive.is_aggressive(state))
        state.epoch += 1
        aggressive.finish(state, {"mi": mi})
    assert phase == [True] * 9 + [False]
    assert state.lagging.best_mi == 3.0


def test_the_phase_ends_with_its_epochs(controlled):
    state = new_state(controlled, CPU)
    state.epoch = 2
    assert not aggressive.is_aggressive(state)
    assert aggressive.next_turn(state, 3) == (("encoder", "decoder"), 0)


def train(state, stop_at=None, run=None):
    seen = []

    class LossRecorder(Silent):
        def batch(self, state, loss, batches):
            seen.append(loss)

    loop.train(
        state,
        make_batches(state.config, PICTURES),
        PICTURES[:8],
        log=LossRecorder(),
        save=lambda state, best: run and checkpoint.save(run, state, {}, best=best),
        should_stop=lambda: len(seen) == stop_at,
    )
    return state


@pytest.mark.parametrize("stop_at", [7, 10, 31])
def test_an_interrupted_run_under_the_controller_resumes_bit_for_bit(stop_at, controlled, tmp_path):
    config = dataclasses.replace(controlled, epoch_steps=1, lr=1e-4, aggressive_epochs=1)
    whole = train(new_state(config, CPU))
    train(new_state(config, CPU), stop_at, tmp_path)
    state = checkpoint.resume(checkpoint.read(tmp_path / LAST), config, CPU)
    assert state.lagging != LaggingState()
    train(state)
    assert state.history == whole.history
    assert state.lagging == whole.lagging
    assert math.isfinite(state.lagging.best_mi)
    for name, tensor in whole.model.state_dict().items():
        assert tensor.equal(state.model.state_dict()[name]), name


def test_a_decoder_step_does_not_change_the_encoder(tiny):
    state = new_state(tiny["reslag"], CPU)
    parts = {"encoder": state.model.encoder, "decoder": state.model.decoder}
    for part, module in parts.items():
        old = {n: [p.clone() for p in m.parameters()] for n, m in parts.items()}
        x = torch.full((4, 1, 16, 16), 0.5)
        loop.step(state, x, x, (part,))
        for name, other in parts.items():
            same = all(a.equal(b) for a, b in zip(old[name], other.parameters(), strict=True))
            assert same == (other is not module)


def test_the_controller_needs_a_posterior(tiny):
    config = dataclasses.replace(
        tiny["vq_vae"], aggressive_epochs=1, aggressive_until_mi=True, epoch_steps=1
    )
    with pytest.raises(TrainingError, match="needs a posterior of one latent vector per image"):
        train(new_state(config, CPU))
