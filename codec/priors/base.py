"""Priors: which table row codes which symbol, given what is decoded already.

A prior cuts the codes `[R, D, h, w]` of an image, R independent tiles, into a fixed sequence of
passes. The symbols of a pass are `code - offset`, each coded with one row of the integer tables.
Rows and offsets depend on codes of earlier passes only. All of it is integer arithmetic, so encoder
and decoder find the same rows on every machine. `Prior` is the protocol, `FactorisedPrior` the
simplest one.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from codec.arrays import F64, I32, I64, U16, Array, Index
from codec.errors import BundleError
from codec.priors.tables import Tables
from codec.quantise import MAX_CODE

Place = tuple[slice, slice | Index, slice | Index, slice | Index]
EVERYTHING: Place = (slice(None), slice(None), slice(None), slice(None))


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """`codes[place]` `[R, d, a, b]`, coded together as `code - offset` with rows `table_index`.

    `table_index` has the shape of `codes[place]`, or 1 for R where it depends on no code; `offset`
    broadcasts to it. An encoder writes no code outside `minimum .. maximum`.
    """

    place: Place
    table_index: U16
    offset: I64 | int = 0
    minimum: int = -MAX_CODE
    maximum: int = MAX_CODE


class Prior(ABC):
    """A model of the codes of one quality level, over the rows of `tables`.

    A prior can add `extra` dimensions after those of the codes. The encoder chooses their symbols,
    and a decoder drops them.
    """

    tables: Tables
    extra: ClassVar[int] = 0

    def extended(self, codes: I32) -> I32:
        """Codes `[R, D, h, w]` with the extra dimensions, `[R, D + extra, h, w]`."""
        return codes

    @abstractmethod
    def passes(self, codes: I32) -> Iterator[Pass]:
        """The passes over extended codes `[R, D + extra, h, w]`, in coding order.

        Each pass is computed on request: a decoder fills `codes[place]` before the next request.
        """

    @classmethod
    @abstractmethod
    def pack(cls, priors: Sequence[Self]) -> dict[str, Array]:
        """The arrays of `tables.npz` for priors, one per quality level."""

    @classmethod
    @abstractmethod
    def unpack(cls, arrays: Mapping[str, Array], dims: int, levels: int) -> tuple[Self, ...]:
        """The priors of `levels` quality levels for codes `[R, dims, h, w]`, as given to `pack`.

        Raises BundleError for arrays of a wrong type, shape or value, KeyError for a missing one.
        """

    def bits(self, codes: I32) -> F64:
        """Ideal code length, bits, `[R]` of codes `[R, D, h, w]`."""
        total, codes = np.zeros(len(codes)), self.extended(codes)
        for part in self.passes(codes):
            total += self.bits_of_pass(part, codes[part.place] - part.offset)
        return total

    def bits_of_pass(self, part: Pass, values: I32 | I64) -> F64:
        """Ideal code length, bits, `[R]` of the values `code - offset` `[R, d, a, b]` of a pass."""
        table_index = np.broadcast_to(part.table_index, values.shape)
        return np.asarray(self.tables.bits(values, table_index).reshape(len(values), -1).sum(1))


@dataclass(frozen=True, slots=True, eq=False)
class FactorisedPrior(Prior):
    """Codes dimension d with row d.

    `tables.npz` holds `low_q [D]` and `frequencies_q [D, K]` for each level q.
    """

    tables: Tables

    def passes(self, codes: I32) -> Iterator[Pass]:
        rows = np.arange(codes.shape[1], dtype=np.uint16)[None, :, None, None]
        yield Pass(EVERYTHING, np.broadcast_to(rows, (1, *codes.shape[1:])))

    @classmethod
    def pack(cls, priors: Sequence[Self]) -> dict[str, Array]:
        low = {f"low_{q}": prior.tables.low for q, prior in enumerate(priors)}
        return low | {f"frequencies_{q}": p.tables.frequencies for q, p in enumerate(priors)}

    @classmethod
    def unpack(cls, arrays: Mapping[str, Array], dims: int, levels: int) -> tuple[Self, ...]:
        tables = [Tables(arrays[f"low_{q}"], arrays[f"frequencies_{q}"]) for q in range(levels)]
        for table in tables:
            if len(table.low) != dims:
                raise BundleError(f"tables of {len(table.low)} rows, expected {dims} dimensions")
        return tuple(map(cls, tables))


def require(array: Array, name: str, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    """Raises BundleError unless an array of a bundle has this type and shape."""
    if array.dtype != dtype or array.shape != shape:
        raise BundleError(
            f"tables.npz: {name} is {array.dtype} {list(array.shape)}, "
            f"expected {np.dtype(dtype).name} {list(shape)}"
        )
