import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Bernoulli, Normal, kl_divergence

from training.objectives import likelihoods as objectives

GENERATOR = torch.Generator().manual_seed(0)


def random(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=GENERATOR)


def test_the_kl_is_that_of_torch_distributions_for_vectors_and_maps():
    for shape in ((5, 7), (5, 7, 2, 3)):
        mu, log_var = 3 * random(*shape) - 1, 4 * random(*shape) - 2
        expected = kl_divergence(Normal(mu, (0.5 * log_var).exp()), Normal(0.0, 1.0))
        torch.testing.assert_close(
            objectives.gaussian_kl(mu, log_var), expected.flatten(1).sum(1), rtol=1e-5, atol=1e-5
        )


def test_the_nll_is_that_of_scipy_without_its_constant():
    x, x_hat, variance = random(4, 1, 6, 6), random(4, 1, 6, 6), 0.03
    sse = objectives.squared_error(x, x_hat)
    found = objectives.gaussian_nll(sse, variance, 36) + 18 * math.log(2 * math.pi)
    density = stats.norm.logpdf(x.numpy(), x_hat.numpy(), math.sqrt(variance))
    np.testing.assert_allclose(found, -density.reshape(4, -1).sum(1), rtol=1e-4)


def test_no_other_variance_gives_a_lower_nll_than_the_optimal_one():
    sse = 10 * random(8) + 1
    best = objectives.optimal_variance(sse, 50)
    lowest = objectives.gaussian_nll(sse, best, 50).mean()
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert objectives.gaussian_nll(sse, best * factor, 50).mean() > lowest


def test_samples_have_the_mean_and_variance_of_the_posterior():
    mu, log_var = torch.full((100_000,), 2.0), torch.full((100_000,), math.log(0.25))
    noise = torch.randn(mu.shape, generator=torch.Generator().manual_seed(1))
    z = objectives.reparameterise(mu, log_var, noise)
    assert z.mean().item() == pytest.approx(2.0, abs=0.01)
    assert z.std().item() == pytest.approx(0.5, abs=0.01)


def test_the_commitment_moves_latents_and_never_codes():
    latent, codes = random(2, 3, 2, 2).requires_grad_(), random(2, 3, 2, 2).requires_grad_()
    objectives.commitment(latent, codes).sum().backward()
    assert codes.grad is None
    torch.testing.assert_close(latent.grad, 2 * (latent - codes).detach())


def test_the_loss_of_a_codebook_moves_codes_and_never_latents():
    latent, codes = random(2, 3, 2, 2).requires_grad_(), random(2, 3, 2, 2).requires_grad_()
    objectives.codebook(latent, codes).sum().backward()
    assert latent.grad is None
    torch.testing.assert_close(codes.grad, 2 * (codes - latent).detach())


def test_the_rate_of_an_optimal_linear_vae_is_that_of_probabilistic_pca():
    """Lucas et al. 2019: at the optimum the mean KL is the sum of ln(lambda_i / sigma^2) / 2."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    eigenvalues, sigma2, d = np.array([4.0, 2.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.1]), 0.1, 3
    data = torch.from_numpy(rng.normal(size=(200_000, 8)) * np.sqrt(eigenvalues) @ basis.T)
    top = torch.from_numpy(basis[:, :d])
    gain = torch.from_numpy(np.sqrt(eigenvalues[:d] - sigma2) / eigenvalues[:d])
    variance = torch.from_numpy(sigma2 / eigenvalues[:d])
    mu = data @ top * gain
    rate = objectives.gaussian_kl(mu, variance.log().expand_as(mu)).mean()
    assert rate.item() == pytest.approx(0.5 * np.log(eigenvalues[:d] / sigma2).sum(), rel=0.01)


def test_the_kl_of_each_latent_is_that_of_torch_distributions():
    for shape in ((5, 7), (5, 7, 2, 3)):
        mu, log_var = 3 * random(*shape) - 1, 4 * random(*shape) - 2
        expected = kl_divergence(Normal(mu, (0.5 * log_var).exp()), Normal(0.0, 1.0))
        found = objectives.kl_per_latent(mu, log_var)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found.flatten(1).sum(1), objectives.gaussian_kl(mu, log_var))


def test_the_bernoulli_nll_of_black_and_white_pixels_is_that_of_scipy():
    x, x_hat = (random(4, 1, 6, 6) > 0.5).float(), random(4, 1, 6, 6)
    expected = -stats.bernoulli.logpmf(x.numpy(), x_hat.numpy()).reshape(4, -1).sum(1)
    np.testing.assert_allclose(objectives.bernoulli_nll(x, x_hat), expected, rtol=1e-4)


def test_the_bernoulli_nll_of_gray_pixels_is_that_of_torch_distributions():
    x, x_hat = random(4, 3, 6, 6), random(4, 3, 6, 6)
    expected = -Bernoulli(x_hat, validate_args=False).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(objectives.bernoulli_nll(x, x_hat), expected)


def test_the_bernoulli_nll_is_finite_where_the_network_is_certain_and_wrong():
    x, x_hat = torch.tensor([[1.0, 0.0]]), torch.tensor([[-0.2, 1.0]])
    assert 20 < objectives.bernoulli_nll(x, x_hat).item() < math.inf


@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 1, 1), (3, 5, 6)])
def test_the_nll_with_a_map_of_variances_is_that_of_torch_distributions(sizes):
    x, x_hat, log_variance = random(4, 3, 5, 6), random(4, 3, 5, 6), 3 * random(*sizes) - 4
    density = Normal(x_hat, (0.5 * log_variance).exp()).log_prob(x).flatten(1).sum(1)
    found = objectives.gaussian_nll_map(x, x_hat, log_variance) + 45 * math.log(2 * math.pi)
    torch.testing.assert_close(found, -density, rtol=1e-4, atol=1e-3)


def test_a_map_of_one_variance_is_that_variance():
    x, x_hat = random(4, 1, 5, 6), random(4, 1, 5, 6)
    sse = objectives.squared_error(x, x_hat)
    np.testing.assert_allclose(sse, ((x - x_hat).double() ** 2).sum((1, 2, 3)), rtol=1e-5)
    torch.testing.assert_close(
        objectives.gaussian_nll_map(x, x_hat, torch.full((1, 1, 1), math.log(0.03))),
        objectives.gaussian_nll(sse, 0.03, 30),
    )
