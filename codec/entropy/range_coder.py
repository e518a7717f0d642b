"""Codes to payload bytes and back, through a range coder with static integer tables.

The stream: pass by pass (codec.priors.base), the symbols of the pass sorted by table row, and
behind them, for each escaped one in the same order, the Elias gamma code of its excess as plain
bits. The payload is the shortest byte string that lies in the coder's final interval when zeros are
appended; a decoder appends them. A payload is canonical: decoding it and encoding again gives the
same bytes, and anything else is refused, so nothing can hide behind a payload or in its unused
bits.

The range coder is constriction's (64-bit state, 32-bit words, 24-bit probabilities).
`codec.reference.range_coder` holds the same arithmetic in plain Python integers.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import constriction
import numpy as np
import numpy.typing as npt

from codec.entropy.decoder import Decoders
from codec.entropy.elias_gamma import escape_bits
from codec.entropy.encoder import Encoders
from codec.entropy.models import WORD_BYTES, EntropyModels
from codec.errors import RecordError
from codec.priors.base import Index, Pass, Prior
from codec.priors.tables import I32, I64, U16

Shape = tuple[int, int, int, int]
STATE_BITS = 64
# How many codes go through a prior at once: it bounds the memory of a large batch.
BATCH_CODES = 2**18


class Coder(Protocol):
    """Codes `[R, D, h, w]` int32 of one image to a payload and back."""

    def encode(self, codes: I32) -> bytes:
        """The canonical payload of the codes."""

    def decode(self, payload: bytes, shape: Shape) -> I32:
        """The codes `[R, D, h, w]`. Raises RecordError unless the payload is the canonical one of
        its codes.
        """


class RangeCoder:
    """The fast coder, on constriction."""

    def __init__(self, prior: Prior) -> None:
        self._prior, self._tables = prior, prior.tables
        self._models, self._low = EntropyModels(prior.tables), prior.tables.low.astype(np.int64)

    def encode(self, codes: I32) -> bytes:
        """See Coder."""
        return self.encode_all(codes[None])[0]

    def decode(self, payload: bytes, shape: Shape) -> I32:
        """See Coder."""
        codes = self.decode_all([payload], shape)[0]
        if isinstance(codes, RecordError):
            raise codes
        return codes

    def encode_all(self, codes: I32) -> list[bytes]:
        """Payloads of the images' codes `[B, R, D, h, w]`; the prior sees many at once."""
        parts = [codes[run] for run in _batches(len(codes), codes[0].size)]
        return [payload for part in parts for payload in self._encode(part)]

    def decode_all(self, payloads: Sequence[bytes], shape: Shape) -> list[I32 | RecordError]:
        """The codes of each payload, all of one shape, or the reason why it has none."""
        parts = [payloads[run] for run in _batches(len(payloads), int(np.prod(shape)))]
        return [found for part in parts for found in self._decode(part, shape)]

    def _encode(self, codes: I32) -> list[bytes]:
        flat = self._prior.extended(codes.reshape(-1, *codes.shape[2:]))
        writer = Encoders(self._models, len(codes))
        for part in self._prior.passes(flat):
            order, rows = _sorted(part, codes.shape[1])
            values = (flat[part.place] - part.offset).take(_places(order, len(codes)))
            symbols = self._tables.symbols(values, rows)
            writer.put(symbols, rows)
            for index in _images(symbols == self._tables.escape):
                bits = escape_bits(self._tables, values[index], rows[index % len(rows)])
                writer.put_bits(index, bits)
        return [_shortest(writer.encoder(index)) for index in range(len(codes))]

    def _decode(self, payloads: Sequence[bytes], shape: Shape) -> list[I32 | RecordError]:
        tiles, dims, *grid = shape
        flat = np.zeros((len(payloads) * tiles, dims + self._prior.extra, *grid), np.int32)
        reader, writer = Decoders(self._models, payloads), Encoders(self._models, len(payloads))
        for part in self._prior.passes(flat):
            order, rows = _sorted(part, tiles)
            codes = np.empty(flat[part.place].shape, np.int64)
            codes.reshape(-1)[_places(order, len(payloads))] = self._values(reader, rows, writer)
            codes += part.offset
            if codes.min() < part.minimum or codes.max() > part.maximum:
                _refuse_stray(reader, part, codes)
            flat[part.place] = codes
        for index, payload in enumerate(payloads):
            if index not in reader.errors and _shortest(writer.encoder(index)) != payload:
                reader.refuse(index, "the payload is not the canonical code stream of its codes")
        found = flat[:, :dims].reshape(len(payloads), *shape)
        return [reader.errors.get(index, codes) for index, codes in enumerate(found)]

    def _values(self, reader: Decoders, rows: U16, writer: Encoders) -> I64:
        """The next values `[B, n]` of each stream, the offset not yet added."""
        symbols = reader.symbols(rows)
        writer.put(symbols, rows)
        values: I64 = symbols + self._low.take(rows)
        escaped = symbols == self._tables.escape
        for index in _images(escaped):
            row, at = rows[index % len(rows)], escaped[index]
            values[index, at] = reader.escaped(index, self._tables, row[at])
            writer.put_bits(index, escape_bits(self._tables, values[index], row))
        return values


def _batches(images: int, codes: int) -> Iterator[slice]:
    size = max(1, BATCH_CODES // max(1, codes))
    return (slice(start, start + size) for start in range(0, images, size))


def _images(true: npt.NDArray[np.bool_]) -> list[int]:
    """The images `[B, n]` of which anything is true."""
    return np.flatnonzero(true.any(1)).tolist() if true.any() else []


def _sorted(part: Pass, tiles: int) -> tuple[Index, U16]:
    """The coding order and the rows in it, `[B, n]`, or `[1, n]` where it is that of all images."""
    rows = part.table_index.repeat(tiles, 0) if len(part.table_index) < tiles else part.table_index
    flat = rows.reshape(len(rows) // tiles, -1)
    order = flat.argsort(axis=1, kind="stable")
    return order, flat.take(_places(order, len(order)))


def _places(order: Index, images: int) -> Index:
    """Places `[B, n]` in the flat arrays of a batch, whose images have this order `[B or 1, n]`."""
    first: Index = np.arange(0, images * order.shape[1], order.shape[1])
    return order + first[:, None]


def _refuse_stray(reader: Decoders, part: Pass, codes: I64) -> None:
    """Refuses the images that have a code which no encoder writes; that code becomes 0."""
    stray = (codes < part.minimum) | (codes > part.maximum)
    for index in _images(stray.reshape(reader.images, -1)):
        reader.refuse(index, f"the payload holds a code outside {part.minimum}..{part.maximum}")
    codes[stray] = 0


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
    if low == 0:
        return b""
    # A multiple of 256^k lies in the interval just where its ends differ above their last k bytes.
    # Shifts, since a hostile record of a large image makes a number of megabytes.
    k = ((low - 1 ^ low + width - 1).bit_length() - 1) // 8
    number = -(-low >> 8 * k)
    return number.to_bytes(length - k, "big").rstrip(b"\0")
