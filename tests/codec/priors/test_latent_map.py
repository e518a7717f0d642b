"""The map prior against its reference, its inverse, codes from the future and hostile weights."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.entropy.range_coder import RangeCoder
from codec.errors import BundleError, RecordError
from codec.priors import latent_map as map_prior
from codec.priors.latent_map import (
    MAX_GAIN,
    MAX_SCALE,
    MEAN_BLOCKS,
    PHASES,
    SCALE_BLOCKS,
    MapPrior,
    Weights,
)
from codec.priors.scan_order import SCAN_ORDER
from codec.priors.tables import Tables, apportion
from codec.quantise import MAX_CODE
from codec.reference.range_coder import ReferenceCoder

SIZES = [(1, 1), (1, 7), (7, 1), (2, 2), (3, 5), (4, 4), (5, 9), (9, 8)]
seeds = st.integers(0, 2**32 - 1)


def random_prior(seed: int) -> MapPrior:
    """A prior whose every weight is at random; it fits no data."""
    rng = np.random.default_rng(seed)
    dims, classes = int(rng.integers(1, 7)), int(rng.integers(1, 5))
    group = rng.integers(0, rng.integers(1, 4), dims)
    group = np.unique(group, return_inverse=True)[1].astype(np.uint8)
    mean = rng.integers(-60, 60, (len(SCAN_ORDER), MEAN_BLOCKS, dims, dims)).astype(np.int16)
    scale = rng.integers(0, 900, (len(SCAN_ORDER), SCALE_BLOCKS, dims, dims)).astype(np.int16)
    unknown = group[:, None] >= group[None, :]
    mean[:, 0, unknown], scale[:, 0, unknown] = 0, 0
    thresholds = np.sort(rng.integers(500, 60_000, classes - 1)).astype(np.int32)
    return MapPrior(
        random_tables(rng, PHASES * classes),
        Weights(group, mean, scale, thresholds),
        rng.integers(-600, 600, (len(SCAN_ORDER), dims)).astype(np.int32),
        rng.integers(-2000, 9000, (len(SCAN_ORDER), dims)).astype(np.int32),
    )


def random_tables(rng: np.random.Generator, rows: int) -> Tables:
    width = int(rng.integers(2, 12))
    low = rng.integers(-width, 1, rows).astype(np.int32)
    return Tables(
        low, np.stack([apportion(rng.gamma(0.5, size=width) + 1e-3) for _ in range(rows)])
    )


def random_codes(seed: int, dims: int, tiles: int = 2) -> np.ndarray:
    """Mostly small; now and then too large for sums in float32."""
    rng = np.random.default_rng(seed)
    size, spread = SIZES[rng.integers(len(SIZES))], rng.choice([3, 3, 3000, 200_000])
    return np.rint(rng.normal(0, spread, (tiles, dims, *size))).astype(np.int32)


@settings(max_examples=80, deadline=None)
@given(seed=seeds)
def test_both_coders_write_the_same_bytes_and_read_them_back(seed: int) -> None:
    prior = random_prior(seed)
    codes = random_codes(seed, len(prior.weights.channel_group))
    fast, slow = RangeCoder(prior), ReferenceCoder(prior)
    payload = fast.encode(codes)
    assert payload == slow.encode(codes)
    assert (fast.decode(payload, codes.shape) == codes).all()
    assert (slow.decode(payload, codes.shape) == codes).all()


@settings(max_examples=80, deadline=None)
@given(seed=seeds)
def test_images_coded_together_have_the_bytes_they_have_alone(seed: int) -> None:
    prior = random_prior(seed)
    coder = RangeCoder(prior)
    codes = random_codes(seed, len(prior.weights.channel_group), tiles=5)[:, None]
    together = coder.encode_all(codes)
    assert together == [coder.encode(one) for one in codes]
    found = coder.decode_all(together, codes.shape[1:])
    assert all(np.array_equal(*pair) for pair in zip(found, codes, strict=True))


@settings(max_examples=100, deadline=None)
@given(seed=seeds, payload=st.binary(max_size=60))
def test_any_bytes_are_a_canonical_payload_or_refused_by_both_coders(
    seed: int, payload: bytes
) -> None:
    prior = random_prior(seed % 20)
    shape = random_codes(seed, len(prior.weights.channel_group), tiles=1).shape
    results = []
    for coder in (RangeCoder(prior), ReferenceCoder(prior)):
        try:
            decoded = coder.decode(payload, shape)
        except RecordError:
            results.append(None)
        else:
            assert coder.encode(decoded) == payload
            results.append(decoded.tobytes())
    assert results[0] == results[1]


@settings(max_examples=100, deadline=None)
@given(seed=seeds)
def test_every_code_is_coded_once(seed: int) -> None:
    prior = random_prior(seed)
    codes = random_codes(seed, len(prior.weights.channel_group))
    visits = np.zeros(codes.shape, int)
    for part in prior.passes(codes):
        visits[part.place] += 1
    assert (visits == 1).all()


@settings(max_examples=100, deadline=None)
@given(seed=seeds)
def test_rows_and_offsets_do_not_depend_on_codes_of_their_own_pass_or_later(seed: int) -> None:
    prior = random_prior(seed)
    codes = random_codes(seed, len(prior.weights.channel_group))
    count = sum(1 for _ in prior.passes(codes))
    change = int(np.random.default_rng(seed).integers(count))
    changed = codes.copy()
    for part in list(prior.passes(codes))[change:]:
        changed[part.place] += 5
    before = list(prior.passes(codes))[: change + 1]
    for one, other in zip(before, prior.passes(changed), strict=False):
        assert np.array_equal(one.table_index, other.table_index)
        assert np.array_equal(one.offset, other.offset)


def test_the_largest_codes_survive_the_largest_weights() -> None:
    prior = random_prior(5)
    dims = len(prior.weights.channel_group)
    mean = np.zeros_like(prior.weights.mean)
    mean[:, 1, 0, :] = MAX_GAIN
    scale = prior.weights.scale.copy()
    scale[:, 1:] = np.iinfo(np.int16).max
    prior = replace(prior, weights=replace(prior.weights, mean=mean, scale=scale))
    codes = np.full((1, dims, 5, 6), MAX_CODE, np.int32)
    codes[:, :, ::2, ::3] = -MAX_CODE
    payload = RangeCoder(prior).encode(codes)
    assert payload == ReferenceCoder(prior).encode(codes)
    assert (RangeCoder(prior).decode(payload, codes.shape) == codes).all()


def test_the_payload_is_at_most_a_byte_longer_than_the_ideal_code_length() -> None:
    excess = []
    for seed in range(100):
        prior = random_prior(seed)
        codes = random_codes(seed, len(prior.weights.channel_group))
        excess.append(len(RangeCoder(prior).encode(codes)) - prior.bits(codes).sum() / 8)
    assert max(excess) < 1.1
    assert 0 < np.mean(excess) < 0.45


def test_products_of_one_position_at_a_time_give_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prior = random_prior(4)
    dims = len(prior.weights.channel_group)
    codes = np.random.default_rng(0).integers(-9, 9, (2, dims, 14, 11), np.int32)
    whole = RangeCoder(prior).encode(codes)
    monkeypatch.setattr(map_prior, "MULTIPLY_ADDS", 1)
    assert RangeCoder(prior).encode(codes) == whole
    assert (RangeCoder(prior).decode(whole, codes.shape) == codes).all()


def test_a_perfect_prediction_costs_next_to_nothing() -> None:
    """Codes that all equal their channel's bias leave only zeros."""
    prior = random_prior(7)
    dims = len(prior.weights.channel_group)
    weights = replace(
        prior.weights,
        mean=np.zeros_like(prior.weights.mean),
        scale=np.zeros_like(prior.weights.scale),
        thresholds=np.zeros(0, np.int32),
    )
    sure = Tables(
        np.full(PHASES, -1, np.int32), np.stack([apportion(np.array([1, 1e7, 1, 1]))] * 4)
    )
    bias = np.tile(np.arange(dims, dtype=np.int32) * 256, (len(SCAN_ORDER), 1))
    prior = MapPrior(sure, weights, bias, np.zeros_like(bias))
    codes = np.broadcast_to(np.arange(dims, dtype=np.int32)[None, :, None, None], (1, dims, 9, 9))
    assert len(RangeCoder(prior).encode(codes)) <= 1


