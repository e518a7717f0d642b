"""Every family of index models takes the same training step, checkpoint and validation."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from training.config.model import ModelConfig
from training.config.objective import ObjectiveConfig
from training.config.run import TrainConfig
from training.loop.loop import step
from training.loop.validation import validate
from training.models import IndexModel
from training.models.base import symbols
from training.run import checkpoint
from training.run.files import LAST
from training.run.start import new_state
from training.run.state import State

CPU = torch.device("cpu")
CONFIGS = {
    f"{family}-{update}": TrainConfig(
        model=ModelConfig(
            family=family, latent=3, widths=(4, 8), codebook=8, levels=(4, 3), height=16, width=24
        ),
        objective=ObjectiveConfig(codebook_update=update, code_decay=0.9),
        ema_decay=0.0,
        lr=5e-3,
    )
    for family, update in (
        ("vq_vae", "average"),
        ("vq_vae", "loss"),
        ("vq_vae_2", "average"),
        ("vq_vae_2", "loss"),
        ("fsq", "average"),
    )
}


def images(count: int = 24) -> torch.Tensor:
    """Bright discs on slopes, uint8 [B, 1, 16, 24]."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:16, :24]
    centres = rng.uniform(3, 13, (count, 2, 1, 1))
    disc = np.hypot(y - centres[:, 0], x - centres[:, 1]) < 4
    return torch.from_numpy((40 + 4 * x + 110 * disc).astype(np.uint8)[:, None])


@pytest.fixture(params=CONFIGS)
def state(request: pytest.FixtureRequest) -> State:
    """A run before its first step."""
    return new_state(CONFIGS[request.param], CPU)


def train(state: State, steps: int) -> list[float]:
    """The distortion of each step."""
    x = images().float() / 255
    distortions = []
    for _ in range(steps):
        loss = step(state, x, x)
        state.step += 1
        assert loss is not None
        distortions.append(loss.distortion.item())
    return distortions


def test_training_lowers_the_distortion(state):
    distortions = train(state, 60)
    assert np.mean(distortions[-5:]) < np.mean(distortions[:5]) - 100


def test_the_terms_of_the_loss_are_the_formulas_of_the_papers(state):
    train(state, 3)
    x = images().float() / 255
    with torch.no_grad():
        found = state.model.train().encode(x)
        per_value = sum(
            ((one.latent - one.codes) ** 2).mean((1, 2, 3)).mean().item() for one in found.levels
        )
    loss = step(state, x, x)
    weight = 0.25 + (state.config.objective.codebook_update == "loss")
    assert loss.rate.item() == pytest.approx(x[0].numel() * per_value, rel=1e-3, abs=1e-6)
    assert (loss.total - loss.distortion).item() == pytest.approx(
        weight * loss.rate.item(), rel=1e-3, abs=1e-2
    )


def test_codes_are_moved_by_their_own_rule(state):
    train(state, 2)
    by_loss = state.config.objective.codebook_update == "loss"
    held = {id(p) for p in state.encoder_optimizer.param_groups[0]["params"]}
    for book in state.model.codebooks():
        assert book.learned_by_loss == by_loss == (id(book.codes) in held)
        before = book.codes.detach().clone()
        train(state, 1)
        assert not torch.equal(book.codes.detach(), before)


def test_every_weight_is_trained_by_one_optimiser(state):
    groups = [group for o in state.optimizers().values() for group in o.param_groups]
    held = [id(p) for group in groups for p in group["params"]]
    assert sorted(held) == sorted(map(id, state.model.parameters()))


def test_a_run_resumes_from_its_checkpoint_bit_for_bit(state, tmp_path):
    train(state, 3)
    checkpoint.save(tmp_path, state, {}, best=True)
    again = checkpoint.resume(checkpoint.read(tmp_path / LAST), state.config, CPU)
    assert train(again, 3) == train(state, 3)
    for name, tensor in state.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name


def test_the_exporter_gets_the_weights_of_the_run(state, tmp_path):
    train(state, 3)
    checkpoint.save(tmp_path, state, {}, best=True)
    _, model, _ = checkpoint.load_run(tmp_path)
    assert isinstance(model, IndexModel)
    x = images().float() / 255
    with torch.no_grad():
        expected, found = state.model.eval().encode(x), model.encode(x)
    assert torch.equal(found.indices, expected.indices)
    assert found.indices.shape[1] == symbols(state.config.model)[0]
    assert found.indices.max() < symbols(state.config.model)[1]


def test_validation_reports_the_usage_of_the_codes(state):
    train(state, 3)
    record = validate(state, list(images().numpy()))
    with torch.no_grad():
        indices = state.model.encode(images().float() / 255).indices.numpy()
    books = {
        "vq_vae": {"perplexity": (indices, 8)},
        "vq_vae_2": {
            "perplexity_top": (indices[:, 0], 8),
            "perplexity_bottom": (indices[:, 1:], 8),
        },
        "fsq": {"perplexity": (3 * indices[:, 0] + indices[:, -1], 12)},
    }[state.config.model.family]
    used = 0
    for name, (codes, _) in books.items():
        times = np.unique(codes, return_counts=True)[1]
        p = times / times.sum()
        assert record[name] == pytest.approx(np.exp(-(p * np.log(p)).sum()))
        used += len(times)
    assert record["code_usage"] == pytest.approx(used / sum(size for _, size in books.values()))


def test_a_step_that_is_not_finite_does_not_change_the_codes(state):
    train(state, 3)
    before = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    x = images().float() / 255
    x[0, 0, 3, 3] = math.nan
    assert step(state, x, x) is None
    for name, tensor in state.model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_averaged_weights_are_usable_with_codes_too():
    """Presets of codebooks do not average, but it works."""
    config = dataclasses.replace(CONFIGS["vq_vae-average"], ema_decay=0.9)
    state = new_state(config, CPU)
    train(state, 60)
    averaged = validate(state, list(images().numpy()))
    state.ema_model = state.model
    assert averaged["psnr"] > validate(state, list(images().numpy()))["psnr"] - 3
