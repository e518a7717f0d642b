"""Symbols from the payloads of a batch of images."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate, cycle, pairwise

import constriction
import numpy as np

from codec.entropy.decode_windows import MERGED
from codec.entropy.elias_gamma import read_escapes
from codec.entropy.models import BIT, FAMILY, WORD_BYTES, EntropyModels, Run, long_runs
from codec.errors import RecordError
from codec.priors.tables import I32, U16, U32, Tables

Decoder = constriction.stream.queue.RangeDecoder
# So few symbols are read faster one by one than all at once.
FEW = 4
NO_STREAM = "the payload is no code stream of this model"


class Decoders:
    """Decoders, one per payload. What one reads that was refused means nothing; the others in its
    batch are none the worse for it.
    """

    def __init__(self, models: EntropyModels, payloads: Sequence[bytes]) -> None:
        self._models, self._decoders = models, [Decoder(words) for words in _words(payloads)]
        self.images = len(payloads)
        self.errors: dict[int, RecordError] = {}

    def symbols(self, rows: U16) -> I32:
        """The next symbols `[B, n]`, coded with rows `[B, n]` or `[1, n]`."""
        symbols = np.zeros((self.images, rows.shape[1]), np.int32)
        if runs := long_runs(rows):
            for index, some in zip(range(self.images), cycle(runs), strict=False):
                self._by_run(index, some, symbols[index])
            return symbols
        rows = rows.repeat(self.images // len(rows), 0)
        prefixes = self._models.windows.prefixes(rows) if rows.shape[1] > FEW else [0] * self.images
        if longest := max(prefixes):
            self._in_windows(rows[:, :longest], symbols[:, :longest], prefixes)
        for index, (prefix, image) in enumerate(zip(prefixes, rows.tolist(), strict=True)):
            if prefix < len(image):
                self._singly(index, image[prefix:], symbols[index, prefix:])
        return symbols

    def escaped(self, index: int, tables: Tables, rows: U16) -> list[int]:
        """The values that the last symbols of an image with these rows, escapes, stand for."""
        try:
            return read_escapes(tables, rows, partial(self._bit, index))
        except RecordError as error:
            self.refuse(index, str(error))
        return [0] * len(rows)

    def refuse(self, index: int, reason: str) -> None:
        """Gives a payload up; the first reason stands."""
        self.errors.setdefault(index, RecordError(reason))

    def _by_run(self, index: int, runs: Iterable[Run], symbols: I32) -> None:
        decoder, models = self._decoders[index], self._models.rows
        try:
            for start, end, row in runs:
                symbols[start:end] = decoder.decode(models[row], end - start)
        except AssertionError:  # constriction's word for a stream that no encoder writes
            self.refuse(index, NO_STREAM)

    def _in_windows(self, rows: U16, symbols: I32, prefixes: Sequence[int]) -> None:
        windows, before = self._models.windows, [one.clone() for one in self._decoders]
        found = np.ones(rows.shape, np.int32)  # in each window, and no merged one
        parts = zip(self._decoders, found, windows.weights(rows), prefixes, strict=True)
        for index, (decoder, to, weights, prefix) in enumerate(parts):
            try:
                to[:prefix] = decoder.decode(FAMILY, weights[:prefix])
            except AssertionError:
                self.refuse(index, NO_STREAM)
        symbols[:] = windows.symbols(rows, found)
        for index in np.flatnonzero((symbols == MERGED).any(1)).tolist():
            prefix, self._decoders[index] = prefixes[index], before[index]
            self._singly(index, rows[index, :prefix].tolist(), symbols[index, :prefix])

    def _singly(self, index: int, rows: Iterable[int], symbols: I32) -> None:
        decode, models = self._decoders[index].decode, self._models.rows
        try:
            symbols[:] = [decode(models[row]) for row in rows]
        except AssertionError:
            self.refuse(index, NO_STREAM)
            symbols[:] = 0  # none of them merged

    def _bit(self, index: int) -> int:
        try:
            return int(self._decoders[index].decode(BIT))
        except AssertionError as error:
            raise RecordError(NO_STREAM) from error


def _words(payloads: Sequence[bytes]) -> Iterator[U32]:
    """The payloads, zeros behind each, as words of the coder."""
    padded = [one + bytes(-len(one) % WORD_BYTES + 2 * WORD_BYTES) for one in payloads]
    words = np.frombuffer(b"".join(padded), ">u4").astype(np.uint32)
    ends = [*accumulate(len(one) // WORD_BYTES for one in padded)]
    return (words[start:end] for start, end in pairwise([0, *ends]))