DIMS = 3
SHAPES = {
    "mean": (len(SCAN_ORDER), MEAN_BLOCKS, DIMS, DIMS),
    "scale": (len(SCAN_ORDER), SCALE_BLOCKS, DIMS, DIMS),
}


def arrays() -> dict[str, np.ndarray]:
    return {
        "channel_group": np.array([0, 1, 1], np.uint8),
        "mean": np.zeros(SHAPES["mean"], np.int16),
        "scale": np.zeros(SHAPES["scale"], np.int16),
        "thresholds": np.array([10, 20], np.int32),
    }


def test_plain_weights_are_accepted() -> None:
    assert Weights(**arrays()).channel_group.tolist() == [0, 1, 1]


def future(name: str) -> dict[str, np.ndarray]:
    """A weight at the same position from channel 2 to channel 1, of one group."""
    weights = np.zeros(SHAPES[name], np.int16)
    weights[4, 0, 2, 1] = 1
    return {name: weights}


@pytest.mark.parametrize(
    "change",
    [
        {"channel_group": np.array([0, 2, 2], np.uint8)},
        {"channel_group": np.array([1, 1, 1], np.uint8)},
        {"channel_group": np.array([0, 1, 1], np.int64)},
        {"channel_group": np.zeros((3, 1), np.uint8)},
        {"mean": np.zeros(SHAPES["mean"], np.int32)},
        {"mean": np.zeros((6, *SHAPES["mean"][1:]), np.int16)},
        {"mean": np.full(SHAPES["mean"], MAX_GAIN // 26, np.int16)},
        {"scale": np.full(SHAPES["scale"], -1, np.int16)},
        {"scale": np.zeros(SHAPES["mean"], np.int16)},
        {"thresholds": np.array([20, 10], np.int32)},
        {"thresholds": np.array([10, 20], np.int64)},
        {"thresholds": np.zeros((1, 1), np.int32)},
        {"thresholds": np.array([0, 20], np.int32)},
        {"thresholds": np.array([10, MAX_SCALE + 1], np.int32)},
        {"thresholds": np.array(3, np.int32)},
        future("mean"),
        future("scale"),
    ],
)
def test_hostile_weights_are_refused(change: dict[str, np.ndarray]) -> None:
    with pytest.raises(BundleError):
        Weights(**{**arrays(), **change})


@pytest.mark.parametrize(
    "change",
    [
        {"mean_bias": np.zeros((7, DIMS), np.int64)},
        {"mean_bias": np.zeros((DIMS, 7), np.int32)},
        {"scale_bias": np.zeros((7, DIMS + 1), np.int32)},
        {"tables": random_tables(np.random.default_rng(0), 11)},
        {"tables": random_tables(np.random.default_rng(0), 16)},
    ],
)
def test_a_hostile_prior_is_refused(change: dict[str, np.ndarray]) -> None:
    good = MapPrior(
        random_tables(np.random.default_rng(0), 12),
        Weights(**arrays()),
        np.zeros((7, DIMS), np.int32),
        np.zeros((7, DIMS), np.int32),
    )
    with pytest.raises(BundleError):
        replace(good, **change)


def packed() -> dict[str, np.ndarray]:
    """Three levels on two sets of weights, as arrays; five channels."""
    some = map(random_prior, range(99))
    first = next(
        p for p in some if len(p.weights.channel_group) == 5 and len(p.weights.thresholds) == 3
    )
    other = replace(first.weights, mean=first.weights.mean // 2)
    second = replace(first, weights=other, mean_bias=first.mean_bias + 3)
    third = replace(second, scale_bias=first.scale_bias + 30_000)
    return MapPrior.pack([first, second, third])


def test_packed_priors_come_back_and_share_what_they_shared() -> None:
    arrays = packed()
    priors = MapPrior.unpack(arrays, 5, 3)
    again = MapPrior.pack(priors)
    assert again.keys() == arrays.keys()
    assert all(np.array_equal(again[name], arrays[name]) for name in arrays)
    assert [int(one) for one in arrays["set"]] == [0, 1, 1]
    codes = np.random.default_rng(0).integers(-3, 4, (1, 5, 9, 8), np.int32)
    payloads = [RangeCoder(prior).encode(codes) for prior in priors]
    assert len(set(payloads)) == 3
    for prior, payload in zip(MapPrior.unpack(again, 5, 3), payloads, strict=True):
        assert RangeCoder(prior).encode(codes) == payload


@pytest.mark.parametrize("name", packed())
def test_a_missing_array_is_named(name: str) -> None:
    arrays = packed()
    del arrays[name]
    with pytest.raises(KeyError, match=name):
        MapPrior.unpack(arrays, 5, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"set": np.array([0, 1, 1], np.int64)},
        {"set": np.array([0, 1], np.uint8)},
        {"set": np.array([0, 1, 200], np.uint8)},
        {"group": np.zeros(4, np.uint8)},
        {"mean_bias": np.zeros((2, 7, 5), np.int32)},
        {"scale_bias": np.zeros((3, 7, 4), np.int32)},
        {"low": np.zeros(3, np.int32)},
        {"mean_1": np.zeros((7, 9, 4, 4), np.int16)},
        {"scale_0": np.full((7, 3, 5, 5), -1, np.int16)},
        {"thresholds": np.zeros((2, 2), np.int32)},
        {"thresholds": np.zeros(77, np.int32)},
    ],
)
def test_hostile_arrays_are_refused(change: dict[str, np.ndarray]) -> None:
    with pytest.raises((BundleError, KeyError)):
        MapPrior.unpack({**packed(), **change}, 5, 3)
