"""Windows: the same intervals as the tables, and the rare symbols that they merge."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.entropy.decode_windows import MERGED, RARE, SIZE, WIDTH, Windows
from codec.entropy.range_coder import RangeCoder
from codec.priors.factorised import FactorisedPrior
from codec.priors.tables import TOTAL, Tables, apportion
from codec.reference.range_coder import ReferenceCoder


def bells(seed: int, rows: int, width: int) -> np.ndarray:
    """Tables `[rows, width]` of bells, narrow ones and wide ones, wherever they lie."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(0, width, (rows, 1))
    spread = np.exp(rng.uniform(-1, 4, (rows, 1)))
    shapes = np.exp(-0.5 * ((np.arange(width) - centre) / spread) ** 2) + 1e-12
    return np.stack([apportion(shape) for shape in shapes])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), width=st.integers(WIDTH + 1, 120))
def test_each_place_of_a_window_has_the_interval_of_its_symbol(seed: int, width: int) -> None:
    frequencies = bells(seed, 5, width)
    windows, rows = Windows(frequencies), np.arange(5, dtype=np.uint16)
    ends = (windows.weights(rows[None])[0] + 1).cumsum(1)
    assert (ends[:, -1] == TOTAL).all()
    places = np.broadcast_to(np.arange(WIDTH), (5, WIDTH))
    symbols = windows.symbols(rows[:, None], places)
    for row, whole in enumerate(frequencies.cumsum(1)):
        inside = symbols[row] != MERGED
        assert inside[1:-1].all()
        np.testing.assert_array_equal(ends[row, inside], whole[symbols[row, inside]])
        merged = TOTAL - frequencies[row, symbols[row, inside]].sum(dtype=np.int64)
        assert windows.prefixes(rows[None, row : row + 1]) == [int(merged <= RARE * TOTAL)]


def test_a_prefix_ends_before_the_first_row_that_does_not_fit() -> None:
    narrow, wide = np.full(100, 1.0), np.full(100, 1.0)
    narrow[40:50] = 1e9
    windows = Windows(np.stack([apportion(narrow), apportion(wide)]))
    rows = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]], np.uint16)
    assert windows.prefixes(rows) == [3, 2, 0, 1]


def test_tables_that_are_hardly_wider_have_no_windows() -> None:
    windows = Windows(bells(0, 3, WIDTH))
    assert windows.prefixes(np.array([[0, 1, 2]], np.uint16)) == [0]


def test_symbols_that_a_window_merges_are_read_all_the_same() -> None:
    """At either end of the table and right beside the window, in some images of a batch."""
    shape = np.full(100, 1e-3)
    shape[40:50] = 1e6
    prior = FactorisedPrior(Tables(np.zeros(30, np.int32), np.stack([apportion(shape)] * 30)))
    codes = np.full((6, 1, 30, 1, 1), 44, np.int32)
    codes[1, 0, 3], codes[2, 0, 29], codes[3, 0, 0], codes[5, 0, 7] = 0, 98, 30, 99
    codes[5, 0, 8] = 45 + SIZE
    coder = RangeCoder(prior)
    payloads = coder.encode_all(codes)
    assert payloads == [ReferenceCoder(prior).encode(image) for image in codes]
    for found, image in zip(coder.decode_all(payloads, codes.shape[1:]), codes, strict=True):
        np.testing.assert_array_equal(found, image)
