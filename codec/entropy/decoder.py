"""Symbols from the payloads of a batch of images.

Three ways to decode give the same symbols. Which is fastest depends on the rows: RunDecoder for
long runs of one row, TruncatedDecoder for rows with one narrow peak, SingleDecoder for the rest.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate, cycle, pairwise

import constriction
import numpy as np

from codec.arrays import I32, U16, U32
from codec.entropy.elias_gamma import read_escapes
from codec.entropy.models import BIT, FAMILY, LEFT_OUT, EntropyModels, Run, long_runs
from codec.errors import RecordError

Decoder = constriction.stream.queue.RangeDecoder
WORD_BYTES = 4
# Up to this number of symbols, decoding them one by one is fastest.
FEW_SYMBOLS = 4
NOT_A_STREAM = "the payload is not a code stream of this model"


class Streams:
    """A range decoder for each payload, and the errors of those that were refused.

    What a refused stream yields has no meaning, but the others of its batch are not affected.
    """

    def __init__(self, payloads: Sequence[bytes]) -> None:
        self.decoders = [Decoder(words) for words in _words(payloads)]
        self.errors: dict[int, RecordError] = {}

    def refuse(self, image: int, reason: str = NOT_A_STREAM) -> None:
        """Gives a payload up. The first reason is kept."""
        self.errors.setdefault(image, RecordError(reason))

    def bit(self, image: int) -> int:
        """The next plain bit. Raises RecordError where the stream has none."""
        try:
            return int(self.decoders[image].decode(BIT))
        except AssertionError as error:  # how constriction refuses what no encoder writes
            raise RecordError(NOT_A_STREAM) from error


class RunDecoder:
    """One call for each run of symbols with the same row."""

    def __init__(self, streams: Streams, models: EntropyModels) -> None:
        self._streams, self._models = streams, models.row_models

    def decode(self, runs: Sequence[list[Run]], symbols: I32) -> None:
        """Fills `symbols [B, n]`; `runs` are those of each image, or the same for all."""
        for image, image_runs in zip(range(len(symbols)), cycle(runs), strict=False):
            decode = self._streams.decoders[image].decode
            try:
                for start, end, row in image_runs:
                    symbols[image, start:end] = decode(self._models[row], end - start)
            except AssertionError:
                self._streams.refuse(image)


class SingleDecoder:
    """One call for each symbol."""

    def __init__(self, streams: Streams, models: EntropyModels) -> None:
        self._streams, self._models = streams, models.row_models

    def decode(self, image: int, rows: Iterable[int], symbols: I32) -> None:
        """Fills `symbols [n]` of one image."""
        decode = self._streams.decoders[image].decode
        try:
            symbols[:] = [decode(self._models[row]) for row in rows]
        except AssertionError:
            self._streams.refuse(image)
            symbols[:] = 0


class TruncatedDecoder:
    """One call for all symbols of an image, with truncated tables.

    Where a symbol is left out of its row, the image is decoded again one symbol at a time.
    """

    def __init__(self, streams: Streams, models: EntropyModels, single: SingleDecoder) -> None:
        self._streams, self._tables, self._single = streams, models.truncated, single

    def decode(self, table_index: U16, symbols: I32) -> list[int]:
        """Fills the first of `symbols [B, n]`, those whose rows fit; for each of B their number.

        `table_index` `[B, n]` is the row of each symbol.
        """
        if symbols.shape[1] <= FEW_SYMBOLS:
            return [0] * len(symbols)
        prefixes = self._tables.fitting_prefixes(table_index)
        if longest := max(prefixes):
            self._decode(table_index[:, :longest], symbols[:, :longest], prefixes)
        return prefixes

    def _decode(self, table_index: U16, symbols: I32, prefixes: Sequence[int]) -> None:
        decoders = self._streams.decoders
        starts = [decoder.clone() for decoder in decoders]
        # Every truncated row has 1, for what is not decoded.
        truncated = np.ones(table_index.shape, np.int32)
        again = np.zeros(len(table_index), np.bool_)
        weights = self._tables.weights(table_index)
        for image, prefix in enumerate(prefixes):
            try:
                part = decoders[image].decode(FAMILY, weights[image, :prefix])
                truncated[image, :prefix] = part
            except AssertionError:
                # After a symbol that is left out the stream is read from a wrong place, where it
                # may seem to be no stream at all.
                again[image] = True
        symbols[:] = self._tables.symbols(table_index, truncated)
        again |= (symbols == LEFT_OUT).any(1)
        for image in np.flatnonzero(again).tolist():
            decoders[image], prefix = starts[image], prefixes[image]
            rows = table_index[image, :prefix].tolist()
            self._single.decode(image, rows, symbols[image, :prefix])


class Decoders:
    """Decodes the symbols of a batch of payloads, each pass in the way that suits its rows."""

    def __init__(self, models: EntropyModels, payloads: Sequence[bytes]) -> None:
        self._models, self._streams = models, Streams(payloads)
        self._runs = RunDecoder(self._streams, models)
        self._single = SingleDecoder(self._streams, models)
        self._truncated = TruncatedDecoder(self._streams, models, self._single)
        self.images, self.errors = len(payloads), self._streams.errors

    def refuse(self, image: int, reason: str) -> None:
        """Gives a payload up. The first reason is kept."""
        self._streams.refuse(image, reason)

    def symbols(self, table_index: U16) -> I32:
        """The next symbols `[B, n]`; `table_index` `[B, n]` or `[1, n]` is the row of each."""
        symbols = np.zeros((self.images, table_index.shape[1]), np.int32)
        if runs := long_runs(table_index):
            self._runs.decode(runs, symbols)
            return symbols
        table_index = table_index.repeat(self.images // len(table_index), 0)
        prefixes = self._truncated.decode(table_index, symbols)
        for image, (prefix, rows) in enumerate(zip(prefixes, table_index.tolist(), strict=True)):
            if prefix < len(rows):
                self._single.decode(image, rows[prefix:], symbols[image, prefix:])
        return symbols

    def escaped(self, image: int, table_index: U16) -> list[int]:
        """The values of escapes, the last symbols of an image, with the rows `table_index` `[n]`.

        A refused stream gives the value before each row.
        """
        low, bit = self._models.low[table_index], partial(self._streams.bit, image)
        try:
            return list(read_escapes(low, self._models.escape, bit))
        except RecordError as error:
            self.refuse(image, str(error))
        fallback: list[int] = (low - 1).tolist()
        return fallback


def _words(payloads: Sequence[bytes]) -> Iterator[U32]:
    """The payloads as words of the coder, followed by zeros."""
    padded = [one + bytes(-len(one) % WORD_BYTES + 2 * WORD_BYTES) for one in payloads]
    words = np.frombuffer(b"".join(padded), ">u4").astype(np.uint32)
    ends = [*accumulate(len(one) // WORD_BYTES for one in padded)]
    return (words[start:end] for start, end in pairwise([0, *ends]))
