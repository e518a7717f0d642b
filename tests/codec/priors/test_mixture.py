"""The mixture prior against its reference, its inverse, false clusters and hostile arrays."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.entropy.range_coder import RangeCoder
from codec.errors import BundleError, RecordError
from codec.priors.latent_map import PHASES
from codec.priors.mixture import Mixture, MixturePrior
from codec.priors.tables import Tables, apportion
from codec.quantise import MAX_CODE
from codec.reference.range_coder import ReferenceCoder

seeds = st.integers(0, 2**32 - 1)


def random_prior(seed: int) -> MixturePrior:
    """A prior of random clusters; it fits no data."""
    rng = np.random.default_rng(seed)
    clusters, dims, classes = (int(rng.integers(1, 6)) for _ in range(3))
    mixture = Mixture(
        rng.integers(-3000, 3000, (clusters, dims)).astype(np.int32),
        rng.integers(0, 20_000, (clusters, dims)).astype(np.int32),
        np.sort(rng.integers(0, 20_000, classes - 1)).astype(np.int32),
    )
    ratio = rng.integers(1, 2**16 + 1, dims).astype(np.int32)
    return MixturePrior(random_tables(rng, PHASES * classes + 1), mixture, ratio)


def random_tables(rng: np.random.Generator, rows: int) -> Tables:
    width = int(rng.integers(6, 12))
    low = rng.integers(-width, 1, rows).astype(np.int32)
    low[-1] = 0
    weights = rng.gamma(0.5, size=(rows, width)) + 1e-3
    return Tables(low, np.stack([apportion(row) for row in weights]))


def random_codes(seed: int, dims: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    codes = np.rint(rng.normal(0, rng.choice([3, 300_000]), (2, dims, 1, 1)))
    # As codec.quantise clips them: a decoder refuses what no encoder of ours can have meant.
    return np.clip(codes, -MAX_CODE, MAX_CODE).astype(np.int32)


@settings(max_examples=80, deadline=None)
@given(seed=seeds)
def test_both_coders_write_the_same_bytes_and_read_them_back(seed: int) -> None:
    prior = random_prior(seed)
    codes = random_codes(seed, len(prior.ratio))
    payload = RangeCoder(prior).encode(codes)
    assert payload == ReferenceCoder(prior).encode(codes)
    for coder in (RangeCoder(prior), ReferenceCoder(prior)):
        np.testing.assert_array_equal(coder.decode(payload, codes.shape), codes)


@settings(max_examples=80, deadline=None)
@given(seed=seeds, payload=st.binary(max_size=12))
def test_any_bytes_are_a_canonical_payload_or_refused_by_both_coders(seed: int, payload) -> None:
    prior = random_prior(seed)
    found = []
    for coder in (RangeCoder(prior), ReferenceCoder(prior)):
        try:
            found.append(coder.decode(payload, (2, len(prior.ratio), 1, 1)).tolist())
        except RecordError:
            found.append(None)
    assert found[0] == found[1]


def test_a_cluster_that_does_not_exist_is_refused() -> None:
    rng = np.random.default_rng(0)
    prior = next(p for p in map(random_prior, range(99)) if p.clusters < p.tables.escape)

    class Liar(MixturePrior):
        """An encoder that names the cluster behind the last."""

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
    tables = random_tables(np.random.default_rng(3), 4 * 3 + 1)
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


def test_packed_priors_are_unpacked_the_same() -> None:
    prior = random_prior(5)
    other = replace(prior, ratio=np.ones_like(prior.ratio))
    again = MixturePrior.unpack(MixturePrior.pack((prior, other)), len(prior.ratio), 2)
    codes = random_codes(5, len(prior.ratio))
    for found, expected in zip(again, (prior, other), strict=True):
        assert RangeCoder(found).encode(codes) == RangeCoder(expected).encode(codes)
