import dataclasses
import math
from collections import deque

import numpy as np
import pytest
import torch

from training.config.objective import ObjectiveConfig
from training.config.run import TrainConfig
from training.data.batches import make_batches
from training.errors import TrainingError
from training.loop import loop, schedule
from training.loop.validation import batches, validate, whole_cells
from training.models import VqVae
from training.objectives.losses import batch_loss
from training.run.start import check_precision, compile_networks, new_state
from training.run.state import State

CPU = torch.device("cpu")


class Silent:
    """A log that keeps the records."""

    def __init__(self):
        self.records, self.skipped = [], 0

    def batch(self, state, loss, batches):
        self.skipped += loss is None

    def epoch(self, state, record, improved):
        self.records.append((record, improved))


def pictures(count: int = 16, side: int = 16) -> np.ndarray:
    """Horizontal and vertical bars of two pixels."""
    images = np.full((count, 1, side, side), 30, np.uint8)
    for i, image in enumerate(images):
        at = (5 * i) % (side - 2)
        (image[0] if i % 2 else image[0].T)[at : at + 2] = 220
    return images


def run(config: TrainConfig, images=None) -> tuple[State, Silent]:
    state, log = new_state(config, CPU), Silent()
    images = pictures() if images is None else images
    loop.train(state, make_batches(config, images), images[:4], log=log, save=lambda *_: None)
    return state, log


