"""Integer frequency tables for coding codes.

A row divides `TOTAL = 2**24` among the values `low .. low + K - 2` and, as its last symbol, the
escape that announces any other value. Every frequency is at least 1. The integers are stored in the
bundle: nothing that a decoder needs is computed in floating point.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codec.arrays import F64, I32, I64, U32
from codec.errors import BundleError

PRECISION = 24
TOTAL = 2**PRECISION
# Wide enough for the finest quality. A bundle with more is refused before anything is allocated.
MAX_SYMBOLS = 65536
# A table index is a uint16.
MAX_ROWS = 65536
# Codes lie within ±2**20; this leaves room for guards and keeps every difference inside int32.
MAX_LOW = 2**21


@dataclass(frozen=True, slots=True)
class Tables:
    """`low [N]` int32, `frequencies [N, K]` uint32 with rows that sum to TOTAL."""

    low: I32
    frequencies: U32

    def __post_init__(self) -> None:
        shape = self.frequencies.shape
        if (
            self.frequencies.dtype != np.uint32
            or self.low.dtype != np.int32
            or self.low.shape != shape[:1]
        ):
            raise BundleError("tables: expected low [N] int32 and frequencies [N, K] uint32")
        if len(shape) != 2 or not (1 <= shape[0] <= MAX_ROWS and 2 <= shape[1] <= MAX_SYMBOLS):
            raise BundleError(
                f"tables: shape {list(shape)}, expected [1..{MAX_ROWS}, 2..{MAX_SYMBOLS}]"
            )
        if np.abs(self.low.astype(np.int64)).max() > MAX_LOW:
            raise BundleError(f"tables: a row begins outside ±{MAX_LOW}")
        if not (
            self.frequencies.min() >= 1 and (self.frequencies.sum(1, dtype=np.int64) == TOTAL).all()
        ):
            raise BundleError(
                f"tables: a frequency of 0 or a row of another sum, expected {TOTAL} for each row"
            )

    @property
    def escape(self) -> int:
        """The symbol that announces a value outside the table."""
        return int(self.frequencies.shape[1]) - 1

    def bits(self, values: I32 | I64, table_index: npt.NDArray[np.integer]) -> F64:
        """Ideal code length, bits, of each value coded with its row, all of one shape.

        An escaped value counts its escape symbol and the Elias gamma code of its excess.
        """
        low = self.low.take(table_index).astype(np.int64)
        shifted = values - low
        escaped = (shifted < 0) | (shifted >= self.escape)
        frequency = self.frequencies[table_index, np.where(escaped, self.escape, shifted)]
        bits = np.asarray(PRECISION - np.log2(frequency.astype(np.float64)))
        if escaped.any():
            excess = to_excess(values[escaped], low[escaped], self.escape)
            bits[escaped] += 2.0 * np.floor(np.log2(excess)) + 1.0
        return bits


def to_excess(values: I32 | I64, low: I64, width: int) -> I64:
    """Values outside `low .. low + width - 1` as positive integers, the nearest ones first."""
    above = values - (low + width)
    below = low - 1 - values
    return np.where(above >= 0, 2 * above + 1, 2 * below + 2)


def from_excess(excess: int, low: int, width: int) -> int:
    """The value whose `to_excess` is `excess`."""
    half, below = divmod(excess - 1, 2)
    return low - 1 - half if below else low + width + half


def fit_tables(codes: I32, *, guard: int = 1, pseudo_count: float = 0.5) -> Tables:
    """Tables from the codes `[N, D, ...]` of training images.

    The histogram of each dimension is mixed with a discretised Gaussian of the same mean and
    variance, worth `pseudo_count` times the square root of the sample: this fills the gaps of
    a finite sample. Dimensions share one width K. Unused places keep frequency 1, which costs at
    most K / 2**24 of a bit.
    """
    columns = np.moveaxis(codes, 1, 0).reshape(codes.shape[1], -1).astype(np.int64)
    low = columns.min(1) - guard
    width = int((columns.max(1) + guard - low).max()) + 1
    rows = [
        _row(column - start, width, pseudo_count)
        for column, start in zip(columns, low, strict=True)
    ]
    return Tables(low.astype(np.int32), np.stack(rows))


def _row(values: I64, width: int, pseudo_count: float) -> U32:
    histogram = np.bincount(values, minlength=width).astype(np.float64)
    centre, spread = values.mean(), values.var() + 1.0 / 12.0
    bell = np.exp(-0.5 * (np.arange(width) - centre) ** 2 / spread)
    histogram += pseudo_count * np.sqrt(len(values)) * bell / bell.sum()
    escape = 1.0 / (len(values) + 2.0) * histogram.sum()
    return apportion(np.append(histogram, escape))


def apportion(weights: npt.NDArray[np.float64]) -> U32:
    """Integer frequencies `[K]` in the ratio of the weights `[K]`, at least 1, that sum to TOTAL.

    Largest remainders. Ties go to the lower index: equal weights give equal tables everywhere.
    """
    share = weights / weights.sum() * (TOTAL - len(weights))
    floor = np.floor(share)
    missing = int(TOTAL - len(weights) - floor.sum())
    order = np.argsort(floor - share, kind="stable")
    floor[order[:missing]] += 1.0
    return np.asarray(floor + 1.0, np.uint32)


def index_tables(codes: I32, codebook: int) -> Tables:
    """Tables over the indices 0 .. codebook - 1 of each symbol, from the index maps `[N, D, ...]`
    of training images.
    """
    columns = np.moveaxis(codes, 1, 0).reshape(codes.shape[1], -1)
    histograms = [np.bincount(column, minlength=codebook) + 0.5 for column in columns]
    rows = [apportion(np.append(histogram, 1e-3)) for histogram in histograms]
    return Tables(np.zeros(len(rows), np.int32), np.stack(rows))
