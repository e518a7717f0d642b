import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from scipy.special import logsumexp

from training.metrics import latents as diagnostics
from training.objectives import likelihoods as objectives


def test_the_psnr_of_a_hundredth_is_20_db():
    assert diagnostics.psnr(0.01) == pytest.approx(20.0)
    assert diagnostics.psnr(0.0) == pytest.approx(120.0)


def test_a_nat_is_1_44_bits():
    assert diagnostics.bits(1.0) == pytest.approx(1 / math.log(2))


def test_a_latent_that_never_moves_is_not_active():
    mu = torch.randn(500, 4, generator=torch.Generator().manual_seed(0))
    mu[:, 1] = 3.0
    mu[:, 2] *= 0.05
    assert diagnostics.active_units(mu).tolist() == [True, False, False, True]
    as_map = mu.reshape(5, 10, 10, 4).permute(0, 3, 1, 2)
    assert diagnostics.active_units(as_map).tolist() == [True, False, False, True]


def test_the_perplexity_counts_codes_in_even_use():
    assert diagnostics.perplexity(torch.tensor([5.0, 5.0, 5.0, 0.0])) == pytest.approx(3.0)
    assert diagnostics.perplexity(torch.tensor([9.0, 0.0])) == pytest.approx(1.0)
    assert diagnostics.code_usage(torch.tensor([5.0, 5.0, 5.0, 0.0])) == 0.75


def test_codes_cost_their_entropy():
    assert diagnostics.code_bits(torch.tensor([4, 4, 4, 4])) == pytest.approx(16 * 2)
    assert diagnostics.code_bits(torch.tensor([9, 0])) == pytest.approx(0)
    expected = 13 * stats.entropy([10, 2, 1], base=2)
    assert diagnostics.code_bits(torch.tensor([10, 2, 1])) == pytest.approx(expected)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def information_by_integration(means, deviations):
    """h(mixture) - mean h(component) of equally likely 1-D Gaussians, by quadrature."""

    def minus_p_ln_p(z):
        density = stats.norm.pdf(z, means, deviations).mean()
        return -density * np.log(density) if density > 0 else 0.0

    low, high = min(means) - 12, max(means) + 12
    entropy, _ = integrate.quad(minus_p_ln_p, low, high, points=means, limit=400)
    return entropy - np.mean(stats.norm.entropy(means, deviations))


@pytest.mark.parametrize(
    ("means", "deviations"),
    [([0.0], [1.0]), ([-1.0, 1.0], [1.0, 0.5]), ([-3.0, 0.0, 0.5, 4.0], [0.3, 1.0, 0.2, 0.7])],
)
def test_mutual_information_is_that_of_numerical_integration(means, deviations):
    copies = 6000 // len(means)
    mu = torch.tensor(means).repeat(copies)[:, None]
    log_var = torch.tensor(deviations).log().mul(2).repeat(copies)[:, None]
    found = diagnostics.mutual_information(mu, log_var, seeded())
    assert found == pytest.approx(information_by_integration(means, deviations), abs=0.02)


def test_mutual_information_is_the_mean_kl_less_that_of_the_aggregate_posterior():
    mu, log_var = torch.randn(300, 3, generator=seeded(1)), torch.full((300, 3), -2.0)
    found = diagnostics.mutual_information(mu, log_var, seeded())
    noise = torch.empty_like(mu, dtype=torch.float64).normal_(generator=seeded()).numpy()
    z = mu.numpy() + np.exp(-1.0) * noise
    pairs = stats.norm.logpdf(z[:, None], mu.numpy()[None], np.exp(-1.0)).sum(2)
    prior = stats.norm.logpdf(z).sum(1)
    kl = np.diagonal(pairs) - prior
    aggregate = logsumexp(pairs, axis=1) - math.log(300) - prior
    assert found == pytest.approx(np.mean(kl) - np.mean(aggregate), rel=1e-6)
    exact = objectives.gaussian_kl(mu, log_var).mean()
    assert np.mean(kl) == pytest.approx(float(exact), rel=0.05)


