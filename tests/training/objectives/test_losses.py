import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional

from training.config.model import ModelConfig
from training.config.objective import ObjectiveConfig
from training.config.run import TrainConfig
from training.errors import TrainingError
from training.loop import loop
from training.models.pca import fit_pca, linear_kl
from training.objectives import likelihoods as objectives
from training.objectives.distortion import LOWEST_LOG_VARIANCE, distort, learned_log_variance
from training.objectives.losses import Loss, batch_loss
from training.run.start import init_from_images, new_state
from training.run.state import State

CPU = torch.device("cpu")
SIDE, LATENT = 8, 3
PIXELS = SIDE * SIDE


def new(family: str = "sigma_vae", channels: int = 1, **objective: object) -> State:
    """A network with its first weights and 100 images to be trained on."""
    model = ModelConfig(
        family=family,
        channels=channels,
        height=SIDE,
        width=SIDE,
        latent=LATENT,
        widths=(4, 6) if family in ("vq_vae", "vq_vae_2", "fsq") else (4,),
        codebook=8,
    )
    config = TrainConfig(model=model, objective=ObjectiveConfig(**objective), ema_decay=0.0)
    state = new_state(config, CPU)
    state.images, state.data_variance = 100, 0.04
    state.model.train()
    return state


def loss_of(state: State, x: Tensor, target: Tensor) -> Loss:
    return batch_loss(state.loss_context(), state.model, x, target)


def pictures(count: int = 6, channels: int = 1) -> Tensor:
    return torch.rand(count, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(7))


@dataclasses.dataclass
class Pass:
    """What the network does with a batch, computed without the loss; results are float64."""

    mu: np.ndarray
    log_var: np.ndarray
    z: np.ndarray
    sse: np.ndarray
    """of each image"""
    x_hat: Tensor
    noise: torch.Generator
    """after the sample"""

    @property
    def kl(self) -> np.ndarray:
        """Of each latent of each image."""
        return 0.5 * (self.mu**2 + np.exp(self.log_var) - 1 - self.log_var)


@torch.no_grad()
def by_hand(state: State, x: Tensor, target: Tensor) -> Pass:
    model = copy.deepcopy(state.model).train()
    noise = torch.Generator().manual_seed(state.config.seed)
    mu, log_var = model.encode(x)
    z = mu + (log_var / 2).exp() * torch.randn(mu.shape, generator=noise)
    x_hat = model.decode(z)
    sse = (x_hat - target).double().pow(2).sum((1, 2, 3))
    return Pass(*(t.double().numpy() for t in (mu, log_var, z, sse)), x_hat, noise)


def both(**objective: object) -> tuple[Loss, Pass]:
    state, x = new(**objective), pictures()
    expected = by_hand(state, x, x)
    return loss_of(state, x, x), expected


@pytest.mark.parametrize(
    ("sigma", "variance"),
    [
        ({"sigma": "fixed", "fixed_variance": 0.02}, lambda mse: 0.02),
        ({"sigma": "data"}, lambda mse: 0.04),
        ({"sigma": "optimal"}, lambda mse: mse),
        ({"sigma": "optimal", "variance_floor": 0.01}, lambda mse: mse + 0.01),
    ],
)
def test_the_elbo_is_nll_plus_beta_times_kl(sigma, variance):
    loss, seen = both(beta=2.5, **sigma)
    sigma2 = variance(seen.sse.mean() / PIXELS)
    nll = PIXELS / 2 * math.log(sigma2) + seen.sse.mean() / (2 * sigma2)
    kl = seen.kl.sum(1).mean()
    assert loss.distortion.item() == pytest.approx(nll, rel=1e-4)
    assert loss.rate.item() == pytest.approx(kl, rel=1e-4)
    assert loss.total.item() == pytest.approx(nll + 2.5 * kl, rel=1e-4)
    assert loss.variance.item() == pytest.approx(sigma2, rel=1e-4)
    assert loss.mse.item() == pytest.approx(seen.sse.mean() / PIXELS, rel=1e-4)


