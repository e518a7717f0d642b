"""Detectors of small cells: a Gaussian of their statistics at each position."""

from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
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
    def offset(self) -> float:
        """Distance of the first value of a map from the border, in steps of the map."""
        return 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of its maps."""
        return cell_grid(self.size, self.side)

    @property
    def channels(self) -> int:
        """Channels of the images that it takes."""
        return _channels(len(self.mean))

    def map(self, image: F32) -> F32:
        """`distances` of a working image `[C, h, w]`."""
        return self.distances(cell_statistics(image, self.side))

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
