"""Batches of other sizes than a function takes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from codec.arrays import Array
from codec.graphs.padded_batches import Function, PaddedBatches


def taking(rows: int, seen: list[int]) -> Function:
    """A function of exactly `rows` rows: their sums, and their doubles."""

    def function(x: Array) -> list[Array]:
        assert len(x) == rows
        seen.append(rows)
        return [x.sum(1), 2 * x]

    return function


@given(st.sets(st.integers(1, 20), min_size=1), st.integers(1, 50))
def test_every_row_gets_its_own_outputs_for_any_number_of_rows(sizes: set[int], rows: int) -> None:
    seen: list[int] = []
    x = np.arange(3 * rows).reshape(rows, 3)
    sums, doubles = PaddedBatches({size: taking(size, seen) for size in sizes})(x)
    assert (sums == x.sum(1)).all()
    assert (doubles == 2 * x).all()


def test_the_smallest_size_that_fits_is_called() -> None:
    seen: list[int] = []
    function = PaddedBatches({size: taking(size, seen) for size in (64, 1, 4)})
    for rows in (1, 2, 4, 5, 65):
        function(np.zeros((rows, 2)))
    assert seen == [1, 4, 4, 64, 64, 1]
