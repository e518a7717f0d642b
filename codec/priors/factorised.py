"""The factorised prior: one table per dimension, and all codes in one pass."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from codec.arrays import I32, Array
from codec.errors import BundleError
from codec.priors.base import EVERYTHING, Pass, Prior
from codec.priors.tables import Tables


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
