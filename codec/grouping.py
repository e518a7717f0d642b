"""Lists of images or records as batches: item by item, alike together, in bounded calls."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from codec.errors import ResiduumError

Array = npt.NDArray[Any]
T = TypeVar("T")
S = TypeVar("S")
K = TypeVar("K", bound=Hashable)
# What one call of a graph may hold, in pixels: it bounds the memory of large batches of large
# images.
MAX_CALL_PIXELS = 2**22
MAX_CALL_ROWS = 256


def each(what: str, items: Sequence[T], step: Callable[[T], S]) -> list[S]:
    """The step's result for each item; an error is told with the index of its item."""
    results = []
    for index, item in enumerate(items):
        try:
            results.append(step(item))
        except ResiduumError as error:
            raise type(error)(f"{what} {index}: {error}") from error
    return results


def alike(
    items: Sequence[T], keys: Sequence[K], step: Callable[[list[T], K], Sequence[S]]
) -> list[S]:
    """The step's results for items in their order; it gets those with equal keys together."""
    found: dict[int, S] = {}
    groups: dict[K, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    for key, indices in groups.items():
        results = step([items[index] for index in indices], key)
        found.update(zip(indices, results, strict=True))
    return [found[index] for index in range(len(items))]


def grouped(parts: Sequence[Array], run: Callable[[Any], Any]) -> list[Any]:
    """Runs arrays `[R_i, ...]` of one shape behind R_i together, in bounded calls, and gives the
    results part by part.
    """
    return alike(parts, [part.shape[1:] for part in parts], lambda some, _: _together(some, run))


def _together(parts: list[Array], run: Callable[[Any], Any]) -> list[Any]:
    rows = np.concatenate(parts) if len(parts) > 1 else parts[0]
    limit = _rows_per_call(rows)
    done = [run(rows[start : start + limit]) for start in range(0, len(rows), limit)]
    whole = np.concatenate(done) if len(done) > 1 else done[0]
    return np.split(whole, np.cumsum([len(part) for part in parts])[:-1])


def _rows_per_call(rows: Array) -> int:
    pixels = max(1, int(rows[0].size))
    return max(1, min(MAX_CALL_ROWS, MAX_CALL_PIXELS // pixels))
