"""The fit of the map prior to distributions of known entropy, and to awkward data."""

from __future__ import annotations

import numpy as np
import pytest

from codec.entropy.range_coder import RangeCoder
from codec.priors.base import FactorisedPrior
from codec.priors.tables import fit_tables
from codec.quantise import quantise
from exporter.fit.latent_map import channel_groups, fit_map_priors

pytestmark = pytest.mark.slow

SIDE, DIMS = 16, 2
CORRELATION, COUPLING = 0.7, 0.8


def field(count: int, seed: int, side: int = SIDE) -> np.ndarray:
    """Gaussian Markov maps `[N, 2, side, side]` of unit variance: neighbours along a line or a
    column have the correlation 0.7, the two channels 0.8 at the same position.
    """
    rng = np.random.default_rng(seed)
    line = np.linalg.cholesky(toeplitz(side))
    channels = np.linalg.cholesky(np.array([[1.0, COUPLING], [COUPLING, 1.0]]))
    noise = rng.normal(size=(count, DIMS, side, side))
    return np.einsum("cd,ij,kl,ndjl->ncik", channels, line, line, noise).astype(np.float32)


def toeplitz(side: int) -> np.ndarray:
    return CORRELATION ** np.abs(np.subtract.outer(np.arange(side), np.arange(side)))


def entropy_bits(step: float) -> float:
    """High-resolution entropy of quantised maps, bits per code: differential less log2 step."""
    line = np.linalg.slogdet(toeplitz(SIDE))[1] / SIDE
    channels = np.log(1 - COUPLING**2) / DIMS
    return 0.5 * (np.log2(2 * np.pi * np.e) + (2 * line + channels) / np.log(2)) - np.log2(step)


@pytest.mark.parametrize("step", [0.05, 0.25])
def test_a_markov_field_costs_little_more_than_its_entropy(step: float) -> None:
    steps = np.full((1, DIMS), step, np.float32)
    (prior,) = fit_map_priors([field(400, 0)], steps, 1)
    codes = quantise(field(40, 1), steps[0])
    bits = prior.bits(codes).sum() / codes.size
    apart = FactorisedPrior(fit_tables(quantise(field(400, 0), steps[0])))
    factorised = apart.bits(codes).sum() / codes.size
    # The first passes have few neighbours, the later ones at most eight.
    assert entropy_bits(step) - 0.02 < bits < entropy_bits(step) + 0.25
    assert bits < factorised - 0.9


def test_codes_without_any_dependence_cost_what_they_cost_apart() -> None:
    rng = np.random.default_rng(0)
    draw = lambda n: rng.normal(0, [[[[1.0]], [[0.2]]]], (n, DIMS, 12, 12)).astype(np.float32)  # noqa: E731
    steps = np.full((1, DIMS), 0.5, np.float32)
    training, codes = draw(400), quantise(draw(100), steps[0])
    (prior,) = fit_map_priors([training], steps, 1)
    apart = FactorisedPrior(fit_tables(quantise(training, steps[0])))
    assert prior.bits(codes).sum() < 1.03 * apart.bits(codes).sum()


def test_maps_whose_spread_varies_from_place_to_place_gain_from_the_scale() -> None:
    """Here no neighbour predicts a value, but all predict its magnitude."""
    rng = np.random.default_rng(0)

    def draw(count: int) -> np.ndarray:
        spread = np.exp(1.5 * field(count, int(rng.integers(2**32)))[:, :1])
        return (spread * rng.normal(size=(count, DIMS, SIDE, SIDE))).astype(np.float32)

    steps = np.full((1, DIMS), 0.5, np.float32)
    training, codes = draw(300), quantise(draw(60), steps[0])
    (prior,) = fit_map_priors([training], steps, 1)
    apart = FactorisedPrior(fit_tables(quantise(training, steps[0])))
    assert prior.bits(codes).sum() < 0.95 * apart.bits(codes).sum()


def test_every_level_has_its_prior_and_finer_levels_cost_more() -> None:
    steps = np.array([[2.0, 2.0], [1.0, 1.0], [0.5, 0.5], [0.1, 0.1]], np.float32)
    priors = fit_map_priors([field(100, 0)], steps, 2)
    maps = field(10, 1)
    cost = [p.bits(quantise(maps, s)).sum() for p, s in zip(priors, steps, strict=True)]
    assert cost == sorted(cost)
    assert len(cost) == 4
    assert len({id(prior.weights) for prior in priors}) == 2
    assert len({id(prior.tables) for prior in priors}) == 1


AWKWARD = {
    "eight small maps": [field(8, 0, 4)],
    "one position": [field(8, 0, 1)],
    "one map": [field(1, 0)],
    "several sizes": [field(3, 0), field(1, 1, 3), field(5, 2, 1)],
    "nothing but zeros": [np.zeros((8, DIMS, 4, 4), np.float32)],
    "one live channel": [field(20, 0) * np.array([1, 0], np.float32)[:, None, None]],
    "huge values": [np.float32(1e6) * field(8, 0, 5)],
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_data_give_a_prior_that_codes_anything(name: str) -> None:
    steps = np.array([[1.0, 0.7], [0.1, 0.05]], np.float32)
    for prior, step in zip(fit_map_priors(AWKWARD[name], steps, 2), steps, strict=True):
        coder = RangeCoder(prior)
        for size in (1, 4, 9):
            codes = quantise(field(1, 3, size), step)
            assert (coder.decode(coder.encode(codes), codes.shape) == codes).all()


def test_the_fit_is_the_same_every_time() -> None:
    steps = np.array([[0.3, 0.3]], np.float32)
    one, other = (fit_map_priors([field(30, 0)], steps, 1)[0] for _ in range(2))
    assert np.array_equal(one.weights.mean, other.weights.mean)
    assert np.array_equal(one.weights.scale, other.weights.scale)
    assert np.array_equal(one.tables.frequencies, other.tables.frequencies)


def test_channels_of_the_largest_spread_in_codes_come_first() -> None:
    spread = np.arange(1, 33, dtype=np.float32)
    maps = np.random.default_rng(0).normal(size=(20, 32, 8, 8)).astype(np.float32)
    group = channel_groups([maps * spread[:, None, None]], np.ones(32, np.float32))
    assert (np.diff(group.astype(int)) <= 0).all()
    assert group.max() > 0
    wide = channel_groups([maps * spread[:, None, None]], spread**2)
    assert wide[0] == 0
    assert wide[-1] == group.max()
