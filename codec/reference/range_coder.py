"""The range coder in plain Python integers, without constriction or floating point.

It is the specification: slow, exact, and small enough to read alongside a textbook (Martin, "Range
encoding", 1979). The tests compare `codec.entropy.range_coder.RangeCoder` with it, byte for byte.
Any language with 64-bit integers can follow it. codec.reference.priors gives the rows of symbols.
"""

from bisect import bisect_right
from itertools import accumulate

import numpy as np

from codec.arrays import I32
from codec.entropy.decoder import WORD_BYTES
from codec.entropy.elias_gamma import MAX_GAMMA_ZEROS
from codec.entropy.range_coder import STATE_BITS, Shape, shortest_bytes
from codec.errors import RecordError
from codec.priors.base import Prior
from codec.priors.mixture import MixturePrior
from codec.priors.tables import PRECISION, TOTAL
from codec.quantise import MAX_CODE
from codec.reference.priors import Place, places, reference_passes

WORD = 1 << 8 * WORD_BYTES
STATE = 1 << STATE_BITS
_BIT = [0, TOTAL // 2, TOTAL]


class ReferenceCoder:
    """The slow coder: the same payloads as RangeCoder, by definition."""

    def __init__(self, prior: Prior) -> None:
        self._prior = prior
        self._low: list[int] = prior.tables.low.tolist()
        self._cumulative = [[0, *accumulate(row)] for row in prior.tables.frequencies.tolist()]
        self._escape = prior.tables.escape

    def encode(self, codes: I32) -> bytes:
        """The canonical payload of the codes `[R, D, h, w]` of one image."""
        return self._encode(self._prior.extended(codes))

    def _encode(self, codes: I32) -> bytes:
        shape = _shape(codes)
        writer = _Writer()
        codes_at = dict(zip(places(shape), codes.ravel().tolist(), strict=True))
        for symbols in reference_passes(self._prior, codes_at, shape):
            excesses = []
            for place, row, offset in symbols:
                symbol = codes_at[place] - offset - self._low[row]
                if not 0 <= symbol < self._escape:
                    above = symbol - self._escape
                    excesses.append(2 * above + 1 if above >= 0 else -2 * symbol)
                    symbol = self._escape
                writer.symbol(self._cumulative[row], symbol)
            for excess in excesses:
                writer.gamma(excess)
        return writer.close()

    def decode(self, payload: bytes, shape: Shape) -> I32:
        """The codes `[R, D, h, w]`. Raises RecordError unless the payload is canonical."""
        tiles, dims, height, width = shape
        shape = tiles, dims + self._prior.extra, height, width
        reader = _Reader(payload)
        decoded = dict.fromkeys(places(shape), 0)
        for symbols in reference_passes(self._prior, decoded, shape):
            decoded_symbols = [reader.symbol(self._cumulative[row]) for _, row, _ in symbols]
            for (place, row, offset), symbol in zip(symbols, decoded_symbols, strict=True):
                value = symbol if symbol < self._escape else self._escaped(reader)
                decoded[place] = value + self._low[row] + offset
                minimum, maximum = _range(self._prior, place, dims)
                if not minimum <= decoded[place] <= maximum:
                    raise RecordError(f"the payload holds a code outside {minimum}..{maximum}")
        codes = np.array([decoded[place] for place in places(shape)], np.int32).reshape(shape)
        if self._encode(codes) != payload:
            raise RecordError("the payload is not the canonical code stream of its codes")
        return codes[:, :dims]

    def _escaped(self, reader: "_Reader") -> int:
        half, below = divmod(reader.gamma() - 1, 2)
        return -1 - half if below else self._escape + half


def _range(prior: Prior, place: Place, dims: int) -> tuple[int, int]:
    """Least and greatest code of a place; the extra dimension holds the number of a cluster."""
    if isinstance(prior, MixturePrior) and place[1] == dims:
        return 0, prior.clusters - 1
    return -MAX_CODE, MAX_CODE


def _shape(codes: I32) -> Shape:
    tiles, dims, height, width = codes.shape
    return tiles, dims, height, width


class _Writer:
    def __init__(self) -> None:
        self._low, self._width, self._words = 0, STATE - 1, 0

    def symbol(self, cumulative: list[int], symbol: int) -> None:
        scale = self._width >> PRECISION
        self._low += scale * cumulative[symbol]
        self._width = scale * (cumulative[symbol + 1] - cumulative[symbol])
        if self._width < WORD:
            self._low, self._width = self._low * WORD, self._width * WORD
            self._words += 1

    def gamma(self, excess: int) -> None:
        digits = f"{excess:b}"
        for digit in "0" * (len(digits) - 1) + digits:
            self.symbol(_BIT, int(digit))

    def close(self) -> bytes:
        return shortest_bytes(self._low, self._width, WORD_BYTES * self._words + STATE_BITS // 8)


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
            raise RecordError("the payload is not a code stream of this model")
        symbol = bisect_right(cumulative, quantile) - 1
        self._offset -= scale * cumulative[symbol]
        self._width = scale * (cumulative[symbol + 1] - cumulative[symbol])
        if self._width < WORD:
            word = self._payload[self._at : self._at + WORD_BYTES].ljust(WORD_BYTES, b"\0")
            self._at += WORD_BYTES
            self._offset = self._offset * WORD + int.from_bytes(word, "big")
            self._width *= WORD
        return symbol

    def gamma(self) -> int:
        zeros = 0
        while self.symbol(_BIT) == 0:
            zeros += 1
            if zeros > MAX_GAMMA_ZEROS:
                raise RecordError("the payload holds a code beyond every limit")
        excess = 1
        for _ in range(zeros):
            excess = 2 * excess + self.symbol(_BIT)
        return excess
