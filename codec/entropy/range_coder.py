"""Codes to payload bytes and back, through a range coder with static integer tables.

Pass by pass (codec.priors.base), the stream holds the symbols of the pass sorted by table row, and
then, for each escaped one in the same order, the Elias gamma code of its excess as plain bits. The
payload is the shortest byte string that lies in the coder's final interval when zeros are appended;
a decoder appends them. A payload is canonical: decoding it and encoding again gives the same bytes.
Anything else is refused, so nothing can hide after a payload or in its unused bits.

The range coder is constriction's (64-bit state, 32-bit words, 24-bit probabilities).
`codec.reference.range_coder` holds the same arithmetic in plain Python integers.
"""

from collections.abc import Sequence
from itertools import cycle
from typing import Protocol

import constriction
import numpy as np
import numpy.typing as npt

from codec.arrays import F64, I32, I64, U16, Index
from codec.entropy.decoder import WORD_BYTES, Decoders
from codec.entropy.elias_gamma import escape_bits
from codec.entropy.models import BIT, FAMILY, EntropyModels, long_runs
from codec.errors import RecordError
from codec.priors.base import Pass, Prior

Encoder = constriction.stream.queue.RangeEncoder
Shape = tuple[int, int, int, int]
STATE_BITS = 64
# The number of codes in one call of a prior: it bounds the memory of a large batch.
CODES_PER_CALL = 2**18


class Coder(Protocol):
    """Codes `[R, D, h, w]` int32 of one image to a payload and back."""

    def encode(self, codes: I32) -> bytes:
        """The canonical payload of the codes."""

    def decode(self, payload: bytes, shape: Shape) -> I32:
        """The codes `[R, D, h, w]`. Raises RecordError unless the payload is canonical."""


class RangeCoder:
    """The fast coder, on constriction. Priors that share tables can share `models` of them."""

    def __init__(self, prior: Prior, models: EntropyModels | None = None) -> None:
        self._prior = prior
        self._models = models or EntropyModels(prior.tables)

    def encode(self, codes: I32) -> bytes:
        """The canonical payload of the codes of one image."""
        return self.encode_all(codes[None])[0]

    def decode(self, payload: bytes, shape: Shape) -> I32:
        """The codes of one image. Raises RecordError unless the payload is canonical."""
        codes = self.decode_all([payload], shape)[0]
        if isinstance(codes, RecordError):
            raise codes
        return codes

    def encode_all(self, codes: I32, bits: F64 | None = None) -> list[bytes]:
        """Payloads of the codes `[B, R, D, h, w]` of B images. Their ideal code lengths, bits, are
        added to `bits` `[B, R]`: with the payloads they cost little.
        """
        payloads: list[bytes] = []
        for part in _per_call(len(codes), codes[0].size):
            payloads += self._encode(codes[part], None if bits is None else bits[part])
        return payloads

    def decode_all(self, payloads: Sequence[bytes], shape: Shape) -> list[I32 | RecordError]:
        """The codes of each payload, all of one shape, or the reason why it has none."""
        codes: list[I32 | RecordError] = []
        for part in _per_call(len(payloads), int(np.prod(shape))):
            codes += self._decode(payloads[part], shape)
        return codes

    def _encode(self, codes: I32, bits: F64 | None) -> list[bytes]:
        flat = self._prior.extended(codes.reshape(-1, *codes.shape[2:]))
        encoders = Encoders(self._models, len(codes))
        for part in self._prior.passes(flat):
            order, table_index = _sorted(part, codes.shape[1])
            every = flat[part.place] - part.offset
            if bits is not None:
                bits += self._prior.bits_of_pass(part, every).reshape(bits.shape)
            values = every.take(_places(order, len(codes)))
            encoders.put(values, self._models.symbols(values, table_index), table_index)
        return [encoders.payload(image) for image in range(len(codes))]

    def _decode(self, payloads: Sequence[bytes], shape: Shape) -> list[I32 | RecordError]:
        tiles, dims, *grid = shape
        flat = np.zeros((len(payloads) * tiles, dims + self._prior.extra, *grid), np.int32)
        decoders = Decoders(self._models, payloads)
        encoders = Encoders(self._models, len(payloads))
        for part in self._prior.passes(flat):
            order, table_index = _sorted(part, tiles)
            codes = np.empty(flat[part.place].shape, np.int64)
            places = _places(order, len(payloads))
            codes.reshape(-1)[places] = self._values(decoders, table_index, encoders)
            codes += part.offset
            if codes.min() < part.minimum or codes.max() > part.maximum:
                _refuse_outside(decoders, part, codes)
            flat[part.place] = codes
        for image, payload in enumerate(payloads):
            if image not in decoders.errors and encoders.payload(image) != payload:
                decoders.refuse(image, "the payload is not the canonical code stream of its codes")
        images = flat[:, :dims].reshape(len(payloads), *shape)
        return [decoders.errors.get(image, codes) for image, codes in enumerate(images)]

    def _values(self, decoders: Decoders, table_index: U16, encoders: "Encoders") -> I64:
        """The next values `[B, n]` of each stream, the offset not yet added."""
        symbols = decoders.symbols(table_index)
        values: I64 = symbols + self._models.low.take(table_index)
        escaped = symbols == self._models.escape
        for image in _images(escaped):
            rows = table_index[image % len(table_index)][escaped[image]]
            values[image, escaped[image]] = decoders.escaped(image, rows)
        encoders.put(values, symbols, table_index)
        return values


