"""Symbols to the range encoders of a batch of images."""

from itertools import cycle

import constriction
import numpy as np

from codec.entropy.models import BIT, FAMILY, EntropyModels, long_runs
from codec.priors.tables import I32, U16

Encoder = constriction.stream.queue.RangeEncoder


class Encoders:
    """Encoders, one per image; each is given the symbols of as many passes at once as can be."""

    def __init__(self, models: EntropyModels, images: int) -> None:
        self._models, self._encoders = models, [Encoder() for _ in range(images)]
        self._waiting: list[tuple[I32, U16]] = []

    def put(self, symbols: I32, rows: U16) -> None:
        """Symbols `[B, n]`, the next ones of each image, coded with rows `[B, n]` or `[1, n]`."""
        runs = long_runs(rows)
        if not runs:
            self._waiting.append((symbols, rows))
            return
        self._flush()
        for encoder, image, some in zip(self._encoders, symbols, cycle(runs), strict=False):
            for start, end, row in some:
                encoder.encode(image[start:end], self._models.rows[row])

    def put_bits(self, index: int, bits: list[int]) -> None:
        """Plain bits, the next ones of an image."""
        self._flush()
        self._encoders[index].encode(np.array(bits, np.int32), BIT)

    def encoder(self, index: int) -> "constriction.stream.queue.RangeEncoder":
        """That of an image, to which all symbols were given."""
        self._flush()
        return self._encoders[index]

    def _flush(self) -> None:
        if not self._waiting:
            return
        symbols, rows = self._waiting[0]
        if len(self._waiting) > 1:
            every = [(s, r.repeat(len(s) // len(r), 0)) for s, r in self._waiting]
            symbols, rows = (np.concatenate(column, 1) for column in zip(*every, strict=True))
        parts, weights = self._models.spans.of(symbols, rows)
        for encoder, part, span in zip(self._encoders, parts, weights, strict=True):
            encoder.encode(part, FAMILY, span)
        self._waiting = []
