"""What a decoder mostly needs to know of a table: the few neighbouring symbols that are nearly all.

A row of a table can have hundreds of symbols, and what constriction takes to decode one grows with
their number. In a window all symbols to the left are one, and all to the right: the intervals of
those inside stay what they are. Where a merged one is found, the symbols are decoded again with
whole rows.
"""

import numpy as np

from codec.priors.tables import F64, I32, TOTAL, U16, U32

SIZE = 14
WIDTH = SIZE + 2
MERGED = -1
# The share of a row that its window may merge: so seldom are symbols decoded again.
RARE = 2**-11


class Windows:
    """The windows of tables `[N, K]`. None of them fits where the tables are hardly wider."""

    def __init__(self, frequencies: U32) -> None:
        rows, width = frequencies.shape
        self._fits = np.zeros(rows, np.bool_)
        if width > WIDTH:
            self._place(frequencies)

    def prefixes(self, rows: U16) -> list[int]:
        """Of rows `[B, n]`, how many fit their windows before the first that does not, for each of
        B.
        """
        # Behind each row of an image one that does not fit.
        fits = np.zeros((len(rows), rows.shape[1] + 1), np.bool_)
        self._fits.take(rows, out=fits[:, :-1])
        prefixes: list[int] = fits.argmin(1).tolist()
        return prefixes

    def weights(self, rows: U16) -> F64:
        """Weights `[B, n, WIDTH]` of constriction's models for rows `[B, n]`."""
        return self._weights.take(rows, 0)

    def symbols(self, rows: U16, found: I32) -> I32:
        """The symbols of the tables that those of their windows stand for; MERGED for several."""
        return self._symbols.take(rows * np.int64(WIDTH) + found)

    def _place(self, frequencies: U32) -> None:
        rows, width = frequencies.shape
        cumulative = np.zeros((rows, width + 1), np.int64)
        np.cumsum(frequencies, 1, out=cumulative[:, 1:])
        # An end is never empty, for every symbol of a model has a frequency of at least 1.
        starts = np.arange(1, width - SIZE)
        first = starts[(cumulative[:, starts + SIZE] - cumulative[:, starts]).argmax(1)]
        cuts = first[:, None] + np.arange(SIZE + 1)
        bounds = np.pad(np.take_along_axis(cumulative, cuts, 1), ((0, 0), (1, 1)))
        bounds[:, -1] = TOTAL
        parts = np.diff(bounds, axis=1)
        left = np.where(first == 1, 0, MERGED)
        right = np.where(cuts[:, -1] == width - 1, width - 1, MERGED)
        symbols = np.column_stack([left, cuts[:, :-1], right])
        self._fits = (parts * (symbols == MERGED)).sum(1) <= RARE * TOTAL
        self._weights, self._symbols = parts - 1.0, symbols.astype(np.int32)
