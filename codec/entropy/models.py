"""Integer tables in the forms that constriction codes with fastest.

Every form has the intervals of the tables, so the choice among them changes no byte.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import constriction
import numpy as np
import numpy.typing as npt

from codec.arrays import F64, I32, I64, U16, U32
from codec.priors.tables import TOTAL, Tables

Categorical = constriction.stream.model.Categorical
# Weights f - 1 that sum to TOTAL - K make constriction's internal scale exactly 1.0: it then uses
# the integer frequencies f unchanged (`fast_quantized_cdf` in its categorical model).
# `perfect=True` would alter them.
FAMILY = Categorical(perfect=False)
BIT = Categorical(np.full(2, TOTAL / 2 - 1), perfect=False)
# From this mean length on, one call for each run of equal rows is faster than one call for all.
LONG_RUN = 12
# Symbols that a truncated row keeps, and its width: one more symbol on either side.
KEPT = 14
TRUNCATED_WIDTH = KEPT + 2
# What a truncated row has for the symbols that it leaves out.
LEFT_OUT = -1
# The largest share of its frequency that a truncated row may leave out.
MAX_LEFT_OUT = 2**-11


class EntropyModels:
    """Everything that coding with one set of tables needs."""

    def __init__(self, tables: Tables) -> None:
        self.low: I64 = tables.low.astype(np.int64)
        self.escape = tables.escape
        self.row_models = [Categorical(row, perfect=False) for row in tables.frequencies - 1.0]
        self.intervals = SymbolIntervals(tables.frequencies)
        self.truncated = TruncatedTables(tables.frequencies)

    def symbols(self, values: I32 | I64, table_index: U16) -> I32:
        """Symbols of values, both of one shape; the escape for values outside their row."""
        shifted: I64 = values - self.low.take(table_index)
        # As unsigned numbers, values below the row are larger than its end as well.
        return np.minimum(shifted.view(np.uint64), self.escape).astype(np.int32)


class SymbolIntervals:
    """Three-symbol models for encoding: the symbol, what lies to its left, what lies to its right.

    constriction builds a model from each row of weights that it is given. To encode one symbol,
    these three weights give the same interval as the whole row `[K]`.
    """

    def __init__(self, frequencies: U32) -> None:
        self._width = frequencies.shape[1]
        self._whole = frequencies if self._width < 3 else None
        end = np.cumsum(frequencies, 1, np.int32)
        start = end - frequencies.astype(np.int32)
        self._parts = np.ones(self._width, np.int32)
        # The first symbol has nothing to its left and the last nothing to its right: there the
        # middle weight is a filler of width 1.
        self._parts[0], self._parts[-1] = 0, 2
        start[:, 0] = end[:, 0]
        end[:, 0] += 1
        end[:, -1] = start[:, -1]
        start[:, -1] -= 1
        self._start, self._end = start, end

    def of(self, symbols: I32, table_index: U16) -> tuple[I32, F64]:
        """Symbols `[B, n]` and weights `[B, n, 3]` with the intervals of symbols `[B, n]`, whose
        rows are `table_index` `[B, n]` or `[1, n]`.
        """
        if self._whole is not None:
            whole = self._whole[np.broadcast_to(table_index, symbols.shape)]
            return symbols, whole.astype(np.float64) - 1
        # A single index: two of them take three times as long.
        places: I64 = table_index.astype(np.int64) * self._width + symbols
        start, end = self._start.take(places), self._end.take(places)
        weights = np.empty((*symbols.shape, 3))
        weights[..., 0] = start - 1
        weights[..., 1] = end - start - 1
        weights[..., 2] = TOTAL - 1 - end
        return self._parts.take(symbols), weights


class TruncatedTables:
    """Tables `[N, K]` cut down for decoding to the few neighbouring symbols that are nearly all.

    A row can have hundreds of symbols, and the time that constriction takes to decode one grows
    with their number. A truncated row keeps the intervals of KEPT symbols and leaves out all
    others, as one on either side. Where a symbol is left out, the symbols must be decoded again
    with whole rows. A row fits if it leaves out at most MAX_LEFT_OUT of its frequency.
    """

    def __init__(self, frequencies: U32) -> None:
        rows, width = frequencies.shape
        self._fits = np.zeros(rows, np.bool_)
        if width > TRUNCATED_WIDTH:
            self._truncate(frequencies)

    def fitting_prefixes(self, table_index: U16) -> list[int]:
        """For each of B how many of its rows, `table_index` `[B, n]`, fit before one does not."""
        # One that does not fit follows the last row.
        fits = np.zeros((len(table_index), table_index.shape[1] + 1), np.bool_)
        self._fits.take(table_index, out=fits[:, :-1])
        prefixes: list[int] = fits.argmin(1).tolist()
        return prefixes

    def weights(self, table_index: U16) -> F64:
        """Weights `[B, n, TRUNCATED_WIDTH]` of constriction's models; `table_index` is `[B, n]`."""
        return self._weights.take(table_index, 0)

    def symbols(self, table_index: U16, truncated: I32) -> I32:
        """Symbols of the whole rows for those of the truncated ones; LEFT_OUT for others."""
        return self._symbols.take(table_index * np.int64(TRUNCATED_WIDTH) + truncated)

    def _truncate(self, frequencies: U32) -> None:
        rows, width = frequencies.shape
        cumulative = np.zeros((rows, width + 1), np.int64)
        np.cumsum(frequencies, 1, out=cumulative[:, 1:])
        # Neither end is empty, for every symbol of a model has a frequency of at least 1.
        starts = np.arange(1, width - KEPT)
        first = starts[(cumulative[:, starts + KEPT] - cumulative[:, starts]).argmax(1)]
        cuts = first[:, None] + np.arange(KEPT + 1)
        bounds = np.pad(np.take_along_axis(cumulative, cuts, 1), ((0, 0), (1, 1)))
        bounds[:, -1] = TOTAL
        parts = np.diff(bounds, axis=1)
        left = np.where(first == 1, 0, LEFT_OUT)
        right = np.where(cuts[:, -1] == width - 1, width - 1, LEFT_OUT)
        symbols = np.column_stack([left, cuts[:, :-1], right])
        self._fits = (parts * (symbols == LEFT_OUT)).sum(1) <= MAX_LEFT_OUT * TOTAL
        self._weights, self._symbols = parts - 1.0, symbols.astype(np.int32)


class Run(NamedTuple):
    """Neighbouring symbols `start .. end - 1` coded with one row."""

    start: int
    end: int
    row: int


def long_runs(table_index: U16) -> Sequence[list[Run]]:
    """The runs of sorted rows `[B, n]`, for each of B; empty where most are short."""
    images, size = table_index.shape
    if size < LONG_RUN:
        return ()
    changes = table_index[:, 1:] != table_index[:, :-1]
    if images * size < LONG_RUN * (images + np.count_nonzero(changes)):
        return ()
    return [_runs(*pair) for pair in zip(table_index, changes, strict=True)]


def _runs(table_index: U16, changes: npt.NDArray[np.bool_]) -> list[Run]:
    cuts = [0, *(np.flatnonzero(changes) + 1).tolist(), len(table_index)]
    rows = table_index[cuts[:-1]].tolist()
    return [Run(start, end, row) for (start, end), row in zip(pairwise(cuts), rows, strict=True)]
