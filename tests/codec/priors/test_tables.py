"""Integer tables: their sums, their fit, and their code lengths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import entropy

from codec.errors import BundleError
from codec.priors.base import FactorisedPrior
from codec.priors.tables import (
    TOTAL,
    Tables,
    apportion,
    fit_tables,
    from_excess,
    index_tables,
    to_excess,
)


@given(hnp.arrays(np.float64, st.integers(2, 300), elements=st.floats(1e-6, 1e6)))
def test_apportioned_frequencies_are_positive_and_sum_to_the_total(weights: np.ndarray) -> None:
    frequencies = apportion(weights)
    assert frequencies.min() >= 1
    assert int(frequencies.sum(dtype=np.int64)) == TOTAL


@given(hnp.arrays(np.float64, 20, elements=st.floats(0.1, 10)))
def test_apportioned_frequencies_follow_the_weights(weights: np.ndarray) -> None:
    share = apportion(weights) / TOTAL
    assert np.abs(share - weights / weights.sum()).max() < 1e-5


def test_the_code_length_of_the_fitted_sample_is_near_its_entropy() -> None:
    rng = np.random.default_rng(0)
    codes = np.rint(rng.normal(0, 3, (20000, 2, 1))).astype(np.int32)
    per_image = FactorisedPrior(fit_tables(codes)).bits(codes[..., None]).mean()
    expected = sum(entropy(np.unique(codes[:, d], return_counts=True)[1], base=2) for d in range(2))
    assert expected <= per_image < expected + 0.01


@given(st.integers(-(2**20), 2**20), st.integers(-1000, 1000), st.integers(1, 500))
def test_the_excess_of_an_escaped_code_is_positive_and_gives_it_back(
    code: int, low: int, width: int
) -> None:
    if low <= code < low + width:
        code = low + width
    excess = int(to_excess(np.array([code]), np.array([low]), width)[0])
    assert excess >= 1
    assert from_excess(excess, low, width) == code


def test_each_symbol_of_a_position_has_the_table_of_its_own_frequencies() -> None:
    codes = np.array([[[0, 0, 0, 1], [2, 2, 1, 1]], [[0, 0, 0, 3], [2, 2, 1, 1]]], np.int32)
    tables = index_tables(codes, 4)
    counts = np.array([[6, 1, 0, 1], [0, 4, 4, 0]]) + 0.5
    share = tables.frequencies[:, :4] / TOTAL
    np.testing.assert_allclose(share, counts / counts.sum(1, keepdims=True), rtol=1e-3)


@pytest.mark.parametrize(
    "frequencies",
    [
        np.full((1, 4), TOTAL // 4 + 1, np.uint32),
        np.array([[TOTAL, 0]], np.uint32),
        np.full((1, 4), TOTAL // 4, np.int64),
        np.full((1, 1), TOTAL, np.uint32),
    ],
    ids=["wrong sum", "a zero", "wrong type", "one symbol"],
)
def test_impossible_tables_are_refused(frequencies: np.ndarray) -> None:
    with pytest.raises(BundleError):
        Tables(np.zeros(1, np.int32), frequencies)  # type: ignore[arg-type]
