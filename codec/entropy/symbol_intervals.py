"""What an encoder needs to know of a table: where the interval of one symbol lies, no more.

constriction makes a model of each row of weights that it is given. To decode, the row has to be the
whole one. To encode symbol k, three numbers do: what lies to the left of k, k, and what lies to its
right. The interval is the same, and so are the bytes.
"""

import numpy as np

from codec.priors.tables import F64, I32, I64, TOTAL, U16, U32


class Spans:
    """The intervals of all symbols of tables `[rows, K]`."""

    def __init__(self, frequencies: U32) -> None:
        self._width = frequencies.shape[1]
        self._whole = frequencies if self._width < 3 else None
        end = np.cumsum(frequencies, 1, np.int32)
        start = end - frequencies.astype(np.int32)
        self._parts = np.ones(self._width, np.int32)
        # The first symbol has nothing to its left, and the last nothing to its right: beside them a
        # filling of width 1 takes the middle.
        self._parts[0], self._parts[-1] = 0, 2
        start[:, 0] = end[:, 0]
        end[:, 0] += 1
        end[:, -1] = start[:, -1]
        start[:, -1] -= 1
        self._start, self._end = start, end

    def of(self, symbols: I32, rows: U16) -> tuple[I32, F64]:
        """For symbols `[B, n]` coded with rows `[B, n]` or `[1, n]`: symbols `[B, n]` and weights
        `[B, n, 3]`, of which constriction makes models with the same intervals for them.
        """
        if self._whole is not None:
            whole = self._whole[np.broadcast_to(rows, symbols.shape)]
            return symbols, whole.astype(np.float64) - 1
        # One index, for two of them take three times as long.
        places: I64 = rows.astype(np.int64) * self._width + symbols
        start, end = self._start.take(places), self._end.take(places)
        weights = np.empty((*symbols.shape, 3))
        weights[..., 0] = start - 1
        weights[..., 1] = end - start - 1
        weights[..., 2] = TOTAL - 1 - end
        return self._parts.take(symbols), weights
