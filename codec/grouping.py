"""Lists of images or records in batches: which go together, and how many in one call of a graph."""

from collections.abc import Hashable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager

import numpy as np

from codec.arrays import Array
from codec.errors import ResiduumError

# What one call of a graph may hold: it bounds the memory of large batches of large images.
MAX_CALL_ELEMENTS = 2**21
MAX_CALL_BATCH = 256


def group_by(keys: Iterable[Hashable]) -> list[list[int]]:
    """Indices of equal keys, together; groups in the order in which their keys first appear."""
    groups: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return list(groups.values())


def batch_size(elements: int, most: int = MAX_CALL_BATCH) -> int:
    """How many items of this many array elements one call of a graph takes: 1..`most`."""
    return max(1, min(most, MAX_CALL_ELEMENTS // max(1, elements)))


def calls(batch: Array) -> Iterator[Array]:
    """A batch `[N, ...]`, N > 0, in parts for one call of a graph each."""
    size = batch_size(int(batch[0].size))
    return (batch[start : start + size] for start in range(0, len(batch), size))


def join(parts: Sequence[Array]) -> Array:
    """Arrays `[N_i, ...]` one after the other; a single one is not copied."""
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def split(batch: Array, parts: Sequence[Sized]) -> list[Array]:
    """A batch `[N, ...]` cut into pieces as long as the parts."""
    return np.split(batch, np.cumsum([len(part) for part in parts])[:-1])


@contextmanager
def numbered(what: str, index: int) -> Iterator[None]:
    """Puts the number of the item at fault in front of an error: "image 3: ..."."""
    try:
        yield
    except ResiduumError as error:
        raise type(error)(f"{what} {index}: {error}") from error