def test_the_error_is_that_of_the_target_and_not_of_the_input():
    state, x, target = new(), pictures(), 1 - pictures()
    seen = by_hand(state, x, target)
    assert loss_of(state, x, target).mse.item() == pytest.approx(seen.sse.mean() / PIXELS, 1e-4)


def test_the_squared_distortion_is_the_sum_of_squared_errors():
    loss, seen = both(distortion="squared", beta=3.0)
    expected = seen.sse.mean() + 3 * seen.kl.sum(1).mean()
    assert loss.total.item() == pytest.approx(expected, rel=1e-4)


def test_the_bernoulli_distortion_is_the_cross_entropy():
    loss, seen = both(distortion="bernoulli")
    x, p = pictures().double(), seen.x_hat.double()
    entropy = -(x * p.log() + (1 - x) * (1 - p).log()).sum((1, 2, 3)).mean().item()
    assert loss.total.item() == pytest.approx(entropy + seen.kl.sum(1).mean(), rel=1e-4)


@pytest.mark.parametrize("floor", [0.0, 0.02])
def test_the_gradient_with_an_optimal_variance_is_that_of_the_log_of_the_mse(floor):
    state, x = new(sigma="optimal", variance_floor=floor), pictures()
    other = copy.deepcopy(state.model)
    loss_of(state, x, x).total.backward()
    noise = torch.Generator().manual_seed(state.config.seed)
    mu, log_var = other.encode(x)
    x_hat = other.decode(mu + (log_var / 2).exp() * torch.randn(mu.shape, generator=noise))
    mse = functional.mse_loss(x_hat, x)
    kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1).mean()
    (PIXELS / 2 * (mse + floor).log() + kl).backward()
    for mine, theirs in zip(state.model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-3, atol=1e-4)


SIZES = {"shared": (1, 1, 1), "channel": (3, 1, 1), "pixel": (3, SIDE, SIDE)}
MEANS = {"shared": (0, 1, 2, 3), "channel": (0, 2, 3), "pixel": (0,)}


@pytest.mark.parametrize("sigma", list(SIZES))
def test_a_learned_variance_goes_to_the_mean_squared_residual(sigma):
    state, target = new(channels=3, sigma=sigma), pictures(200, channels=3)
    scale = 0.02 + 0.2 * torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    x_hat = target + scale * torch.randn(target.shape, generator=torch.Generator().manual_seed(2))
    assert state.log_variance is not None
    assert state.log_variance.shape == SIZES[sigma]
    optimizer = torch.optim.Adam([state.log_variance], lr=0.1)
    for number in range(400):
        optimizer.param_groups[0]["lr"] = 0.1 * 0.985**number
        optimizer.zero_grad()
        distort(state.loss_context(), x_hat, target)[0].backward()
        optimizer.step()
    residual = (x_hat - target).double()
    expected = residual.pow(2).mean(MEANS[sigma]).reshape(SIZES[sigma])
    found = learned_log_variance(state.loss_context()).detach().double().exp()
    torch.testing.assert_close(found, expected, rtol=5e-3, atol=0)


@pytest.mark.parametrize("sigma", list(SIZES))
def test_the_loss_of_a_learned_variance_is_the_nll_and_reaches_it_and_the_network(sigma):
    state, x = new(channels=3, sigma=sigma), pictures(channels=3)
    assert state.log_variance is not None
    with torch.no_grad():
        state.log_variance.uniform_(-4, -2, generator=torch.Generator().manual_seed(3))
    seen = by_hand(state, x, x)
    loss = loss_of(state, x, x)
    scale = (learned_log_variance(state.loss_context()).detach() / 2).exp().expand(x.shape)
    density = stats.norm.logpdf(x.double(), seen.x_hat.double(), scale.double())
    nll = -density.reshape(len(x), -1).sum(1).mean() - 3 * PIXELS / 2 * math.log(2 * math.pi)
    assert loss.distortion.item() == pytest.approx(nll, rel=1e-4)
    assert loss.variance.item() == pytest.approx((scale**2).mean().item(), rel=1e-4)
    loss.total.backward()
    assert state.log_variance.grad is not None
    assert all(p.grad is not None for p in state.model.parameters())


