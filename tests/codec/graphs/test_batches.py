"""How the items of a list are spread over calls of a graph."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from codec.graphs.batches import (
    MAX_CALL_ELEMENTS,
    batch_size,
    batches,
    calls,
    in_batches,
    join,
    rows_not_finite,
    rows_of,
)

rows = st.lists(st.integers(1, 9), min_size=1, max_size=20)


@given(counts=rows, share=st.sampled_from([1, 3, 7, 10**6]))
def test_batches_are_single_items_or_one_call(counts: list[int], share: int) -> None:
    width = MAX_CALL_ELEMENTS // share
    items = [np.broadcast_to(np.uint8(0), (count, width)) for count in counts]
    group = list(range(len(items)))[::-1]
    parts = list(batches([group], items))
    assert [index for part in parts for index in part] == group
    size = batch_size(width)
    for part in parts:
        assert len(part) == 1 or sum(counts[index] for index in part) <= size
    for part, after in itertools.pairwise(parts):
        assert sum(counts[index] for index in part) + counts[after[0]] > size


@given(counts=rows)
def test_what_is_joined_is_split_again(counts: list[int]) -> None:
    items = [np.full((count, 2), index) for index, count in enumerate(counts)]
    for item, rows in zip(items, rows_of(items), strict=True):
        np.testing.assert_array_equal(item, join(items)[rows])


@given(shapes=st.lists(st.tuples(st.integers(1, 4), st.sampled_from([1, 3])), max_size=12))
def test_every_item_gets_the_results_of_its_rows(shapes: list[tuple[int, int]]) -> None:
    """Also among items of other shapes and numbers of rows."""
    items = [np.full(shape, index) for index, shape in enumerate(shapes)]

    def run(rows: np.ndarray, owners: list[int]) -> tuple[np.ndarray, list[int]]:
        assert (rows == np.array(owners)[:, None]).all()
        return rows + 100, owners

    for index, (item, (more, owners)) in enumerate(zip(items, in_batches(items, run), strict=True)):
        np.testing.assert_array_equal(more, item + 100)
        assert owners == [index] * len(item)


@given(data=st.data(), rows=st.integers(1, 5))
def test_rows_that_are_not_finite_are_found(data: st.DataObject, rows: int) -> None:
    first, second = np.zeros((rows, 2, 3), np.float32), np.zeros((rows, 4), np.int32)
    bad = data.draw(st.sets(st.integers(0, rows - 1)))
    for row in bad:
        first[row, 1, 2] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    assert rows_not_finite(first, second) == rows_not_finite(second, first) == sorted(bad)


def test_calls_have_a_bounded_number_of_elements() -> None:
    batch = np.arange(5 * MAX_CALL_ELEMENTS // 2, dtype=np.uint8).reshape(5, -1)
    parts = list(calls(batch))
    assert [len(part) for part in parts] == [2, 2, 1]
    np.testing.assert_array_equal(join(parts), batch)
