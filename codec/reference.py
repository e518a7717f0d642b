"""The range coder once more, in plain Python integers, without constriction or floating point.

It is the specification: slow, exact, and small enough to be read beside a textbook (Martin, "Range
encoding", 1979). The tests hold `codec.entropy.RangeCoder` against it, byte for byte; any language
with 64-bit integers can follow it.
"""

from bisect import bisect_right
from itertools import accumulate

import numpy as np

from codec.entropy import I32, STATE_BITS, WORD_BYTES, escape_bits, place_escapes, shortest_bytes
from codec.errors import RecordError
from codec.tables import PRECISION, TOTAL, Tables

WORD = 1 << 8 * WORD_BYTES
STATE = 1 << STATE_BITS
_BIT = [0, TOTAL // 2, TOTAL]


class ReferenceCoder:
    """The slow coder: the same payloads as RangeCoder, by definition."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._cumulative = [[0, *accumulate(map(int, row))] for row in tables.frequencies]

    def encode(self, codes: I32) -> bytes:
        """See codec.entropy.Coder."""
        symbols = self._tables.symbols(codes[None])[0]
        stream = [(self._cumulative[d], int(s)) for d, row in enumerate(symbols) for s in row]
        escaped = symbols == self._tables.escape
        stream += [(_BIT, bit) for bit in escape_bits(self._tables, codes, escaped)]
        low, width, words = 0, STATE - 1, 0
        for cumulative, symbol in stream:
            scale = width >> PRECISION
            low += scale * cumulative[symbol]
            width = scale * (cumulative[symbol + 1] - cumulative[symbol])
            if width < WORD:
                low, width, words = low * WORD, width * WORD, words + 1
        return shortest_bytes(low, width, WORD_BYTES * words + STATE_BITS // 8)

    def decode(self, payload: bytes, positions: int) -> I32:
        """See codec.entropy.Coder."""
        reader = _Reader(payload)
        rows = [[reader.symbol(table) for _ in range(positions)] for table in self._cumulative]
        symbols = np.array(rows, np.int32).reshape(len(rows), positions)
        codes = place_escapes(self._tables, symbols, lambda: reader.symbol(_BIT))
        if self.encode(codes) != payload:
            raise RecordError("the payload is not the canonical code stream of its codes")
        return codes


class _Reader:
    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = STATE_BITS // 8
        # Distance of the stream's number from the interval's low end, and the interval's width.
        self._offset = int.from_bytes(payload[: self._at].ljust(self._at, b"\0"), "big")
        self._width = STATE - 1

    def symbol(self, cumulative: list[int]) -> int:
        scale = self._width >> PRECISION
        quantile = self._offset // scale
        if quantile >= TOTAL:
            raise RecordError("the payload is no code stream of this model")
        symbol = bisect_right(cumulative, quantile) - 1
        self._offset -= scale * cumulative[symbol]
        self._width = scale * (cumulative[symbol + 1] - cumulative[symbol])
        if self._width < WORD:
            word = self._payload[self._at : self._at + WORD_BYTES].ljust(WORD_BYTES, b"\0")
            self._at += WORD_BYTES
            self._offset = self._offset * WORD + int.from_bytes(word, "big")
            self._width *= WORD
        return symbol