def test_the_noise_of_pixels_that_never_change_stops_at_a_lowest_value():
    state = new(sigma="pixel")
    assert state.log_variance is not None
    with torch.no_grad():
        state.log_variance.fill_(-60.0)
    assert learned_log_variance(state.loss_context()).min() >= LOWEST_LOG_VARIANCE


def test_a_variance_that_is_not_learned_is_no_parameter():
    state = new(sigma="optimal")
    with pytest.raises(TrainingError, match="sigma 'optimal' is not learned"):
        learned_log_variance(state.loss_context())


def penalty(loss: Loss, beta: float) -> float:
    return (loss.total - loss.distortion).item() / beta


def test_free_bits_take_the_floor_of_each_latent():
    loss, seen = both(regulariser="free_bits", free_bits=0.05, beta=2.0)
    means = seen.kl.mean(0)
    assert min(means) < 0.05 < max(means)
    expected = np.maximum(0.05, means).sum()
    assert penalty(loss, 2.0) == pytest.approx(expected, rel=1e-2)
    assert loss.rate.item() == pytest.approx(means.sum(), rel=1e-4)


def test_the_capacity_is_that_of_the_step():
    state, x = new(regulariser="capacity", capacity=40.0, capacity_steps=100, beta=2.0), pictures()
    kl = by_hand(state, x, x).kl.sum(1).mean()
    state.step = 50
    found = penalty(loss_of(state, x, x), 2.0)
    assert found == pytest.approx(abs(kl - 20), rel=1e-3)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_infovae_weighs_kl_and_mmd_of_the_sample(alpha):
    loss, seen = both(regulariser="info", info_alpha=alpha, mmd_weight=20.0, beta=2.0)
    prior = torch.randn(seen.z.shape, generator=seen.noise).double().numpy()

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return np.mean([math.exp(-((u - v) ** 2).sum() / LATENT**2) for u in a for v in b])

    mmd = kernel(seen.z, seen.z) + kernel(prior, prior) - 2 * kernel(seen.z, prior)
    expected = (1 - alpha) * seen.kl.sum(1).mean() + (alpha + 20 - 1) * mmd
    assert penalty(loss, 2.0) == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize(("alpha", "weight"), [(1.5, 10.0), (0.0, 0.5)])
def test_an_infovae_that_rewards_kl_or_mmd_is_refused(alpha, weight):
    with pytest.raises(TrainingError, match="expected in"):
        ObjectiveConfig(regulariser="info", info_alpha=alpha, mmd_weight=weight)


def test_beta_tc_weighs_the_total_correlation_in_a_data_set_of_this_size():
    loss, seen = both(regulariser="beta_tc", tc_weight=6.0)
    scale = np.exp(seen.log_var / 2)
    density = stats.norm.pdf(seen.z[:, None], seen.mu[None], scale[None])
    joint = np.log(density.prod(2).sum(1) / (100 * 6))
    marginals = np.log(density.sum(1) / (100 * 6)).sum(1)
    own = stats.norm.logpdf(seen.z, seen.mu, scale).sum(1)
    prior = stats.norm.logpdf(seen.z).sum(1)
    expected = (own - joint + 6 * (joint - marginals) + marginals - prior).mean()
    assert penalty(loss, 1.0) == pytest.approx(expected, rel=1e-2)


def test_dip_adds_its_penalty_to_the_kl():
    loss, seen = both(regulariser="dip", dip_diagonal=7.0, dip_off_diagonal=3.0)
    covariance = np.cov(seen.mu.T, ddof=0) + np.diag(np.exp(seen.log_var).mean(0))
    weights = 3 + (7 - 3) * np.eye(LATENT)
    expected = seen.kl.sum(1).mean() + (weights * (covariance - np.eye(LATENT)) ** 2).sum()
    assert penalty(loss, 1.0) == pytest.approx(expected, rel=1e-2)


def test_without_a_regulariser_the_loss_is_the_distortion():
    loss, seen = both(regulariser="none")
    assert loss.total == loss.distortion
    assert loss.rate.item() == pytest.approx(seen.kl.sum(1).mean(), rel=1e-4)


