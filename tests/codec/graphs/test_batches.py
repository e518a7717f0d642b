"""How the items of a list are spread over calls of a graph."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from codec.graphs.batches import MAX_CALL_ELEMENTS, batch_size, batches, calls, join, split

rows = st.lists(st.integers(1, 9), min_size=1, max_size=20)


@given(counts=rows, share=st.sampled_from([1, 3, 7, 10**6]))
def test_batches_are_single_items_or_one_call(counts: list[int], share: int) -> None:
    width = MAX_CALL_ELEMENTS // share
    items = [np.broadcast_to(np.uint8(0), (count, width)) for count in counts]
    group = list(range(len(items)))[::-1]
    parts = list(batches(group, items))
    assert [index for part in parts for index in part] == group
    size = batch_size(width)
    for part in parts:
        assert len(part) == 1 or sum(counts[index] for index in part) <= size
    for part, after in itertools.pairwise(parts):
        assert sum(counts[index] for index in part) + counts[after[0]] > size


@given(counts=rows)
def test_what_is_joined_is_split_again(counts: list[int]) -> None:
    items = [np.full((count, 2), index) for index, count in enumerate(counts)]
    for item, part in zip(items, split(join(items), items), strict=True):
        np.testing.assert_array_equal(item, part)


def test_calls_have_a_bounded_number_of_elements() -> None:
    batch = np.arange(5 * MAX_CALL_ELEMENTS // 2, dtype=np.uint8).reshape(5, -1)
    parts = list(calls(batch))
    assert [len(part) for part in parts] == [2, 2, 1]
    np.testing.assert_array_equal(join(parts), batch)
