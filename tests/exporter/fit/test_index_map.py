"""The fit of the index prior to Markov fields of known entropy, and to small and unusual data."""

import numpy as np
import pytest

from codec.entropy.range_coder import RangeCoder
from codec.priors.index_map import IndexPrior, weights_of
from exporter.fit.index_map import can_fit, fit_index_prior, to_bytes

pytestmark = pytest.mark.slow


def markov_field(
    rng: np.random.Generator, count: int, height: int, width: int, law: np.ndarray
) -> np.ndarray:
    """Maps `[count, 1, height, width]` whose index depends on those to the left and above by
    `law [K + 1, K + 1, K]`; K means none.
    """
    book = law.shape[2]
    field = np.full((count, height + 1, width + 1), book)
    steps = law.cumsum(2)
    for y in range(1, height + 1):
        for x in range(1, width + 1):
            chance = steps[field[:, y, x - 1], field[:, y - 1, x]]
            field[:, y, x] = (rng.random((count, 1)) > chance[:, :-1]).sum(1)
    return field[:, None, 1:, 1:].astype(np.int32)


def entropy(field: np.ndarray, law: np.ndarray) -> float:
    """Mean bits per index of the field under its own law."""
    padded = np.pad(field[:, 0], ((0, 0), (1, 0), (1, 0)), constant_values=law.shape[2])
    p = law[padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, 1:, 1:]]
    return float(-np.log2(p).mean())


def sticky_law(book: int, rng: np.random.Generator) -> np.ndarray:
    """The law of an index given both of its neighbours."""
    like = 1.5 * rng.normal(size=(2, book + 1, 3)) @ rng.normal(size=(3, book))
    odds = np.exp(like[0][:, None] + like[1][None])
    return np.asarray(odds / odds.sum(2, keepdims=True))


def bits_per_index(prior: IndexPrior, maps: np.ndarray) -> float:
    return float(prior.bits(maps).sum() / maps.size)


@pytest.mark.parametrize("grid", [None, (6, 9)], ids=["any size", "one size"])
def test_the_code_length_comes_near_the_entropy_of_a_known_field(
    grid: tuple[int, int] | None,
) -> None:
    rng = np.random.default_rng(1)
    law = sticky_law(12, rng)
    training, test = (markov_field(rng, n, 6, 9, law) for n in (700, 200))
    prior = fit_index_prior([training], 12, grid)
    true, coded = entropy(test, law), bits_per_index(prior, test)
    counts = np.bincount(training.ravel(), minlength=12) / training.size
    static = float(-np.log2(counts[test]).mean())
    assert static > 1.15 * true, "the field has something to tell"
    assert true - 0.05 < coded < true + 0.2 * (static - true)


def test_a_larger_map_than_in_training_is_coded_as_well() -> None:
    rng = np.random.default_rng(2)
    law = sticky_law(12, rng)
    prior = fit_index_prior(
        [markov_field(rng, 300, 6, 6, law), markov_field(rng, 200, 4, 9, law)], 12, None
    )
    large = markov_field(rng, 4, 40, 50, law)
    assert bits_per_index(prior, large) < 1.1 * entropy(large, law)


def test_an_earlier_symbol_of_the_same_position_is_a_neighbour() -> None:
    rng = np.random.default_rng(3)
    first = rng.integers(0, 8, (600, 1, 4, 4)).astype(np.int32)
    second = (first * 3 + (rng.random(first.shape) < 0.1)) % 8
    maps = np.concatenate([first, second], axis=1).astype(np.int32)
    prior = fit_index_prior([maps[:500]], 8, (4, 4))
    # 3 bits, then 0.47.
    assert bits_per_index(prior, maps[500:]) == pytest.approx((3 + 0.469) / 2, abs=0.06)


def test_the_position_is_informative_if_all_maps_have_one_size() -> None:
    rng = np.random.default_rng(4)
    drawn = (np.arange(16).reshape(4, 4) + (rng.random((600, 1, 4, 4)) < 0.2)) % 16
    maps = drawn.astype(np.int32)
    prior = fit_index_prior([maps[:500]], 16, (4, 4))
    assert bits_per_index(prior, maps[500:]) < 1.0


def test_independent_indices_cost_no_more_than_their_histogram() -> None:
    rng = np.random.default_rng(5)
    maps = rng.choice(64, (400, 1, 5, 5), p=np.arange(1, 65) / 2080).astype(np.int32)
    prior = fit_index_prior([maps[:300]], 64, (5, 5))
    p = np.arange(1, 65) / 2080
    assert bits_per_index(prior, maps[300:]) < float(-(p * np.log2(p)).sum()) + 0.06


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 1, 2), (2, 8, 2, 2), (9, 1, 1, 1)], ids=str)
@pytest.mark.parametrize("book", [2, 300])
def test_few_maps_make_a_prior_that_codes_any_map(shape: tuple[int, ...], book: int) -> None:
    rng = np.random.default_rng(6)
    prior = fit_index_prior(
        [rng.integers(0, book, shape).astype(np.int32)], book, (shape[2], shape[3])
    )
    codes = np.full((1, shape[1], 3, 4), book - 1, np.int32)
    codes[..., ::2] = 0
    coder = RangeCoder(prior)
    assert (coder.decode(coder.encode(codes), codes.shape) == codes).all()
    assert prior.bits(codes)[0] < 25 * codes.size


def test_the_same_maps_make_the_same_arrays() -> None:
    maps = np.random.default_rng(7).integers(0, 9, (50, 2, 3, 3)).astype(np.int32)
    one, two = (IndexPrior.pack((fit_index_prior([maps], 9, (3, 3)),)) for _ in range(2))
    for name, array in one.items():
        np.testing.assert_array_equal(array, two[name])


def test_bytes_represent_a_probability_within_a_sixteenth() -> None:
    p = np.geomspace(2.0**-20, 1, 500)[None]
    held = weights_of(to_bytes(p)) / 2.0**24
    assert np.abs(np.log2(held / p)).max() < np.log2(1 + 1 / 15)


def test_a_codebook_too_large_for_any_context_cannot_be_fitted() -> None:
    assert can_fit(1, 65535)
    assert can_fit(5, 512)
    assert can_fit(6, 8)
    assert not can_fit(4096, 1024)
