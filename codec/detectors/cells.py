"""Detectors of small cells: a Gaussian per position, and a bank of remembered cells."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from codec.arrays import F32, Array
from codec.detectors.checks import as_half, check_size, pair, require, require_array, require_keys
from codec.detectors.statistics import (
    SIDES,
    cell_grid,
    cell_statistics,
    statistics_length,
)

MAX_CELLS_SIDE = 128
MAX_BANK = 4000
# A thousandth below 1e-6 in float32.
MIN_DEVIATION = 0.999e-6
# Cells compared with the bank at once, to bound the memory: 4 MB with the largest bank.
_CHUNK = 256


class _OfCells(ABC):
    """What both detectors have in common: a map of one value for each cell."""

    __slots__ = ()
    size: tuple[int, int]
    side: int

    @property
    def offset(self) -> float:
        """Distance of the first value of a map from the border, in steps of the map."""
        return 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of its maps."""
        return cell_grid(self.size, self.side)

    def map(self, image: F32) -> F32:
        """`distances` of a working image `[C, h, w]`."""
        return self.distances(cell_statistics(image, self.side))

    @abstractmethod
    def distances(self, statistics: F32) -> F32:
        """How unusual the statistics `[D, h', w']` of cells are, `[h', w']`."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells(_OfCells):
    """A Gaussian of the statistics of a cell at each position, for registered images.

    `size` is the working size (h, w), sides of `side`..128; `side` is that of a cell: 4, 8 or 16.
    `mean [D, h', w']` float32 and `whitening [D, D, h', w']`: for differences d from the mean,
    y_b = sum_a d_a whitening_ab has unit covariance, as with the Cholesky factor of the inverse of
    a covariance. The whitening is rounded to the float16 of the file, so it must be below 65504.
    D and (h', w') are those of codec.detectors.statistics. Raises BundleError.
    """

    size: tuple[int, int]
    side: int
    mean: F32
    whitening: F32

    def __post_init__(self) -> None:
        _check_cells(self.size, self.side)
        require_array(self.mean, "mean", np.float32, (None, *self.shape))
        _channels(len(self.mean))
        object.__setattr__(self, "whitening", as_half(self.whitening))
        expected = (len(self.mean), *self.mean.shape)
        require_array(self.whitening, "whitening", np.float32, expected)

    @property
    def channels(self) -> int:
        """Channels of the images that it takes."""
        return _channels(len(self.mean))

    def distances(self, statistics: F32) -> F32:
        """Squared Mahalanobis distance over D, `[h', w']`, of statistics `[D, h', w']`.

        1 on average for normal images.
        """
        difference = statistics - self.mean
        whitened = np.zeros_like(difference)
        for value, row in zip(difference, self.whitening, strict=True):
            whitened += value * row
        return np.asarray(np.square(whitened).mean(0), np.float32)

    def pack(self) -> dict[str, Array]:
        """The arrays of the file: size and side int32, mean float32, whitening float16."""
        return {
            "size": np.array(self.size, np.int32),
            "side": np.array([self.side], np.int32),
            "mean": self.mean,
            "whitening": self.whitening.astype(np.float16),
        }

    @classmethod
    def unpack(cls, arrays: Mapping[str, Array]) -> "Cells":
        """Undoes `pack`. Raises BundleError for missing, misshapen or non-finite arrays."""
        require_keys(arrays, "cells", {"size", "side", "mean", "whitening"})
        whitening = arrays["whitening"]
        require_array(whitening, "whitening", np.float16, (None, None, None, None))
        return cls(*_size_and_side(arrays), arrays["mean"], whitening.astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class CellBank(_OfCells):
    """Remembered cells of training images from any position, for textures and moving objects.

    `size` and `side` as in `Cells`; `cells [m, D]` are statistics, m at most 4000, rounded to the
    float16 of the file; `deviation [D]` float32, at least 1e-6, is that of each value over
    training. Raises BundleError.
    """

    size: tuple[int, int]
    side: int
    cells: F32
    deviation: F32
    # The cells over their deviations, and the columns of a product that gives their distances.
    _points: F32 = field(init=False, repr=False)
    _columns: F32 = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_cells(self.size, self.side)
        object.__setattr__(self, "cells", as_half(self.cells))
        require_array(self.cells, "cells", np.float32, (None, None))
        require(len(self.cells) <= MAX_BANK, f"a bank of {len(self.cells)}, at most {MAX_BANK}")
        _channels(self.cells.shape[1])
        require_array(self.deviation, "deviation", np.float32, (self.cells.shape[1],))
        require(float(self.deviation.min()) >= MIN_DEVIATION, "deviation must be at least 1e-6")
        points = self.cells / self.deviation
        lengths = np.square(points).sum(1, keepdims=True)
        object.__setattr__(self, "_points", points)
        columns = np.ascontiguousarray(np.concatenate([-2.0 * points, lengths], 1).T)
        object.__setattr__(self, "_columns", columns)

    @property
    def channels(self) -> int:
        """Channels of the images that it takes."""
        return _channels(self.cells.shape[1])

    def distances(self, statistics: F32) -> F32:
        """Squared distance to the nearest remembered cell, `[h', w']`, of statistics
        `[D, h', w']`; every value is divided by its deviation first.
        """
        queries = statistics.reshape(len(statistics), -1).T / self.deviation
        rows = np.concatenate([queries, np.ones((len(queries), 1), np.float32)], 1)
        chunks = range(0, len(rows), _CHUNK)
        # The squared length of a query is the same for all cells, so it is left out.
        nearest = [np.argmin(rows[i : i + _CHUNK] @ self._columns, axis=1) for i in chunks]
        difference = queries - self._points[np.concatenate(nearest)]
        distances = np.square(difference).sum(1)
        return np.asarray(distances.reshape(statistics.shape[1:]), np.float32)

    def pack(self) -> dict[str, Array]:
        """The arrays of the file: size and side int32, cells float16, deviation float32."""
        return {
            "size": np.array(self.size, np.int32),
            "side": np.array([self.side], np.int32),
            "cells": self.cells.astype(np.float16),
            "deviation": self.deviation,
        }

    @classmethod
    def unpack(cls, arrays: Mapping[str, Array]) -> "CellBank":
        """Undoes `pack`. Raises BundleError for missing, misshapen or non-finite arrays."""
        require_keys(arrays, "bank", {"size", "side", "cells", "deviation"})
        cells = arrays["cells"]
        require_array(cells, "cells", np.float16, (None, None))
        return cls(*_size_and_side(arrays), cells.astype(np.float32), arrays["deviation"])


def _size_and_side(arrays: Mapping[str, Array]) -> tuple[tuple[int, int], int]:
    require_array(arrays["side"], "side", np.int32, (1,))
    return pair(arrays["size"], "size", min(SIDES), MAX_CELLS_SIDE), int(arrays["side"][0])


def _check_cells(size: tuple[int, int], side: int) -> None:
    require(side in SIDES, f"cells of side {side}, expected one of {SIDES}")
    check_size(size, side, MAX_CELLS_SIDE)


def _channels(length: int) -> int:
    """1 or 3, from the number of statistics of a cell. Raises BundleError."""
    lengths = {statistics_length(channels): channels for channels in (1, 3)}
    require(length in lengths, f"{length} statistics of a cell, expected one of {sorted(lengths)}")
    return lengths[length]