def test_mutual_information_is_never_above_ln_n_and_reaches_it():
    mu = 100 * torch.randn(64, 2, generator=seeded())
    found = diagnostics.mutual_information(mu, torch.zeros(64, 2), seeded())
    assert found == pytest.approx(math.log(64))
    near = diagnostics.mutual_information(mu / 100, torch.full((64, 2), -1.0), seeded())
    assert 0 < near < math.log(64)


def test_mutual_information_does_not_depend_on_the_size_of_its_chunks(monkeypatch):
    mu, log_var = torch.randn(50, 4, generator=seeded()), torch.zeros(50, 4)
    whole = diagnostics.mutual_information(mu, log_var, seeded())
    monkeypatch.setattr(diagnostics, "PAIRS", 120)
    assert diagnostics.mutual_information(mu, log_var, seeded()) == pytest.approx(whole)


def test_a_latent_is_collapsed_when_almost_no_image_uses_it():
    kl = torch.ones(200, 4)
    kl[:, 1] = 0.001
    kl[:2, 1] = 5.0
    kl[:, 2] = 0.001
    kl[:3, 2] = 5.0
    kl[:, 3] = 0.0099
    assert diagnostics.collapsed_units(kl, 0.01, 0.01).tolist() == [False, True, False, True]
    as_map = kl.reshape(50, 2, 2, 4).permute(0, 3, 1, 2)
    assert diagnostics.collapsed_units(as_map, 0.01, 0.01).tolist() == [False, True, False, True]
    assert not diagnostics.collapsed_units(kl, 0.01, 0.0)[1]


def test_the_elbo_is_the_log_density_of_the_normal_distribution_less_the_kl():
    rng = np.random.default_rng(0)
    x, mean, variance, kl = rng.random(20), rng.random(20), 0.03, 4.5
    log_density = stats.norm.logpdf(x, mean, variance**0.5).sum()
    sse = torch.tensor([((x - mean) ** 2).sum()])
    distortion = float(objectives.gaussian_nll(sse, variance, 20))
    assert diagnostics.elbo(distortion, kl, 20) == pytest.approx(log_density - kl)


def test_pixels_that_are_even_over_their_range_cost_eight_bits_each():
    assert diagnostics.bits_per_dimension(0.0, 784) == pytest.approx(8.0)
    nll = -math.log(256 / 4) * 10  # even over 4 of 256 bins
    assert diagnostics.bits_per_dimension(nll, 10) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("values", "variance", "rec", "lat", "total"),
    [
        (784, 0.0958, 16.718534, 14.588510, -817.6128),
        (784, 0.1251, 12.1918, 14.1663, -751.9987),
        (3072, 0.0634, 22.0229, 101.4148, -3961.8050),
        (12288, 0.0897, 81.95391, 193.7795, -14161.9359),
    ],
    ids=["MNIST", "Fashion-MNIST", "CIFAR-10", "CelebA"],
)
def test_the_total_of_sigma_rows_is_that_of_the_report(values, variance, rec, lat, total):
    found = diagnostics.sigma_total(rec, lat, variance, values)
    assert found == pytest.approx(total, rel=1e-3)
    constant = values * (stats.norm.logpdf(0.0, scale=variance**0.5) + 0.5 * math.log(2 * math.pi))
    assert found == pytest.approx(rec / (2 * variance) + lat - constant)


def test_the_sigma_total_is_lowest_at_the_mean_squared_error():
    best = diagnostics.sigma_total(16.0, 14.0, 16.0 / 784, 784)
    assert best == pytest.approx(392 * math.log(16.0 / 784) + 392 + 14.0)
    for variance in (0.9 * 16 / 784, 1.1 * 16 / 784, 0.0949):
        assert diagnostics.sigma_total(16.0, 14.0, variance, 784) > best


def test_the_totals_of_beta_and_mmd_rows_are_those_of_the_report():
    assert diagnostics.beta_total(19.2091, 1.9357, 4.0) == pytest.approx(26.9521, abs=3e-4)
    assert diagnostics.mmd_total(16.5469, 0.031436) == pytest.approx(32.2647, abs=4e-4)
    assert diagnostics.mmd_total(17.0, 0.01, 10.0) == pytest.approx(17.1)
