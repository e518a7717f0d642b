"""Codes to payload bytes and back, through a range coder with static integer tables.

The stream: every dimension's symbols in turn, then, for each escaped code in the same order, the
Elias gamma code of its excess as plain bits. The payload is the shortest byte string that lies in
the coder's final interval when zeros are appended; a decoder appends them. A payload is canonical:
decoding it and encoding again gives the same bytes, and anything else is refused, so nothing can
hide behind a payload or in its unused bits.

The range coder is constriction's (64-bit state, 32-bit words, 24-bit probabilities).
`codec.reference` holds the same arithmetic in plain Python integers.
"""

from typing import Protocol

import constriction
import numpy as np
import numpy.typing as npt

from codec.errors import RecordError
from codec.quantise import MAX_CODE
from codec.tables import TOTAL, Tables, from_excess, to_excess

I32 = npt.NDArray[np.int32]
WORD_BYTES, STATE_BITS = 4, 64
# Elias gamma of the largest excess that a code within ±MAX_CODE can have, and some room.
MAX_GAMMA_ZEROS = MAX_CODE.bit_length() + 8

_Encoder = constriction.stream.queue.RangeEncoder
_Decoder = constriction.stream.queue.RangeDecoder
_Categorical = constriction.stream.model.Categorical
# Weights f - 1 that sum to TOTAL - K make constriction's internal scale exactly 1.0: it then uses
# the integer frequencies f unchanged (`fast_quantized_cdf` in its categorical model).
# `perfect=True` would alter them.
_FAMILY = _Categorical(perfect=False)
_BIT = _Categorical(np.full(2, TOTAL / 2 - 1), perfect=False)


class Coder(Protocol):
    """Codes `[D, n]` int32, n per dimension, to a payload and back."""

    def encode(self, codes: I32) -> bytes:
        """The canonical payload of the codes."""

    def decode(self, payload: bytes, positions: int) -> I32:
        """The codes `[D, positions]`. Raises RecordError unless the payload is the canonical one of
        its codes.
        """


class RangeCoder:
    """The fast coder, on constriction."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._weights = np.ascontiguousarray(tables.frequencies.astype(np.float64) - 1.0)
        self._models = [_Categorical(row, perfect=False) for row in self._weights]

    def encode(self, codes: I32) -> bytes:
        """See Coder."""
        encoder = _Encoder()
        symbols = self._tables.symbols(codes[None])[0]
        if codes.shape[1] == 1:  # one call for all dimensions, each with its own table
            encoder.encode(np.ascontiguousarray(symbols[:, 0]), _FAMILY, self._weights)
        else:
            for row, model in zip(symbols, self._models, strict=True):
                encoder.encode(np.ascontiguousarray(row), model)
        escaped = symbols == self._tables.escape
        if escaped.any():
            bits = np.array(escape_bits(self._tables, codes, escaped), np.int32)
            encoder.encode(bits, _BIT)
        return _shortest(encoder)

    def decode(self, payload: bytes, positions: int) -> I32:
        """See Coder."""
        padded = payload + bytes(-len(payload) % WORD_BYTES + 2 * WORD_BYTES)
        decoder = _Decoder(np.frombuffer(padded, ">u4").astype(np.uint32))
        try:
            if positions == 1:
                symbols = decoder.decode(_FAMILY, self._weights)[:, None]
            else:
                symbols = np.stack([decoder.decode(model, positions) for model in self._models])
            codes = place_escapes(self._tables, symbols, lambda: int(decoder.decode(_BIT)))
        except AssertionError as error:  # constriction's word for a stream that no encoder writes
            raise RecordError("the payload is no code stream of this model") from error
        if self.encode(codes) != payload:
            raise RecordError("the payload is not the canonical code stream of its codes")
        return codes


def _shortest(encoder: "constriction.stream.queue.RangeEncoder") -> bytes:
    """The shortest byte string inside the encoder's final interval [low, low + width)."""
    words, (lower, width) = encoder.pos()
    sealed = encoder.get_compressed().astype(">u4").tobytes()
    length = WORD_BYTES * words + STATE_BITS // 8
    point = int.from_bytes(sealed[:length].ljust(length, b"\0"), "big")
    # Carries may still be pending in `words`, but the sealed point is known to lie in the interval:
    # the low end is the one number below it that ends in the coder's lower 64 bits.
    low = point - (point - lower) % 2**STATE_BITS
    return shortest_bytes(low, width, length)


def shortest_bytes(low: int, width: int, length: int) -> bytes:
    """The shortest byte string whose number, zeros appended up to `length` bytes, lies in [low, low
    + width).
    """
    for kept in range(max(0, length - STATE_BITS // 8 - 1), length + 1):
        unit = 1 << 8 * (length - kept)
        number = -(-low // unit) * unit
        if number < low + width:
            return number.to_bytes(length, "big")[:kept].rstrip(b"\0")
    raise AssertionError("an interval is never empty")


def escape_bits(tables: Tables, codes: I32, escaped: npt.NDArray[np.bool_]) -> list[int]:
    """The Elias gamma codes of all escaped codes `[D, n]`, row by row, as bits."""
    low = np.broadcast_to(tables.low[:, None], codes.shape)
    bits: list[int] = []
    for excess in to_excess(codes[escaped].astype(np.int64), low[escaped], tables.escape):
        digits = f"{int(excess):b}"
        bits += [0] * (len(digits) - 1) + [int(digit) for digit in digits]
    return bits


class ReadBit(Protocol):
    """Gives the next plain bit of a stream."""

    def __call__(self) -> int: ...


def place_escapes(tables: Tables, symbols: I32, read_bit: ReadBit) -> I32:
    """Codes `[D, n]` from symbols `[D, n]`, the escaped ones read from the end of the stream."""
    codes = (symbols + tables.low[:, None]).astype(np.int32)
    for d, i in np.argwhere(symbols == tables.escape):
        zeros = 0
        while read_bit() == 0:
            zeros += 1
            if zeros > MAX_GAMMA_ZEROS:
                raise RecordError("the payload holds a code beyond every limit")
        excess = 1
        for _ in range(zeros):
            excess = 2 * excess + read_bit()
        code = from_excess(excess, int(tables.low[d]), tables.escape)
        if abs(code) > MAX_CODE:
            raise RecordError(f"the payload holds the code {code}, beyond ±{MAX_CODE}")
        codes[d, i] = code
    return codes
