"""Calls of a graph on many items of one shape: joined, cut to a bounded size, split again.

An item is an array `[R, ...]` of R rows: the tiles of an image, or their latents.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence, Sized
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from codec.arrays import Array

# Most array elements and most rows in one call of a graph, to bound its memory.
MAX_CALL_ELEMENTS = 2**21
MAX_CALL_BATCH = 256


def batch_size(elements: int, most: int = MAX_CALL_BATCH) -> int:
    """How many rows of this number of array elements go into one call of a graph: 1..`most`."""
    return max(1, min(most, MAX_CALL_ELEMENTS // max(1, elements)))


def in_batches(
    items: Sequence[Array], run: Callable[[Array, list[int]], tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """The results of `run` for each item, in their order.

    `run` is called with the rows `[N, ...]` of items of one shape, and for each row the index of
    its item. It gives sequences of N values, of which each item gets those of its rows.
    """
    results: dict[int, tuple[Any, ...]] = {}
    for batch in batches(group_by(one.shape[1:] for one in items), items):
        parts = [items[i] for i in batch]
        owners = [i for i, part in zip(batch, parts, strict=True) for _ in range(len(part))]
        places = rows_of(parts)
        outputs = ([output[rows] for rows in places] for output in run(join(parts), owners))
        results |= zip(batch, zip(*outputs, strict=True), strict=True)
    return [results[i] for i in range(len(items))]


def group_by(keys: Iterable[Hashable]) -> list[list[int]]:
    """Groups the indices of equal keys, in the order in which the keys first appear."""
    groups: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return list(groups.values())


def batches(groups: Iterable[Sequence[int]], items: Sequence[Array]) -> Iterator[list[int]]:
    """Cuts groups of indices, of items of one shape, into parts of one item or of one call."""
    for group in groups:
        size = batch_size(int(items[group[0]][0].size))
        batch, rows = [group[0]], len(items[group[0]])
        for index in group[1:]:
            if rows + len(items[index]) > size:
                yield batch
                batch, rows = [], 0
            batch.append(index)
            rows += len(items[index])
        yield batch


def calls(batch: Array) -> Iterator[Array]:
    """Cuts a batch `[N, ...]`, N > 0, into one batch per call of a graph."""
    size = batch_size(int(batch[0].size))
    return (batch[start : start + size] for start in range(0, len(batch), size))


def join(parts: Sequence[Array]) -> Array:
    """Concatenates arrays `[N_i, ...]` without copying a single one."""
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def rows_not_finite(*outputs: Array) -> list[int]:
    """The rows of outputs `[N, ...]` of a graph that have a value that is not finite."""
    if all(np.isfinite(output).all() for output in outputs):
        return []
    finite = [np.isfinite(output).reshape(len(output), -1).all(1) for output in outputs]
    rows: list[int] = np.flatnonzero(~np.logical_and.reduce(finite)).tolist()
    return rows


def rows_of(parts: Sequence[Sized]) -> list[slice]:
    """The rows of each part in what `join` makes of the parts."""
    ends = accumulate(map(len, parts), initial=0)
    return [slice(*pair) for pair in pairwise(ends)]
