"""Arrays: short names for their types, by element type, and batches of them.

Docstrings state the shapes where the names are used.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence, Sized
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
Index = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
# Most array elements and most items in one call of a graph, to bound its memory.
MAX_CALL_ELEMENTS = 2**21
MAX_CALL_BATCH = 256


def group_by(keys: Iterable[Hashable]) -> list[list[int]]:
    """Groups the indices of equal keys, in the order in which the keys first appear."""
    groups: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return list(groups.values())


def batch_size(elements: int, most: int = MAX_CALL_BATCH) -> int:
    """How many items of this number of array elements go into one call of a graph: 1..`most`."""
    return max(1, min(most, MAX_CALL_ELEMENTS // max(1, elements)))


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
