"""One network for a range of rates."""

import dataclasses
import math

import pytest
import torch

from training.config.model import RATE_FAMILIES, ModelConfig
from training.config.objective import ObjectiveConfig
from training.config.run import from_json, to_json
from training.errors import TrainingError
from training.models import build
from training.models.base import append_rate_channel
from training.objectives import likelihoods as objectives
from training.objectives.rate_range import draw_step_scales
from training.run.start import new_state


@pytest.mark.parametrize("log2_step_scale", [-1.0, 0.0, 1.5])
def test_a_coarser_posterior_is_that_of_probabilistic_pca_with_more_noise(
    log2_step_scale: float,
) -> None:
    """x = w z + noise has the posterior variance 1 / (1 + w^2 / noise)."""
    w, noise = torch.tensor([0.1, 1.0, 7.0]), 0.3
    exact = 1 / (1 + w**2 / (noise * 4**log2_step_scale))
    before = (1 / (1 + w**2 / noise)).log()[None]
    after = objectives.coarsen(before, torch.tensor([log2_step_scale]))
    torch.testing.assert_close(after.exp()[0], exact)


def test_each_image_has_its_own_coarseness() -> None:
    log_var = torch.full((2, 3, 4, 4), -4.0)
    coarser = objectives.coarsen(log_var, torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(coarser[0], log_var[0])
    assert (coarser[1] > log_var[1] + 1.3).all()


@pytest.mark.parametrize("family", RATE_FAMILIES)
def test_a_rate_aware_decoder_uses_the_step_scale_which_is_one_by_default(family: str) -> None:
    torch.manual_seed(0)
    grid = {"stride": 8, "widths": (8, 8)} if family.endswith("_map") else {"stride": 4}
    widths = {} if "widths" in grid else {"widths": (8, 8)}
    side = {"side": "light"} if family == "reslag" else {}
    config = ModelConfig(
        family=family, height=16, width=16, latent=5, rate_aware=True, **grid, **widths, **side
    )
    model = build(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # layers that begin at zero ignore the rate
            parameter.add_(0.1 * torch.randn_like(parameter))
        z = model.encode(torch.rand(2, 1, 16, 16)).mu
        plain = model.decode(z)
        torch.testing.assert_close(model.decode(z, torch.zeros(2)), plain)
        torch.testing.assert_close(model.decode_latent(append_rate_channel(z, None)), plain)
        assert not torch.equal(model.decode(z, torch.ones(2)), plain)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sigma": "optimal", "fixed_variance": 0.0}, "sigma 'fixed'"),
        ({"regulariser": "none"}, "regulariser 'kl'"),
        ({"octaves": (2.0, -1.0)}, "low <= high"),
    ],
)
def test_an_objective_that_does_not_fit_a_range_of_rates_is_refused(change, words: str) -> None:
    right = ObjectiveConfig(sigma="fixed", fixed_variance=0.01, octaves=(-1.0, 2.0))
    with pytest.raises(TrainingError, match=words):
        dataclasses.replace(right, **change)


def test_families_without_posterior_are_not_rate_aware() -> None:
    with pytest.raises(TrainingError, match="rate_aware"):
        ModelConfig(family="vq_vae", widths=(8, 8), rate_aware=True)


def test_a_run_for_a_range_of_rates_is_read_back(tiny) -> None:
    objective = ObjectiveConfig(sigma="fixed", fixed_variance=0.01, octaves=(-1.0, 2.0))
    config = dataclasses.replace(tiny["reslag"], objective=objective)
    assert from_json(to_json(config)) == config


def test_the_drawn_step_scales_fill_their_range_evenly(tiny) -> None:
    objective = ObjectiveConfig(sigma="fixed", fixed_variance=0.01, octaves=(-1.0, 2.0))
    config = dataclasses.replace(tiny["reslag"], objective=objective)
    state = new_state(config, torch.device("cpu"))
    drawn = draw_step_scales(state.loss_context(), torch.zeros(4000, 1, 2, 2))
    assert drawn is not None
    assert -1 <= float(drawn.min()) < -0.98
    assert 1.98 < float(drawn.max()) <= 2
    assert math.isclose(float(drawn.mean()), 0.5, abs_tol=0.05)