class Encoders:
    """A range encoder for each image. As many passes as possible are encoded in one call."""

    def __init__(self, models: EntropyModels, images: int) -> None:
        self._models, self._encoders = models, [Encoder() for _ in range(images)]
        self._waiting: list[tuple[I32, U16]] = []

    def put(self, values: I32 | I64, symbols: I32, table_index: U16) -> None:
        """The next values and symbols `[B, n]`; `table_index` is `[B, n]` or `[1, n]`."""
        if runs := long_runs(table_index):
            self._flush()
            images = zip(self._encoders, symbols, cycle(runs), strict=False)
            for encoder, image_symbols, image_runs in images:
                for start, end, row in image_runs:
                    encoder.encode(image_symbols[start:end], self._models.row_models[row])
        else:
            self._waiting.append((symbols, table_index))
        escaped = symbols == self._models.escape
        for image in _images(escaped):
            low = self._models.low[table_index[image % len(table_index)][escaped[image]]]
            bits = escape_bits(values[image, escaped[image]], low, self._models.escape)
            self._flush()
            self._encoders[image].encode(np.array(bits, np.int32), BIT)

    def payload(self, image: int) -> bytes:
        """The payload of an image, all symbols of which are put."""
        self._flush()
        return _shortest(self._encoders[image])

    def _flush(self) -> None:
        if not self._waiting:
            return
        symbols, table_index = self._waiting[0]
        if len(self._waiting) > 1:
            every = [(s, rows.repeat(len(s) // len(rows), 0)) for s, rows in self._waiting]
            symbols, table_index = (np.concatenate(part, 1) for part in zip(*every, strict=True))
        parts, weights = self._models.intervals.of(symbols, table_index)
        for encoder, image_parts, image_weights in zip(self._encoders, parts, weights, strict=True):
            encoder.encode(image_parts, FAMILY, image_weights)
        self._waiting = []


def range_coders(priors: Sequence[Prior]) -> list[RangeCoder]:
    """A coder for each prior. The models of tables that several priors share are made once."""
    tables = {id(prior.tables): prior.tables for prior in priors}
    models = {key: EntropyModels(shared) for key, shared in tables.items()}
    return [RangeCoder(prior, models[id(prior.tables)]) for prior in priors]


def _per_call(images: int, codes: int) -> list[slice]:
    """Slices of a batch of images of `codes` codes each, of at most CODES_PER_CALL codes."""
    size = max(1, CODES_PER_CALL // max(1, codes))
    return [slice(start, start + size) for start in range(0, images, size)]


def _images(mask: npt.NDArray[np.bool_]) -> list[int]:
    """The images of a mask `[B, n]` where anything is true."""
    return np.flatnonzero(mask.any(1)).tolist() if mask.any() else []


def _sorted(part: Pass, tiles: int) -> tuple[Index, U16]:
    """The coding order and the rows in it, `[B, n]`, or `[1, n]` where all images share it."""
    rows = part.table_index
    rows = rows.repeat(tiles, 0) if len(rows) < tiles else rows
    flat = rows.reshape(len(rows) // tiles, -1)
    order = flat.argsort(axis=1, kind="stable")
    return order, flat.take(_places(order, len(order)))


def _places(order: Index, images: int) -> Index:
    """Places `[B, n]` in the flat arrays of a batch, whose images have this order `[B or 1, n]`."""
    first: Index = np.arange(0, images * order.shape[1], order.shape[1])
    return order + first[:, None]


def _refuse_outside(decoders: Decoders, part: Pass, codes: I64) -> None:
    """Refuses the images that have a code outside the limits of the pass; that code becomes 0."""
    outside = (codes < part.minimum) | (codes > part.maximum)
    for image in _images(outside.reshape(decoders.images, -1)):
        decoders.refuse(image, f"the payload holds a code outside {part.minimum}..{part.maximum}")
    codes[outside] = 0


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
    """The shortest byte string whose number lies in [low, low + width), with zeros appended up to
    `length` bytes.
    """
    if low == 0:
        return b""
    # A multiple of 256^k lies in the interval just where its ends differ above their last k bytes.
    # Shifts, since a hostile record of a large image makes a number of megabytes.
    k = ((low - 1 ^ low + width - 1).bit_length() - 1) // 8
    number = -(-low >> 8 * k)
    return number.to_bytes(length - k, "big").rstrip(b"\0")