def weights(module: torch.nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def equal(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def inputs(state: State, value: float = 0.5) -> torch.Tensor:
    return torch.full((4, 1, 16, 16), value)


@pytest.mark.parametrize("family", ["reslag", "sigma_vae_map", "vq_vae"])
def test_training_lowers_the_error_on_held_out_images(family, tiny):
    config = dataclasses.replace(
        tiny[family], epochs=12, epoch_steps=8, corruptions=0, inversion=0, ema_decay=0.0, lr=5e-3
    )
    _, log = run(config)
    first, last = log.records[0][0], log.records[-1][0]
    assert last["psnr"] > first["psnr"] + 2
    assert last["loss"] < first["loss"]
    assert last["steps"] == 96


@pytest.mark.parametrize("family", ["reslag", "sigma_vae_map", "vq_vae"])
def test_the_same_configuration_gives_the_same_weights(family, tiny):
    first, second = (run(tiny[family])[0] for _ in range(2))
    other = run(dataclasses.replace(tiny[family], seed=1))[0]
    assert equal(weights(first.model), weights(second.model))
    assert equal(weights(first.ema_model), weights(second.ema_model))
    assert not equal(weights(first.model), weights(other.model))


def test_the_global_generator_is_not_used(tiny):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    run(tiny["reslag"])
    assert torch.equal(torch.rand(1), expected)


def test_the_encoder_is_trained_more_often_while_aggressive(tiny):
    config = dataclasses.replace(tiny["reslag"], aggressive_epochs=1, aggressive_ratio=4)
    state = new_state(config, CPU)
    moved = {"encoder": 0, "decoder": 0}
    last = {"encoder": weights(state.model.encoder), "decoder": weights(state.model.decoder)}

    class MoveCounter(Silent):
        def batch(self, state, loss, batches):
            for part, before in last.items():
                now = weights(getattr(state.model, part))
                moved[part] += not equal(now, before)
                last[part] = now

    both = make_batches(config, pictures(32))
    deque(loop.train_epoch(state, both, MoveCounter()))
    assert moved == {"encoder": 8, "decoder": 2}
    state.epoch, state.batch = 1, 0
    deque(loop.train_epoch(state, both, MoveCounter()))
    assert moved == {"encoder": 16, "decoder": 10}


@pytest.mark.parametrize("family", ["reslag", "sigma_vae_map", "vq_vae"])
def test_a_loss_that_is_not_finite_changes_nothing_but_the_count(family, tiny):
    state = new_state(tiny[family], CPU)
    assert loop.step(state, inputs(state), inputs(state)) is not None
    before = {name: t.clone() for name, t in state.model.state_dict().items()}
    for bad in (math.nan, math.inf):
        assert loop.step(state, inputs(state, bad), inputs(state)) is None
    assert state.skipped == 2
    after = state.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert math.isfinite(state.variance)


def test_training_that_only_diverges_ends_with_a_sentence(tiny):
    config = dataclasses.replace(tiny["reslag"], epoch_steps=80)
    state = new_state(config, CPU)
    with torch.no_grad():
        state.model.encoder.head.bias.fill_(math.nan)
    with pytest.raises(TrainingError, match="not finite 50 times in a row; lower lr"):
        deque(loop.train_epoch(state, make_batches(config, pictures()), Silent()))


def test_the_learning_rate_warms_up_and_falls_to_one_percent(tiny):
    config = dataclasses.replace(tiny["reslag"], lr=1.0, lr_warmup_steps=10)
    state = new_state(config, CPU)
    rates = []
    for state.step in range(101):
        rates.append(schedule.learning_rate(state, 100))
    assert rates[0] == pytest.approx(0.1, rel=0.01)
    assert max(rates) == pytest.approx(0.98, abs=0.01)
    assert rates[50] == pytest.approx(0.505)
    assert rates[100] == pytest.approx(0.01)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_a_constant_rate_stays(tiny):
    state = new_state(dataclasses.replace(tiny["reslag"], lr_schedule="constant", lr=0.3), CPU)
    state.step = 77
    assert schedule.learning_rate(state, 100) == 0.3


def test_the_kl_weight_grows_during_the_warm_up(tiny):
    objective = ObjectiveConfig(kl_warmup_steps=10, beta=2.0)
    config = dataclasses.replace(tiny["sigma_vae_map"], objective=objective)
    state = new_state(config, CPU)
    shares = []
    for state.step in (0, 4, 9, 500):
        loss = batch_loss(state.loss_context(), state.model, inputs(state), inputs(state))
        shares.append(((loss.total - loss.distortion) / loss.rate).item())
    assert shares == pytest.approx([0.2, 1.0, 2.0, 2.0], rel=1e-3)


def test_the_averaged_weights_follow_slowly_and_early_ones_are_forgotten(tiny):
    state = new_state(dataclasses.replace(tiny["reslag"], ema_decay=0.5), CPU)
    start = weights(state.ema_model)
    state.step = 100
    loop.step(state, inputs(state), inputs(state))
    for old, new, mean in zip(start, weights(state.model), weights(state.ema_model), strict=True):
        torch.testing.assert_close(mean, (old + new) / 2)


def test_without_averaging_the_model_itself_is_validated(tiny):
    state = new_state(dataclasses.replace(tiny["reslag"], ema_decay=0.0), CPU)
    assert state.ema_model is state.model


def test_the_best_epoch_is_the_one_of_lowest_validation_loss(tiny):
    saved = []
    config = dataclasses.replace(tiny["reslag"], epochs=5)
    state, log = new_state(config, CPU), Silent()
    loop.train(
        state,
        make_batches(config, pictures()),
        pictures()[:4],
        log=log,
        save=lambda state, best: saved.append(best),
    )
    losses = [record["loss"] for record, _ in log.records]
    assert saved == [loss < min(losses[:i], default=math.inf) for i, loss in enumerate(losses)]
    assert state.best == min(losses)
    assert [record["epoch"] for record in state.history] == [1, 2, 3, 4, 5]


def test_stopping_saves_in_the_middle_of_an_epoch(tiny):
    saved = []
    config = dataclasses.replace(tiny["sigma_vae_map"], epoch_steps=6)
    state, log = new_state(config, CPU), Silent()
    finished = loop.train(
        state,
        make_batches(config, pictures()),
        pictures()[:4],
        log=log,
        save=lambda state, best: saved.append((state.epoch, state.batch, best)),
        should_stop=lambda: state.step == 8,
    )
    assert not finished
    assert saved[1:] == [(1, 2, False)]


def test_validation_does_not_depend_on_how_often_it_is_done(tiny):
    state, _ = run(tiny["reslag"])
    first = validate(state, pictures()[:4])
    assert validate(state, pictures()[:4]) == first


def test_validation_takes_images_of_different_and_odd_sizes(tiny):
    config = tiny["sigma_vae_map"]
    images = [np.zeros((1, h, w), np.uint8) for h, w in ((16, 16), (16, 16), (19, 40), (16, 16))]
    assert [b.shape for b in batches(images, config)] == [
        (2, 1, 16, 16),
        (1, 1, 16, 40),
        (1, 1, 16, 16),
    ]
    ramp = np.arange(19, dtype=np.uint8)[None, None, :] * np.ones((1, 8, 1), np.uint8)
    assert whole_cells(ramp, config)[0, 0].tolist() == list(range(1, 17))
    state, _ = run(config)
    assert math.isfinite(validate(state, images)["loss"])


def test_the_codebook_is_in_use_after_training(tiny):
    state, log = run(dataclasses.replace(tiny["vq_vae"], epochs=6))
    assert isinstance(state.model, VqVae)
    record = log.records[-1][0]
    assert record["code_usage"] > 0.2
    assert 1 < record["perplexity"] <= 8


def test_geco_ignores_a_loss_that_is_not_finite(tiny):
    objective = ObjectiveConfig(distortion="squared", target_psnr=20.0)
    state = new_state(dataclasses.replace(tiny["reslag"], objective=objective), CPU)
    loop.step(state, inputs(state), inputs(state))
    before = state.multiplier, state.excess
    assert loop.step(state, inputs(state, math.nan), inputs(state)) is None
    assert (state.multiplier, state.excess) == before
    assert before != (1.0, 0.0)


def test_an_epoch_without_any_finite_loss_ends_with_a_sentence(tiny):
    """Also when it is shorter than the number of skips that are tolerated in a row."""
    config = dataclasses.replace(tiny["reslag"], epoch_steps=3)
    state = new_state(config, CPU)
    with torch.no_grad():
        state.model.encoder.head.bias.fill_(math.nan)
    with pytest.raises(TrainingError, match="not finite in any step of epoch 1; lower lr"):
        loop.train(
            state, make_batches(config, pictures()), pictures()[:4], log=Silent(), save=print
        )


def test_gradients_are_clipped_to_the_norm_of_the_configuration(tiny):
    """With plain steps: momentum of Adam hides the length of a gradient."""
    for limit, expected in ((1e-3, 1e-3), (0.0, None)):
        config = dataclasses.replace(tiny["reslag"], grad_clip=limit)
        state = new_state(config, CPU)
        x = torch.rand((4, 1, 16, 16), generator=torch.Generator().manual_seed(0))
        loop.step(state, x, x)
        norm = math.sqrt(sum((p.grad**2).sum().item() for p in state.model.parameters()))
        assert norm == pytest.approx(expected, rel=1e-4) if expected else norm > 1e-2


def test_bfloat16_is_refused_on_a_cpu_without_amx_with_the_reason(tiny, monkeypatch):
    config = dataclasses.replace(tiny["reslag"], precision="bf16")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": False})
    with pytest.raises(TrainingError, match="on other CPUs it trains 17 times slower than fp32"):
        check_precision(config, CPU)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    check_precision(config, CPU)


@pytest.mark.parametrize(("precision", "bf16"), [("auto", False), ("fp32", False), ("bf16", True)])
def test_a_cpu_trains_in_bfloat16_only_if_that_is_asked_for(precision, bf16, tiny):
    config = dataclasses.replace(tiny["reslag"], precision=precision)
    assert new_state(config, CPU).bf16 is bf16


@pytest.mark.parametrize("family", ["reslag", "sigma_vae_map", "vq_vae"])
def test_networks_run_in_bfloat16_and_losses_do_not(family, tiny):
    """What a GPU does; slow here, but the same code."""
    state = new_state(tiny[family], CPU)
    seen = set()
    for module in state.model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda m, i, out: seen.add(out.dtype))
    exact = batch_loss(state.loss_context(), state.model, inputs(state), inputs(state))
    state = new_state(tiny[family], CPU)
    state.bf16 = True
    for module in state.model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda m, i, out: seen.add(out.dtype))
    loss = batch_loss(state.loss_context(), state.model, inputs(state), inputs(state))
    assert seen == {torch.float32, torch.bfloat16}
    assert {term.dtype for term in loss} == {torch.float32}
    assert loss.mse.item() == pytest.approx(exact.mse.item(), rel=0.05)
    assert loop.step(state, inputs(state), inputs(state)) is not None


def test_a_compiled_network_computes_the_same_under_the_same_names(tiny):
    """The compiler itself would take minutes here; how its networks are called is the same."""
    plain, compiled = (new_state(tiny["reslag"], CPU) for _ in range(2))
    compile_networks(compiled)
    with torch.compiler.set_stance("force_eager"):
        losses = [loop.step(s, inputs(s), inputs(s)).total.item() for s in (plain, compiled)]
    assert losses[1] == losses[0]
    assert compiled.model.encoder._compiled_call_impl is not None
    assert compiled.ema_model.encoder._compiled_call_impl is None
    names = list(plain.model.state_dict())
    assert list(compiled.model.state_dict()) == list(compiled.ema_model.state_dict()) == names
