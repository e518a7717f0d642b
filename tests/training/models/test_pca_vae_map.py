"""Block transforms that convolutions correct, and the prior that looks at neighbours."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.decomposition import PCA

from codec.priors.scan_order import SCAN_ORDER
from training.config.model import ModelConfig
from training.config.objective import ObjectiveConfig
from training.config.run import TrainConfig
from training.models.pca_vae_map import PcaVaeMap, blocks
from training.models.scan_order_prior import ScanOrderPrior, earlier
from training.objectives import likelihoods as objectives
from training.objectives.losses import batch_loss
from training.run.start import init_from_images, new_state
from training.run.state import State

CPU = torch.device("cpu")
CONFIG = TrainConfig(
    model=ModelConfig(family="pca_vae_map", channels=3, latent=6, widths=(4, 6), depth=1),
    objective=ObjectiveConfig(sigma="fixed", fixed_variance=0.01, octaves=(-1.0, 1.0)),
    crop=16,
)


@pytest.fixture(scope="module")
def photographs() -> list[np.ndarray]:
    """Smooth random images [3, H, W] of several sizes."""
    rng = np.random.default_rng(3)
    found = []
    for height, width in ((40, 56), (33, 47), (64, 24)):
        rough = rng.normal(0, 60, (3, height, width))
        smooth = sum(np.roll(rough, shift, (1, 2)) for shift in range(4)) / 2
        found.append((128 + smooth).clip(0, 255).astype(np.uint8))
    return found


def fresh(images: list[np.ndarray], config: TrainConfig = CONFIG) -> tuple[State, PcaVaeMap]:
    state = new_state(config, CPU)
    init_from_images(state, images)
    assert isinstance(state.model, PcaVaeMap)
    return state, state.model


def test_blocks_are_the_squares_of_every_image_without_the_rest_at_its_edges(photographs):
    cut = blocks(photographs, 8)
    assert cut.shape == (5 * 7 + 4 * 5 + 8 * 3, 3, 8, 8)
    np.testing.assert_array_equal(cut[8], photographs[0][:, 8:16, 8:16])


def test_a_fresh_network_restores_each_block_as_pca_of_all_blocks_does(photographs):
    _, model = fresh(photographs)
    rows = blocks(photographs, 8).reshape(-1, 192) / 255
    reference = PCA(6, svd_solver="full").fit(rows)
    expected = reference.inverse_transform(reference.transform(rows[:35])).reshape(5, 7, 3, 8, 8)
    x = torch.from_numpy(photographs[0])[None].float() / 255
    with torch.no_grad():
        x_hat = model.train().decode(model.encode(x).mu)[0].numpy()
    found = x_hat.reshape(3, 5, 8, 7, 8).transpose(1, 3, 0, 2, 4)
    np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("size", [(5, 5), (8, 4), (1, 3), (7, 6)])
def test_the_prior_of_a_value_depends_on_those_that_a_decoder_has_by_then(size):
    torch.manual_seed(0)
    prior = ScanOrderPrior(8)
    for parameter in prior.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    z = torch.randn(1, 8, *size)
    order = coding_order(8, size)
    before = torch.cat(prior(z))
    for channel, line, column in np.ndindex(8, *size):
        changed = z.clone()
        changed[0, channel, line, column] += 1
        moved = (torch.cat(prior(changed)) != before).any(0)
        assert (order[moved.numpy()] > order[channel, line, column]).all()


def coding_order(latent: int, size: tuple[int, int]) -> np.ndarray:
    """[D, h, w]: when the coder is given a value; values of one number are coded together."""
    order = np.zeros((latent, *size), int)
    groups = earlier(latent).sum(1).numpy().astype(int)
    for number, coding_pass in enumerate(SCAN_ORDER):
        order[:, *coding_pass.grid] = 1000 * number + groups[:, None, None]
    return order


def test_the_prior_of_the_last_pass_sees_all_eight_neighbours():
    prior = ScanOrderPrior(4)
    z = torch.randn(1, 4, 5, 5, requires_grad=True)
    prior(z).log_var[0, 3, 3, 2].backward()
    seen = z.grad[0, 3].abs() > 0
    expected = torch.zeros(5, 5, dtype=torch.bool)
    expected[2:5, 1:4] = True
    expected[3, 2] = False
    assert torch.equal(seen, expected)


def test_the_divergence_of_two_gaussians_is_that_of_their_densities():
    mu, log_var, mean, log_spread = 0.3, -1.0, -0.5, 0.7
    q, p = stats.norm(mu, np.exp(log_var / 2)), stats.norm(mean, np.exp(log_spread / 2))
    expected = q.expect(lambda z: q.logpdf(z) - p.logpdf(z))
    values = (torch.full((2, 1), value) for value in (mu, log_var, mean, log_spread))
    np.testing.assert_allclose(objectives.kl_between(*values), expected, rtol=1e-5)


def test_a_network_with_a_prior_of_its_own_learns_it(photographs):
    state, model = fresh(photographs)
    x = torch.from_numpy(np.stack([p[:, :16, :16] for p in photographs])).float() / 255
    batch_loss(state.loss_context(), state.model, x, x).total.backward()
    assert model.prior.passes[0].scale_bias.grad.abs().sum() > 0
    assert {id(p) for p in model.prior.parameters()} <= {id(p) for p in state.parameters()}


def test_rate_aware_or_not_the_corrections_begin_as_none(photographs):
    aware = dataclasses.replace(CONFIG.model, rate_aware=True)
    _, plain = fresh(photographs)
    _, rate_aware = fresh(photographs, dataclasses.replace(CONFIG, model=aware))
    z = torch.randn(2, 6, 3, 2)
    with torch.no_grad():
        torch.testing.assert_close(plain.decode(z), rate_aware.decode(z, torch.tensor([0.5, -1.0])))
