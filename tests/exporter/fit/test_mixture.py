"""Fits of mixture priors to latents whose distribution is known."""

import numpy as np
from scipy import stats

from codec.priors.base import FactorisedPrior
from codec.priors.mixture import MixturePrior
from codec.quantise import quantise
from exporter.fit.mixture import fit_clusters, fit_global_priors

STEPS = np.stack([np.full(6, step, np.float32) for step in (2.0, 1.0, 0.5)])
MEANS = np.random.default_rng(0).normal(0, 6, (16, 6))


def draw(count: int, seed: int) -> np.ndarray:
    """Latents of 16 clusters of variance 1."""
    rng = np.random.default_rng(seed)
    return (MEANS[rng.integers(0, 16, count)] + rng.normal(0, 1, (count, 6))).astype(np.float32)


def test_clustered_latents_cost_nearly_their_entropy_at_every_level():
    priors = fit_global_priors(draw(4000, 1), STEPS)
    assert isinstance(priors[0], MixturePrior)
    test = draw(2000, 2)
    for prior, step in zip(priors, STEPS, strict=True):
        codes = quantise(test, step)
        found = prior.bits(codes[:, :, None, None]).mean()
        edges = [stats.norm.cdf((codes[:, None] + s) * step, MEANS) for s in (0.5, -0.5)]
        likelihood = np.maximum(edges[0] - edges[1], 1e-12).prod(2).mean(1)
        entropy = -np.log2(likelihood).mean()
        assert entropy - 0.2 < found < entropy + 1.2


def test_latents_without_clusters_keep_a_table_per_dimension():
    """A skewed dimension is coded by its own histogram; clusters would only cost their number."""
    rng = np.random.default_rng(4)
    mu = rng.exponential(3.0, (1200, 6)).astype(np.float32)
    assert isinstance(fit_global_priors(mu, STEPS)[0], FactorisedPrior)


def test_few_images_are_not_memorised():
    assert isinstance(fit_global_priors(draw(100, 5), STEPS)[0], FactorisedPrior)


def test_the_fitted_clusters_are_the_true_ones():
    share, mean, variance = fit_clusters(draw(6000, 6), 40)
    near = np.abs(mean[:, None] - MEANS).max(2).argmin(1)
    weight = np.array([share[near == k].sum() for k in range(16)])
    centre = np.array([np.average(mean[near == k], 0, share[near == k]) for k in range(16)])
    np.testing.assert_allclose(weight, 1 / 16, atol=0.02)
    np.testing.assert_allclose(centre, MEANS, atol=0.3)
    assert variance.min() > 0
