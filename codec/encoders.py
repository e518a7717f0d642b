"""Symbols to the range encoders of a batch of images."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import constriction
import numpy as np

from codec.spans import Spans
from codec.tables import I32, U16

Encoder = constriction.stream.queue.RangeEncoder
Categorical = constriction.stream.model.Categorical
# Weights f - 1 that sum to TOTAL - K make constriction's internal scale exactly 1.0: it then uses
# the integer frequencies f unchanged (`fast_quantized_cdf` in its categorical model).
# `perfect=True` would alter them.
FAMILY = Categorical(perfect=False)


class Call(NamedTuple):
    """Neighbouring symbols that constriction decodes in one call, and what it is asked. With a
    model for all of them they are encoded by it too; without one, by their intervals.
    """

    run: slice
    model: Any
    question: tuple[Any, ...]


class Encoders:
    """Encoders, one per image; each is given the symbols of as many passes at once as can be."""

    def __init__(self, spans: Spans, images: int) -> None:
        self._spans, self._encoders = spans, [Encoder() for _ in range(images)]
        self._waiting: list[tuple[I32, U16]] = []

    def put(self, symbols: I32, rows: U16, each: Sequence[list[Call]]) -> None:
        """Symbols `[B, n]`, the next ones of each image, coded with rows `[B, n]` or `[1, n]`."""
        if any(call.model is None for calls in each[: len(rows)] for call in calls):
            self._waiting.append((symbols, rows))
            return
        self._flush()
        for encoder, image, calls in zip(self._encoders, symbols, each, strict=True):
            for call in calls:
                encoder.encode(image[call.run], call.model)

    def encoder(self, index: int) -> Any:
        """That of an image, to which all symbols were given."""
        self._flush()
        return self._encoders[index]

    def _flush(self) -> None:
        if not self._waiting:
            return
        symbols, rows = self._waiting[0]
        if len(self._waiting) > 1:
            every = [(s, np.broadcast_to(r, s.shape)) for s, r in self._waiting]
            symbols, rows = (np.concatenate(column, 1) for column in zip(*every, strict=True))
        for encoder, part, span in zip(self._encoders, *self._spans.of(symbols, rows), strict=True):
            encoder.encode(part, FAMILY, span)
        self._waiting = []
