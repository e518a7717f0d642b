"""Models of tables: symbols of values, and the intervals of truncated tables."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.entropy.models import (
    KEPT,
    LEFT_OUT,
    MAX_LEFT_OUT,
    TRUNCATED_WIDTH,
    EntropyModels,
    TruncatedTables,
)
from codec.entropy.range_coder import RangeCoder
from codec.priors.base import FactorisedPrior
from codec.priors.tables import TOTAL, Tables, apportion, fit_tables, index_tables
from codec.reference.range_coder import ReferenceCoder


def test_a_value_outside_the_table_becomes_the_escape() -> None:
    tables = fit_tables(np.array([[[0]], [[1]], [[2]]], np.int32))
    symbols = EntropyModels(tables).symbols(np.array([-50, 1, 50]), np.zeros(3, np.uint16))
    assert symbols[0] == symbols[2] == tables.escape
    assert symbols[1] != tables.escape


def test_an_index_table_covers_the_whole_codebook() -> None:
    tables = index_tables(np.array([[[[3, 3, 7]]]], np.int32), 16)
    symbols = EntropyModels(tables).symbols(np.arange(16), np.zeros(16, np.uint16))
    assert (symbols != tables.escape).all()


def bells(seed: int, rows: int, width: int) -> np.ndarray:
    """Tables `[rows, width]` of bells, narrow ones and wide ones, wherever they lie."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(0, width, (rows, 1))
    spread = np.exp(rng.uniform(-1, 4, (rows, 1)))
    shapes = np.exp(-0.5 * ((np.arange(width) - centre) / spread) ** 2) + 1e-12
    return np.stack([apportion(shape) for shape in shapes])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), width=st.integers(TRUNCATED_WIDTH + 1, 120))
def test_each_kept_symbol_has_the_interval_of_the_whole_table(seed: int, width: int) -> None:
    frequencies = bells(seed, 5, width)
    truncated, rows = TruncatedTables(frequencies), np.arange(5, dtype=np.uint16)
    ends = (truncated.weights(rows[None])[0] + 1).cumsum(1)
    assert (ends[:, -1] == TOTAL).all()
    places = np.broadcast_to(np.arange(TRUNCATED_WIDTH), (5, TRUNCATED_WIDTH))
    symbols = truncated.symbols(rows[:, None], places)
    for row, whole in enumerate(frequencies.cumsum(1)):
        inside = symbols[row] != LEFT_OUT
        assert inside[1:-1].all()
        np.testing.assert_array_equal(ends[row, inside], whole[symbols[row, inside]])
        merged = TOTAL - frequencies[row, symbols[row, inside]].sum(dtype=np.int64)
        fits = merged <= MAX_LEFT_OUT * TOTAL
        assert truncated.fitting_prefixes(rows[None, row : row + 1]) == [int(fits)]


def test_a_prefix_ends_before_the_first_row_that_does_not_fit() -> None:
    narrow, wide = np.full(100, 1.0), np.full(100, 1.0)
    narrow[40:50] = 1e9
    truncated = TruncatedTables(np.stack([apportion(narrow), apportion(wide)]))
    rows = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]], np.uint16)
    assert truncated.fitting_prefixes(rows) == [3, 2, 0, 1]


def test_tables_that_are_hardly_wider_are_not_truncated() -> None:
    truncated = TruncatedTables(bells(0, 3, TRUNCATED_WIDTH))
    assert truncated.fitting_prefixes(np.array([[0, 1, 2]], np.uint16)) == [0]


def test_symbols_that_a_truncated_table_merges_are_decoded_too() -> None:
    """At either end of the table and next to the kept symbols, in a few images of a batch."""
    shape = np.full(100, 1e-3)
    shape[40:50] = 1e6
    prior = FactorisedPrior(Tables(np.zeros(30, np.int32), np.stack([apportion(shape)] * 30)))
    codes = np.full((6, 1, 30, 1, 1), 44, np.int32)
    codes[1, 0, 3], codes[2, 0, 29], codes[3, 0, 0], codes[5, 0, 7] = 0, 98, 30, 99
    codes[5, 0, 8] = 45 + KEPT
    coder = RangeCoder(prior)
    payloads = coder.encode_all(codes)
    assert payloads == [ReferenceCoder(prior).encode(image) for image in codes]
    for decoded, image in zip(coder.decode_all(payloads, codes.shape[1:]), codes, strict=True):
        np.testing.assert_array_equal(decoded, image)


def test_what_follows_a_left_out_symbol_never_refuses_a_payload() -> None:
    """Until it is decoded again, the rest is read from a wrong place, where there may be no symbol.

    A payload of 64 symbols was refused in 1 of 10,000 images of the test set of MNIST.
    """
    shape = np.full(100, 1e-3)
    shape[40:50] = 1e6
    prior = FactorisedPrior(Tables(np.zeros(2000, np.int32), np.stack([apportion(shape)] * 2000)))
    codes = np.random.default_rng(0).integers(40, 50, (60, 1, 2000, 1, 1), np.int32)
    codes[:, 0, 0] = 0
    coder = RangeCoder(prior)
    for decoded, image in zip(
        coder.decode_all(coder.encode_all(codes), codes.shape[1:]), codes, strict=True
    ):
        np.testing.assert_array_equal(decoded, image)
