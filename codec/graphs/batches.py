"""Calls of a graph on many items of one shape: joined, cut to a bounded size, split again.

An item is an array `[R, ...]` of R rows: the tiles of an image, or their latents.
"""

from collections.abc import Iterator, Sequence, Sized
from itertools import accumulate

import numpy as np

from codec.arrays import Array

# Most array elements and most rows in one call of a graph, to bound its memory.
MAX_CALL_ELEMENTS = 2**21
MAX_CALL_BATCH = 256


def batch_size(elements: int, most: int = MAX_CALL_BATCH) -> int:
    """How many rows of this number of array elements go into one call of a graph: 1..`most`."""
    return max(1, min(most, MAX_CALL_ELEMENTS // max(1, elements)))


def batches(group: Sequence[int], items: Sequence[Array]) -> Iterator[list[int]]:
    """Cuts a group of indices of items into parts: of one item, or of at most one call."""
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


def split(batch: Array, parts: Sequence[Sized]) -> list[Array]:
    """Undoes `join`: cuts a batch `[N, ...]` into pieces as long as the parts."""
    ends = accumulate(len(part) for part in parts)
    return [batch[end - len(part) : end] for part, end in zip(parts, ends, strict=True)]