def test_an_autoencoder_has_neither_noise_nor_rate():
    state, x = new("autoencoder", regulariser="none", distortion="squared"), pictures()
    other = copy.deepcopy(state.model)
    loss = loss_of(state, x, x)
    x_hat = other.decode(other.encode(x).mu)
    assert loss.rate.item() == 0
    assert loss.total.item() == pytest.approx(((x - x_hat) ** 2).sum().item() / len(x), rel=1e-5)


def test_sparsity_is_a_penalty_on_the_codes():
    state = new("autoencoder", regulariser="none", sparsity=0.5)
    x, other = pictures(), copy.deepcopy(state.model)
    expected = 0.5 * other.encode(x).mu.abs().sum(1).mean().item()
    assert penalty(loss_of(state, x, x), 1.0) == pytest.approx(expected, rel=1e-2)


def test_the_contraction_of_a_linear_encoder_is_that_of_its_matrix():
    """The mean of |v^T W|^2 with the noise that is drawn after that of the posterior."""
    loss, seen = both(family="linear", regulariser="none", contraction=30.0)
    matrix = new("linear").model.encoder.mean.weight.detach()
    v = torch.randn(seen.z.shape, generator=seen.noise)
    expected = 30 * (v @ matrix).pow(2).sum(1).mean().item()
    assert penalty(loss, 1.0) == pytest.approx(expected, rel=1e-3)


def test_the_contraction_leaves_the_batch_as_it_is():
    state, x = new("autoencoder", regulariser="none", contraction=1.0), pictures()
    loss_of(state, x, x).total.backward()
    assert not x.requires_grad
    assert all(p.grad is not None for p in state.model.encoder.parameters())


def test_the_regulariser_grows_with_the_kl_warm_up():
    state, x = new(kl_warmup_steps=4, beta=2.0), pictures()
    shares = []
    for state.step in (0, 1, 3, 9):
        loss = loss_of(state, x, x)
        shares.append(((loss.total - loss.distortion) / loss.rate).item())
    assert shares == pytest.approx([0.5, 1.0, 2.0, 2.0], rel=1e-2)


@pytest.mark.parametrize("update", ["average", "loss"])
@pytest.mark.parametrize(("latent", "side"), [(2, 16), (2, 32), (8, 16)])
def test_the_terms_of_a_codebook_are_means_times_the_values_of_the_image(latent, side, update):
    model = ModelConfig(family="vq_vae", latent=latent, widths=(4, 6), codebook=8)
    objective = ObjectiveConfig(sigma="data", commitment=0.3, codebook_update=update)
    state = new_state(TrainConfig(model=model, objective=objective, crop=side), CPU)
    state.data_variance = 0.04
    state.model.train()
    x = torch.rand(4, 1, side, side, generator=torch.Generator().manual_seed(0))
    loss_of(state, x, x)
    other = copy.deepcopy(state.model)
    loss = loss_of(state, x, x)
    (found,) = other.encode(x).levels
    mean = functional.mse_loss(found.latent, found.codes).item()
    assert loss.rate.item() == pytest.approx(side**2 * mean, rel=1e-4)
    weight = 0.3 + (update == "loss")
    assert penalty(loss, 1.0) == pytest.approx(weight * side**2 * mean, rel=1e-2, abs=1e-3)


def test_geco_weighs_the_excess_of_the_error_like_a_likelihood_with_the_noise_of_the_target():
    state, x = new(distortion="squared", target_psnr=20.0), pictures()
    state.multiplier = 0.5
    seen = by_hand(state, x, x)
    excess = seen.sse.mean() / PIXELS / 0.01 - 1
    expected = seen.kl.sum(1).mean() + 0.5 * PIXELS / 2 * excess
    assert loss_of(state, x, x).total.item() == pytest.approx(expected, rel=1e-4)
    assert state.multiplier == 0.5


