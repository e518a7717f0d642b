"""The map prior: exact sums of large codes, packed weights, and hostile ones."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codec.entropy.range_coder import RangeCoder
from codec.errors import BundleError
from codec.priors import latent_map
from codec.priors.latent_map import (
    MAX_GAIN,
    MAX_SCALE,
    MEAN_BLOCKS,
    MULTIPLY_ADDS,
    PHASES,
    SCALE_BLOCKS,
    MapPrior,
    Weights,
    add_product,
)
from codec.priors.scan_order import SCAN_ORDER
from codec.priors.tables import Tables, apportion
from codec.quantise import MAX_CODE
from codec.reference.range_coder import ReferenceCoder

sys.path.insert(0, str(Path(__file__).parent))
from random_priors import random_prior, random_tables


def test_the_largest_codes_survive_the_largest_weights() -> None:
    prior = random_prior("map", 5)
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


def test_products_of_one_position_at_a_time_give_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prior = random_prior("map", 4)
    dims = len(prior.weights.channel_group)
    codes = np.random.default_rng(0).integers(-9, 9, (2, dims, 14, 11), np.int32)
    whole = RangeCoder(prior).encode(codes)
    monkeypatch.setattr(latent_map, "MULTIPLY_ADDS", 1)
    assert RangeCoder(prior).encode(codes) == whole
    assert (RangeCoder(prior).decode(whole, codes.shape) == codes).all()


def test_a_perfect_prediction_costs_next_to_nothing() -> None:
    """Codes that all equal their channel's bias leave only zeros."""
    prior = random_prior("map", 7)
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


class Recorded(np.ndarray):
    """An array that notes the multiply-adds of its matrix products."""

    sizes: list[int] = []  # noqa: RUF012

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if ufunc is np.matmul:
            self.sizes.append(inputs[0].size * inputs[1].shape[1])
        return getattr(ufunc, method)(*map(np.asarray, inputs), **options)


@pytest.mark.parametrize("shape", [(1, 1), (300, 5), (700, 256), (0, 4)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_product_is_added_exactly_in_parts_that_stay_on_one_thread(shape, kind) -> None:
    rng = np.random.default_rng(0)
    features = rng.integers(-9, 9, shape).astype(np.float32)
    weights = rng.integers(-9, 9, (shape[1], 64)).astype(np.int16)
    total = np.ones((shape[0], 64), kind)
    Recorded.sizes.clear()
    add_product(total, features.view(Recorded), weights)
    np.testing.assert_array_equal(total, 1 + features.astype(int) @ weights)
    assert sum(Recorded.sizes) == features.size * 64
    assert max(Recorded.sizes, default=0) <= MULTIPLY_ADDS


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
        {"tables": random_tables(np.random.default_rng(0), 11, 5)},
        {"tables": random_tables(np.random.default_rng(0), 16, 5)},
    ],
)
def test_a_hostile_prior_is_refused(change: dict[str, np.ndarray]) -> None:
    good = MapPrior(
        random_tables(np.random.default_rng(0), 12, 5),
        Weights(**arrays()),
        np.zeros((7, DIMS), np.int32),
        np.zeros((7, DIMS), np.int32),
    )
    with pytest.raises(BundleError):
        replace(good, **change)


def packed() -> dict[str, np.ndarray]:
    """Arrays of three levels on two sets of weights, with five channels."""
    priors = (random_prior("map", seed) for seed in range(99))
    first = next(
        p for p in priors if len(p.weights.channel_group) == 5 and len(p.weights.thresholds) == 3
    )
    other = replace(first.weights, mean=first.weights.mean // 2)
    second = replace(first, weights=other, mean_bias=first.mean_bias + 3)
    third = replace(second, scale_bias=first.scale_bias + 30_000)
    return MapPrior.pack([first, second, third])


def test_levels_that_share_weights_share_them_again_after_unpacking() -> None:
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
