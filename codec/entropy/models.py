"""constriction's models of integer tables, in the forms that are quick for few symbols and many.

Which form is used changes no byte: all of them have the intervals that the table says.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import constriction
import numpy as np
import numpy.typing as npt

from codec.entropy.decode_windows import Windows
from codec.entropy.symbol_intervals import Spans
from codec.priors.tables import TOTAL, U16, Tables

Categorical = constriction.stream.model.Categorical
# Weights f - 1 that sum to TOTAL - K make constriction's internal scale exactly 1.0: it then uses
# the integer frequencies f unchanged (`fast_quantized_cdf` in its categorical model).
# `perfect=True` would alter them.
FAMILY = Categorical(perfect=False)
BIT = Categorical(np.full(2, TOTAL / 2 - 1), perfect=False)
WORD_BYTES = 4
# From so many equal rows in the mean on, a call for each run of them is quicker than one for all.
LONG_RUN = 12


class Run(NamedTuple):
    """Neighbouring symbols `start .. end - 1` that are coded with one row."""

    start: int
    end: int
    row: int


class EntropyModels:
    """A model for each row, spans to encode symbols of many rows, and windows to decode them."""

    def __init__(self, tables: Tables) -> None:
        weights = tables.frequencies - 1.0
        self.rows = [Categorical(row, perfect=False) for row in weights]
        self.spans = Spans(tables.frequencies)
        self.windows = Windows(tables.frequencies)


def long_runs(rows: U16) -> Sequence[list[Run]]:
    """The runs of sorted rows `[B, n]`, for each of B; nothing where most are short."""
    images, size = rows.shape
    if size < LONG_RUN:
        return ()
    changes = rows[:, 1:] != rows[:, :-1]
    if images * size < LONG_RUN * (images + np.count_nonzero(changes)):
        return ()
    return [_runs(*pair) for pair in zip(rows, changes, strict=True)]


def _runs(rows: U16, changes: npt.NDArray[np.bool_]) -> list[Run]:
    cuts = [0, *(np.flatnonzero(changes) + 1).tolist(), len(rows)]
    numbers = rows[cuts[:-1]].tolist()
    return [Run(start, end, row) for (start, end), row in zip(pairwise(cuts), numbers, strict=True)]
