"""Priors: which row of the integer tables codes which symbol, from what was decoded before.

A prior cuts the codes `[R, D, h, w]` of an image, R independent tiles, into a fixed sequence of
passes. The symbols of a pass are `code - offset`, coded with a table row each; rows and offsets
depend on the codes of earlier passes only. All of it is integer arithmetic, so encoder and decoder
come to the same rows on every machine.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from codec.errors import BundleError
from codec.priors.tables import F64, I32, I64, U16, Tables
from codec.quantise import MAX_CODE

Arrays = npt.NDArray[Any]
Index = npt.NDArray[np.intp]
Place = tuple[slice, slice | Index, slice | Index, slice | Index]
EVERYTHING: Place = (slice(None), slice(None), slice(None), slice(None))


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """`codes[place]` `[R, d, a, b]`, coded together as `code - offset` with the tables' `rows`.

    `rows` has the shape of `codes[place]`, or 1 for R where they depend on no code at all; `offset`
    broadcasts to it. A code outside `least .. most` is none that an encoder writes.
    """

    place: Place
    rows: U16
    offset: I64 | int = 0
    least: int = -MAX_CODE
    most: int = MAX_CODE


class Prior(ABC):
    """See the module; `tables` are all rows that a pass can ask for.

    A prior may code more than the codes: `extra` symbols beside those of each tile's dimensions, in
    dimensions of their own behind the others, which the encoder chooses and a decoder drops.
    """

    tables: Tables
    extra: ClassVar[int] = 0

    def extended(self, codes: I32) -> I32:
        """Codes `[R, D, h, w]` with the extra symbols, `[R, D + extra, h, w]`."""
        return codes

    @abstractmethod
    def passes(self, codes: I32) -> Iterator[Pass]:
        """The passes over extended codes `[R, D + extra, h, w]` in their order.

        A pass is worked out when it is asked for: a decoder fills `codes[place]` before it asks for
        the next one.
        """

    @classmethod
    @abstractmethod
    def pack(cls, priors: Sequence[Self]) -> dict[str, Arrays]:
        """The arrays of `tables.npz` for priors, one per quality level."""

    @classmethod
    @abstractmethod
    def unpack(cls, arrays: Mapping[str, Arrays], dims: int, levels: int) -> tuple[Self, ...]:
        """Undoes `pack`.

        Raises BundleError or KeyError for arrays that are not those of `levels` priors of codes
        `[R, dims, h, w]`.
        """

    def bits(self, codes: I32) -> F64:
        """Ideal code length, bits, `[R]` of codes `[R, D, h, w]`."""
        total, codes = np.zeros(len(codes)), self.extended(codes)
        for part in self.passes(codes):
            values = codes[part.place] - np.asarray(part.offset, np.int64)
            rows = np.broadcast_to(part.rows, values.shape)
            total += self.tables.bits(values, rows).reshape(len(codes), -1).sum(1)
        return total


@dataclass(frozen=True, slots=True, eq=False)
class FactorisedPrior(Prior):
    """One pass, a table per dimension: `low_q [D]` and `frequencies_q [D, K]` for each level q."""

    tables: Tables

    def passes(self, codes: I32) -> Iterator[Pass]:
        """See Prior."""
        rows = np.arange(codes.shape[1], dtype=np.uint16)[None, :, None, None]
        yield Pass(EVERYTHING, np.broadcast_to(rows, (1, *codes.shape[1:])))

    @classmethod
    def pack(cls, priors: Sequence[Self]) -> dict[str, Arrays]:
        """See Prior."""
        low = {f"low_{q}": prior.tables.low for q, prior in enumerate(priors)}
        return low | {f"frequencies_{q}": p.tables.frequencies for q, p in enumerate(priors)}

    @classmethod
    def unpack(cls, arrays: Mapping[str, Arrays], dims: int, levels: int) -> tuple[Self, ...]:
        """See Prior."""
        tables = [Tables(arrays[f"low_{q}"], arrays[f"frequencies_{q}"]) for q in range(levels)]
        if any(len(table.low) != dims for table in tables):
            raise BundleError(f"tables for another latent, expected {dims} dimensions")
        return tuple(map(cls, tables))


def require(array: Arrays, name: str, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    """Raises BundleError unless an array of a bundle has this type and shape."""
    if array.dtype != dtype or array.shape != shape:
        raise BundleError(
            f"tables.npz: {name} is {array.dtype} {list(array.shape)}, "
            f"expected {np.dtype(dtype).name} {list(shape)}"
        )
