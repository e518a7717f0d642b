"""Codes to payload bytes and back, through a range coder with static integer tables.

The stream: pass by pass (codec.prior), the symbols of the pass sorted by table row, and behind
them, for each escaped one in the same order, the Elias gamma code of its excess as plain bits. The
payload is the shortest byte string that lies in the coder's final interval when zeros are appended;
a decoder appends them. A payload is canonical: decoding it and encoding again gives the same bytes,
and anything else is refused, so nothing can hide behind a payload or in its unused bits.

The range coder is constriction's (64-bit state, 32-bit words, 24-bit probabilities).
`codec.reference` holds the same arithmetic in plain Python integers.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import Any, Protocol

import constriction
import numpy as np
import numpy.typing as npt

from codec.encoders import FAMILY, Call, Categorical, Encoders
from codec.errors import RecordError
from codec.escapes import escape_bits, read_escapes
from codec.prior import Pass, Prior
from codec.spans import Spans
from codec.tables import I32, I64, TOTAL, U16, U32, Tables

Shape = tuple[int, int, int, int]
WORD_BYTES, STATE_BITS = 4, 64
# How many codes go through a prior at once: it bounds the memory of a large batch.
BATCH_CODES = 2**18
# A call per run of equal rows costs about as much as this many table entries in one call for all.
RUN_ENTRIES = 400
# Runs of so many symbols in the mean are read symbol by symbol and written as one.
SHORT_RUN = 3
NO_STREAM = "the payload is no code stream of this model"

_Decoder = constriction.stream.queue.RangeDecoder
_BIT = Categorical(np.full(2, TOTAL / 2 - 1), perfect=False)


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
        self._weights = np.ascontiguousarray(prior.tables.frequencies.astype(np.float64) - 1.0)
        self._models = [Categorical(row, perfect=False) for row in self._weights]
        self._single = [Call(slice(0, 1), None, (model,)) for model in self._models]
        self._spans = Spans(prior.tables.frequencies)

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
        writer = Encoders(self._spans, len(codes))
        for part in self._prior.passes(flat):
            order, rows = _sorted(part, codes.shape[1])
            values = (flat[part.place] - part.offset).reshape(len(codes), -1)
            values = np.take_along_axis(values, order, 1)
            symbols = self._tables.symbols(values, rows)
            writer.put(symbols, rows, self._calls(rows, len(codes)))
            for index in _indices((symbols == self._tables.escape).any(1)):
                row = rows[index % len(rows)]
                bits = escape_bits(self._tables, values[index], row)
                writer.encoder(index).encode(np.array(bits, np.int32), _BIT)
        return [_shortest(writer.encoder(index)) for index in range(len(codes))]

    def _decode(self, payloads: Sequence[bytes], shape: Shape) -> list[I32 | RecordError]:
        tiles, dims, *grid = shape
        flat = np.zeros((len(payloads) * tiles, dims + self._prior.extra, *grid), np.int32)
        writer = Encoders(self._spans, len(payloads))
        images = _streams(payloads, writer)
        for part in self._prior.passes(flat):
            order, rows = _sorted(part, tiles)
            values = np.empty((len(payloads), order.shape[1]), np.int64)
            np.put_along_axis(values, order, self._values(images, rows, writer), 1)
            codes = values.reshape(flat[part.place].shape) + part.offset
            stray = (codes < part.least) | (codes > part.most)
            if stray.any():
                reason = f"the payload holds a code outside {part.least}..{part.most}"
                for index in _indices(np.any(stray, (1, 2, 3))):
                    images[index // tiles].refuse(reason)
                codes[stray] = 0
            flat[part.place] = codes
        found = flat[:, :dims].reshape(len(payloads), *shape)
        return [image.close() or codes for image, codes in zip(images, found, strict=True)]

    def _values(self, images: Sequence["_Stream"], rows: U16, writer: "Encoders") -> I64:
        """The next values `[B, n]` of each stream, the offset not yet added."""
        each = self._calls(rows, len(images))
        symbols = np.stack(
            [image.symbols(calls) for image, calls in zip(images, each, strict=True)]
        )
        writer.put(symbols, rows, each)
        values = symbols.astype(np.int64) + self._tables.low[rows]
        escaped = symbols == self._tables.escape
        for index in _indices(escaped.any(1)):
            row = rows[index % len(rows)][escaped[index]]
            values[index, escaped[index]] = images[index].escaped(self._tables, row)
        return values

    def _calls(self, rows: U16, images: int) -> list[list[Call]]:
        """The calls for sorted rows `[1, n]` of all images, or `[B, n]`."""
        if rows.shape[1] == 0:
            return [[] for _ in range(images)]
        changes = rows[:, 1:] != rows[:, :-1]
        runs = 1 + changes.sum(1)
        size, width = rows.shape[1], self._weights.shape[1]
        if size * width > RUN_ENTRIES * runs.max() and size <= SHORT_RUN * runs.min():
            each = [[self._single[row] for row in one] for one in rows.tolist()]
        else:
            parts = zip(rows, changes, runs.tolist(), strict=True)
            each = [self._calls_of(*part) for part in parts]
        return each * images if len(rows) == 1 else each

    def _calls_of(self, rows: U16, change: npt.NDArray[np.bool_], runs: int) -> list[Call]:
        if len(rows) * self._weights.shape[1] <= RUN_ENTRIES * runs:
            return [Call(slice(0, len(rows)), None, (FAMILY, self._weights[rows]))]
        if len(rows) <= SHORT_RUN * runs:
            return [self._single[row] for row in rows.tolist()]
        cuts = np.flatnonzero(change) + 1
        starts, ends = [0, *cuts.tolist()], [*cuts.tolist(), len(rows)]
        models = [self._models[row] for row in rows[starts].tolist()]
        return [
            Call(slice(start, end), model, (model, end - start))
            for start, end, model in zip(starts, ends, models, strict=True)
        ]


class _Stream:
    """A payload while it is read, and written anew beside it to see that it is the canonical one.

    One that was refused reads zeros from then on: others in its batch are none the worse for it.
    """

    def __init__(self, payload: bytes, words: U32, encoder: Callable[[], Any]) -> None:
        self._decoder, self._payload, self._encoder = _Decoder(words), payload, encoder
        self._error: RecordError | None = None

    def symbols(self, calls: list[Call]) -> I32:
        """The next symbols `[n]`, which the encoder is to be given next."""
        try:
            found = [self._decoder.decode(*call.question) for call in calls]
        except AssertionError:  # constriction's word for a stream that no encoder writes
            self.refuse(NO_STREAM)
        if self._error is not None:
            return np.zeros(sum(call.run.stop - call.run.start for call in calls), np.int32)
        if calls and len(calls[0].question) == 1:
            return np.array(found, np.int32)
        return found[0] if len(found) == 1 else np.concatenate(found)

    def escaped(self, tables: Tables, rows: U16) -> list[int]:
        """The values of escaped symbols with these rows."""
        try:
            return read_escapes(tables, rows, self._bit)
        except RecordError as error:
            self.refuse(str(error))
        return [0] * len(rows)

    def refuse(self, reason: str) -> None:
        """Gives the payload up; the first reason stands."""
        self._error = self._error or RecordError(reason)

    def close(self) -> RecordError | None:
        """What is wrong with the payload, now that all of it was read."""
        if self._error is None and _shortest(self._encoder()) != self._payload:
            self.refuse("the payload is not the canonical code stream of its codes")
        return self._error

    def _bit(self) -> int:
        try:
            bit = int(self._decoder.decode(_BIT))
        except AssertionError as error:
            raise RecordError(NO_STREAM) from error
        self._encoder().encode(bit, _BIT)
        return bit


def _streams(payloads: Sequence[bytes], writer: Encoders) -> list[_Stream]:
    """The payloads, zeros behind each, as words of the coder."""
    padded = [one + bytes(-len(one) % WORD_BYTES + 2 * WORD_BYTES) for one in payloads]
    words = np.frombuffer(b"".join(padded), ">u4").astype(np.uint32)
    ends = [*accumulate(len(one) // WORD_BYTES for one in padded)]
    cuts = enumerate(zip(payloads, [0, *ends], ends, strict=False))
    return [
        _Stream(payload, words[start:end], partial(writer.encoder, index))
        for index, (payload, start, end) in cuts
    ]


def _batches(images: int, codes: int) -> Iterator[slice]:
    size = max(1, BATCH_CODES // max(1, codes))
    return (slice(start, start + size) for start in range(0, images, size))


def _indices(true: npt.NDArray[np.bool_]) -> list[int]:
    return np.flatnonzero(true).tolist() if true.any() else []


def _sorted(part: Pass, tiles: int) -> tuple[npt.NDArray[np.intp], U16]:
    """The coding order and the rows in it, `[B, n]`, or `[1, n]` where it is that of all images."""
    rows = np.repeat(part.rows, tiles, 0) if len(part.rows) < tiles else part.rows
    flat = rows.reshape(len(rows) // tiles, -1)
    order = np.argsort(flat, axis=1, kind="stable")
    return order, np.take_along_axis(flat, order, 1)


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
