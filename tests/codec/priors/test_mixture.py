"""The mixture prior: the choice of clusters, false clusters and hostile arrays."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codec.entropy.range_coder import RangeCoder
from codec.errors import BundleError, RecordError
from codec.priors import mixture
from codec.priors.latent_map import PHASES
from codec.priors.mixture import Mixture, MixturePrior
from codec.priors.tables import Tables, apportion
from codec.reference.range_coder import ReferenceCoder

sys.path.insert(0, str(Path(__file__).parent))
from random_priors import KINDS, random_prior, random_tables


def test_a_cluster_that_does_not_exist_is_refused() -> None:
    rng = np.random.default_rng(0)
    priors = (random_prior("mixture", seed) for seed in range(99))
    prior = next(p for p in priors if p.clusters < p.tables.escape)

    class Liar(MixturePrior):
        """An encoder that writes the number after the last cluster."""

        def extended(self, codes):
            codes = super().extended(codes)
            codes[:, -1] = self.clusters
            return codes

        def passes(self, codes):
            first, second = super().passes(np.where(codes == self.clusters, 0, codes))
            yield from (first, second)

    liar = Liar(prior.tables, prior.mixture, prior.ratio)
    codes = rng.integers(-2, 0, (1, len(prior.ratio), 1, 1)).astype(np.int32)
    payload = RangeCoder(liar).encode(codes)
    for coder in (RangeCoder(prior), ReferenceCoder(prior)):
        with pytest.raises(RecordError, match=f"outside 0..{prior.clusters - 1}"):
            coder.decode(payload, codes.shape)


def test_the_chosen_cluster_is_among_the_cheapest_of_all() -> None:
    """With tables that are Gaussian, as the choice supposes, the cost of the best is nearly met."""
    rng = np.random.default_rng(1)
    values = np.arange(-40, 41)
    thresholds = np.array([1000, 4000, 12_000], np.int32)
    spreads = np.repeat([0.2, 0.6, 2.0, 4.0], PHASES)
    centres = np.tile([-0.5, -0.25, 0.0, 0.25], 4)
    bells = np.exp(
        -0.5 * ((values - centres[:, None]) / (spreads**2 + 1 / 12)[:, None] ** 0.5) ** 2
    )
    rows = [apportion(np.append(bell + 1e-9, 1e-9)) for bell in bells]
    clusters = np.zeros(82)
    clusters[:8] = 1
    tables = Tables(
        np.array([-40] * 16 + [0], np.int32), np.stack([*rows, apportion(clusters + 1e-9)])
    )
    mean = rng.integers(-1500, 1500, (8, 10)).astype(np.int32)
    scale = rng.choice([800, 2500, 8000, 16_000], (8, 10)).astype(np.int32)
    prior = MixturePrior(tables, Mixture(mean, scale, thresholds), np.full(10, 2**16, np.int32))
    x = mean[rng.integers(0, 8, 200)] / 256 + rng.normal(0, 1, (200, 10))
    codes = np.rint(x).astype(np.int32)[:, :, None, None]
    chosen = prior.bits(codes)

    def cost(cluster: int) -> np.ndarray:
        extended = np.concatenate([codes, np.full((200, 1, 1, 1), cluster, np.int32)], 1)
        total = np.zeros(200)
        for part in prior.passes(extended):
            symbols = extended[part.place] - part.offset
            rows = np.broadcast_to(part.table_index, symbols.shape)
            total += tables.bits(symbols, rows).reshape(200, -1).sum(1)
        return total

    best = np.min([cost(cluster) for cluster in range(8)], axis=0)
    assert (chosen >= best - 1e-9).all()
    assert (chosen - best).mean() < 0.3


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("mean", np.zeros((2, 3), np.int64), "int32"),
        ("mean", np.full((2, 3), 2**30 + 1, np.int32), "mean outside"),
        ("mean", np.zeros(3, np.int32), "0 clusters"),
        ("mean", np.zeros((4097, 3), np.int32), "4097 clusters"),
        ("scale", np.full((2, 3), -1, np.int32), "below 0"),
        ("scale", np.zeros((2, 4), np.int32), "int32"),
        ("thresholds", np.array([5, 4], np.int32), "descend"),
        ("ratio", np.zeros((1, 3), np.int32), "ratios"),
        ("ratio", np.full((1, 3), 2**16 + 1, np.int32), "ratios"),
        ("ratio", np.ones((1, 2), np.int32), "int32"),
        ("low", np.array([0] * 12 + [1], np.int32), "from 0"),
    ],
)
def test_hostile_arrays_are_refused(field: str, value: np.ndarray, word: str) -> None:
    tables = random_tables(np.random.default_rng(3), 4 * 3 + 1, 8)
    tables.low[-1] = 0
    arrays = {
        "low": tables.low,
        "frequencies": tables.frequencies,
        "mean": np.zeros((2, 3), np.int32),
        "scale": np.zeros((2, 3), np.int32),
        "thresholds": np.array([4, 5], np.int32),
        "ratio": np.ones((1, 3), np.int32),
    }
    MixturePrior.unpack(arrays, 3, 1)
    with pytest.raises(BundleError, match=word):
        MixturePrior.unpack(arrays | {field: value}, 3, 1)


def test_levels_are_unpacked_with_their_own_ratios() -> None:
    prior = random_prior("mixture", 5)
    other = replace(prior, ratio=np.ones_like(prior.ratio))
    again = MixturePrior.unpack(MixturePrior.pack((prior, other)), len(prior.ratio), 2)
    codes = KINDS["mixture"].codes(5, prior)
    for unpacked, expected in zip(again, (prior, other), strict=True):
        assert RangeCoder(unpacked).encode(codes) == RangeCoder(expected).encode(codes)


def test_clusters_of_one_tile_at_a_time_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    prior = random_prior("mixture", 6)
    codes = KINDS["mixture"].codes(6, prior, tiles=50)
    together = prior.extended(codes)
    monkeypatch.setattr(mixture, "MULTIPLY_ADDS", 1)
    np.testing.assert_array_equal(prior.extended(codes), together)