def test_a_loss_that_is_not_finite_does_not_change_the_multiplier():
    state, x = new(distortion="squared", target_psnr=20.0), pictures()
    assert loop.step(state, x, x) is not None
    before = state.multiplier, state.excess
    assert before != (1.0, 0.0)
    assert loop.step(state, x * math.nan, x) is None
    assert loop.step(state, x, x * math.inf) is None
    assert (state.multiplier, state.excess) == before


def ellipsoid(count: int = 400) -> np.ndarray:
    """Images of three strong directions and faint noise, uint8 [N, 1, 8, 8]."""
    rng = np.random.default_rng(4)
    basis = np.linalg.qr(rng.normal(size=(PIXELS, 3)))[0].T
    pixels = rng.normal(size=(count, 3)) * [150.0, 120.0, 100.0] @ basis
    pixels += 128 + 5 * rng.normal(size=(count, PIXELS))
    return pixels.round().clip(0, 255).astype(np.uint8).reshape(count, 1, SIDE, SIDE)


@dataclasses.dataclass
class Trained:
    """What a linear network did on `ellipsoid`, all images in each step."""

    psnr: np.ndarray
    """dB at each step"""
    rate: np.ndarray
    """nats per image at each step"""
    kl: np.ndarray
    """mean KL of each latent at the end"""
    state: State


def trained(steps: int = 800, last_lr: float = 0.0, **objective: object) -> Trained:
    images = ellipsoid()
    state = new("linear", **objective)
    init_from_images(state, images)
    x = torch.from_numpy(images).float() / 255
    psnr, rate = [], []
    for state.step in range(steps):
        fall = 0.5 + 0.5 * math.cos(math.pi * state.step / steps)
        for optimizer in state.optimizers().values():
            optimizer.param_groups[0]["lr"] = last_lr + (0.04 - last_lr) * fall
        loss = loop.step(state, x, x)
        assert loss is not None
        psnr.append(-10 * math.log10(loss.mse))
        rate.append(loss.rate.item())
    with torch.no_grad():
        kl = objectives.kl_per_latent(*state.model.encode(x)).mean(0).numpy()
    return Trained(np.array(psnr), np.array(rate), kl, state)


@pytest.mark.slow
def test_geco_reaches_its_psnr_and_then_the_lowest_rate_that_does():
    """At noise s the error of the optimal linear VAE is D s plus that of PCA."""
    pca = fit_pca(ellipsoid(), LATENT)
    noise = (10**-2.7 * PIXELS - pca.residual * (PIXELS - LATENT)) / LATENT
    lowest = linear_kl(pca.variances, noise)
    found = trained(1500, last_lr=0.01, distortion="squared", target_psnr=27.0)
    assert found.psnr[-300:].mean() == pytest.approx(27.0, abs=0.1)
    assert np.abs(found.psnr[-300:].reshape(-1, 20).mean(1) - 27.0).max() < 0.3
    assert found.rate[-300:].mean() == pytest.approx(lowest, rel=0.03)
    assert found.rate.max() > 1.5 * lowest
    assert found.state.multiplier == pytest.approx(10**-2.7 / noise, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("nats", [2.0, 7.0])
def test_capacity_steers_the_kl_to_its_target_from_below_and_above(nats):
    """Without it the KL would be the closed form of probabilistic PCA."""
    noise = 0.01
    free = linear_kl(fit_pca(ellipsoid(), LATENT).variances, noise)
    assert 2.5 < free < 6.5
    objective = {"sigma": "fixed", "fixed_variance": noise, "beta": 30.0}
    found = trained(regulariser="capacity", capacity=nats, capacity_steps=300, **objective)
    assert found.rate[-50:].mean() == pytest.approx(nats, rel=0.02)


@pytest.mark.slow
def test_free_bits_keep_latents_that_would_collapse_at_their_floor():
    noise = 1.2 * fit_pca(ellipsoid(), LATENT).variances[0]
    objective = {"sigma": "fixed", "fixed_variance": noise}
    assert trained(**objective).kl.max() < 0.02
    found = trained(regulariser="free_bits", free_bits=0.5, **objective)
    np.testing.assert_allclose(found.kl, 0.5, rtol=0.05)
