"""Finds records by name.

Where the names of the blocks ascend in byte order, as those of a folder do, a search reads one
block. Otherwise the first search reads the names of all blocks into a table of 12 bytes per name.
"""

import bisect
import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from codec.archive.index import Layout, Range, name_range
from codec.arrays import U64

# Number of new names that are held in a dict before they are merged into the arrays.
_RECENT = 2**15


class Names:
    """The names in the blocks of an archive; `names_of(b)` reads those of block b."""

    def __init__(self, layout: Layout, names_of: Callable[[int], Sequence[bytes]]) -> None:
        self._layout, self._names_of = layout, names_of
        self._lows: list[bytes] = []
        self._highs: list[bytes] = []
        self._blocks: list[int] = []
        self._ordered = layout.ranges is not None
        self._table: _Table | None = None
        for block, limits in enumerate(layout.ranges or ()):
            self._add_range(block, limits)

    def add(self, block: int, names: Sequence[bytes]) -> None:
        """Adds the names of a new block at the end."""
        self._add_range(block, name_range(names))
        if self._table is not None:
            self._table.add(names, self._layout.firsts[block])

    def find(self, name: bytes) -> int | None:
        """Number of the first record of this name, or None."""
        if not self._ordered:
            return self._look_up(name)
        place = bisect.bisect_right(self._lows, name) - 1
        if place < 0 or self._highs[place] < name:
            return None
        block = self._blocks[place]
        names = self._names_of(block)
        return self._layout.firsts[block] + names.index(name) if name in names else None

    def _add_range(self, block: int, limits: Range) -> None:
        low, high = limits
        if not high:
            return
        self._ordered = self._ordered and (not self._highs or self._highs[-1] < low)
        if self._ordered:
            self._lows.append(low)
            self._highs.append(high)
            self._blocks.append(block)

    def _look_up(self, name: bytes) -> int | None:
        if self._table is None:
            self._table = _Table()
            for block in range(len(self._layout)):
                self._table.add(self._names_of(block), self._layout.firsts[block])
        for number in self._table.candidates(name):
            block = bisect.bisect_right(self._layout.firsts, number) - 1
            if self._names_of(block)[number - self._layout.firsts[block]] == name:
                return number
        return None


class _Table:
    """A hash table from names to the numbers of their records."""

    def __init__(self) -> None:
        self._hashes: U64 = np.zeros(0, np.uint64)
        self._numbers: npt.NDArray[np.uint32] = np.zeros(0, np.uint32)
        self._recent: dict[int, list[int]] = {}

    def add(self, names: Sequence[bytes], first: int) -> None:
        for i, name in enumerate(names):
            if name:
                self._recent.setdefault(_hash(name), []).append(first + i)
        if len(self._recent) > _RECENT:
            self._merge()

    def candidates(self, name: bytes) -> list[int]:
        """Numbers of all records whose names have the hash of this name, in order."""
        value = _hash(name)
        low = int(np.searchsorted(self._hashes, np.uint64(value), "left"))
        high = int(np.searchsorted(self._hashes, np.uint64(value), "right"))
        return [*self._numbers[low:high].tolist(), *self._recent.get(value, ())]

    def _merge(self) -> None:
        pairs = [(value, number) for value, many in self._recent.items() for number in many]
        hashes = np.array([value for value, _ in pairs], np.uint64)
        numbers = np.array([number for _, number in pairs], np.uint32)
        self._hashes = np.concatenate([self._hashes, hashes])
        order = np.argsort(self._hashes, kind="stable")
        self._hashes = self._hashes[order]
        self._numbers = np.concatenate([self._numbers, numbers])[order]
        self._recent = {}


def _hash(name: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")
