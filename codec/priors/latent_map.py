"""The prior of latent maps: neighbours predict the mean and the scale of every code.

Lattice pass by lattice pass, and in each pass channel group by channel group, a code's mean is a
linear function of the neighbours' codes in all channels and of the codes of earlier groups at the
same position; its scale is one of their magnitudes. All weights are integers:

    mean m  = bias_m + sum of w * code      in 1 / 256 of a code
    scale s = bias_s + sum of v * |code|    in 1 / 4096 of a code, v >= 0

The mean is rounded to quarters: its whole part is the offset, its quarter the phase. The number of
thresholds that do not exceed s is the class. The row is 4 * class + phase; all channels, passes and
levels share the rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from codec.errors import BundleError
from codec.priors.base import Arrays, Index, Pass, Prior, require
from codec.priors.matmul import product
from codec.priors.scan_order import LATTICE, MAX_SETS, SET_SIZE, LatticePass
from codec.priors.tables import I32, I64, U16, Tables

I16 = npt.NDArray[np.int16]
F32 = npt.NDArray[np.float32]
Real = npt.NDArray[np.float32] | npt.NDArray[np.float64]
PHASES = 4
MEAN_ONE, SCALE_ONE = 256, 4096
PHASE_BITS, QUARTER_BITS, HALF_QUARTER = 2, 6, 32
FLOAT32_ONE = 2**24
# Weights of the same position, then one per neighbour of the two sets.
MEAN_BLOCKS, SCALE_BLOCKS = 1 + MAX_SETS * SET_SIZE, 1 + MAX_SETS
# Bounds every offset: the mean of codes within ±2**20 stays within ±2**26.
MAX_GAIN = 64 * MEAN_ONE
# Thresholds lie in 1..MAX_SCALE, 256 codes.
MAX_SCALE = 2**20
# Neighbours' codes that are gathered at once.
BAND = 2**17


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """What the levels of a model can share.

    `group [D]` uint8: 0, 1, ... in the order of coding. `mean [7, 9, D, D]` and
    `scale [7, 3, D, D]` int16, from channel to channel: block 0 for the same position, then a block
    per neighbour (mean) or set of neighbours (scale). `thresholds [C - 1]` int32, ascending, in
    1..MAX_SCALE.
    """

    group: npt.NDArray[np.uint8]
    mean: I16
    scale: I16
    thresholds: I32
    rows: U16 = field(init=False)
    """the row of phase 0 for each scale up to the largest threshold"""

    def __post_init__(self) -> None:
        dims, passes = self.group.size, len(LATTICE)
        require(self.group, "group", np.uint8, (dims,))
        require(self.mean, "mean", np.int16, (passes, MEAN_BLOCKS, dims, dims))
        require(self.scale, "scale", np.int16, (passes, SCALE_BLOCKS, dims, dims))
        require(self.thresholds, "thresholds", np.int32, (self.thresholds.size,))
        self._check_values()
        scales = np.arange(1 + self.thresholds.max(initial=0))
        classes = np.searchsorted(self.thresholds, scales, side="right")
        object.__setattr__(self, "rows", (PHASES * classes).astype(np.uint16))

    def _check_values(self) -> None:
        used = np.unique(self.group)
        if not np.array_equal(used, np.arange(len(used))):
            raise BundleError(f"channel groups {used.tolist()}, expected 0, 1, ... without a gap")
        later = self.group[:, None] >= self.group[None, :]
        if self.mean[:, 0, later].any() or self.scale[:, 0, later].any():
            raise BundleError("a weight for a code that is not decoded yet")
        if np.abs(self.mean.astype(np.int64)).sum((1, 2)).max() > MAX_GAIN:
            raise BundleError(f"weights of a mean sum to more than {MAX_GAIN}")
        if self.scale.min() < 0 or (self.thresholds[1:] < self.thresholds[:-1]).any():
            raise BundleError("weights of a scale are negative or thresholds descend")
        if self.thresholds.size and not 1 <= self.thresholds[0] <= self.thresholds[-1] <= MAX_SCALE:
            raise BundleError(f"thresholds outside 1..{MAX_SCALE}")


@dataclass(frozen=True, slots=True, eq=False)
class MapPrior(Prior):
    """See the module. `mean_bias` and `scale_bias` `[7, D]` int32 are a level's own."""

    tables: Tables
    weights: Weights
    mean_bias: I32
    scale_bias: I32

    def __post_init__(self) -> None:
        rows, classes = len(self.tables.low), len(self.weights.thresholds) + 1
        if rows != PHASES * classes:
            raise BundleError(f"{rows} table rows, expected {PHASES} for each of {classes} classes")
        shape = (len(LATTICE), len(self.weights.group))
        require(self.mean_bias, "mean_bias", np.int32, shape)
        require(self.scale_bias, "scale_bias", np.int32, shape)

    def passes(self, codes: I32) -> Iterator[Pass]:
        """See Prior."""
        images, dims, height, width = codes.shape
        # Integers below 2**24 (2**53): float32 (float64) and its fast products are exact.
        known = np.zeros((images, height, width, dims), np.float32)
        for number, lattice in enumerate(LATTICE):
            if known[:, *lattice.grid].size:
                yield from self._groups(codes, known, number, lattice)

    @classmethod
    def pack(cls, priors: Sequence[Self]) -> dict[str, Arrays]:
        """Shared `low`, `frequencies`, `group`, `thresholds`; `mean_k`, `scale_k` of the sets of
        weights, and per level `set [Q]` uint8, which of them, `mean_bias` and `scale_bias`.
        """
        first, sets = priors[0], list({id(p.weights): p.weights for p in priors}.values())
        number = {id(weights): k for k, weights in enumerate(sets)}
        return {
            "low": first.tables.low,
            "frequencies": first.tables.frequencies,
            "group": first.weights.group,
            "thresholds": first.weights.thresholds,
            **{f"mean_{k}": weights.mean for k, weights in enumerate(sets)},
            **{f"scale_{k}": weights.scale for k, weights in enumerate(sets)},
            "set": np.array([number[id(p.weights)] for p in priors], np.uint8),
            "mean_bias": np.stack([p.mean_bias for p in priors]),
            "scale_bias": np.stack([p.scale_bias for p in priors]),
        }

    @classmethod
    def unpack(cls, arrays: Mapping[str, Arrays], dims: int, levels: int) -> tuple[Self, ...]:
        """See Prior."""
        require(arrays["group"], "group", np.uint8, (dims,))
        require(arrays["set"], "set", np.uint8, (levels,))
        for name in ("mean_bias", "scale_bias"):
            require(arrays[name], name, np.int32, (levels, len(LATTICE), dims))
        tables = Tables(arrays["low"], arrays["frequencies"])
        sets = [
            Weights(
                arrays["group"], arrays[f"mean_{k}"], arrays[f"scale_{k}"], arrays["thresholds"]
            )
            for k in range(int(arrays["set"].max()) + 1)
        ]
        biases = zip(arrays["set"], arrays["mean_bias"], arrays["scale_bias"], strict=True)
        return tuple(cls(tables, sets[k], mean, scale) for k, mean, scale in biases)

    def _groups(self, codes: I32, known: F32, number: int, lattice: LatticePass) -> Iterator[Pass]:
        weights, limit = self.weights, self._limit(number)
        order = np.argsort(weights.group, kind="stable")
        ends = np.cumsum(np.bincount(weights.group)).tolist()
        small = _within(known, limit)
        mean, scale = self._from_neighbours(known, number, lattice, order, small)
        for start, end in zip([0, *ends[:-1]], ends, strict=True):
            chosen, later = order[start:end], order[end:]
            rows, offset = self._context(mean[..., start:end], scale[..., start:end])
            place = (slice(None), chosen, *lattice.grid)
            yield Pass(place, np.moveaxis(rows, 3, 1), np.moveaxis(offset, 3, 1))
            decoded = np.moveaxis(codes[place], 1, 3).astype(np.float32)
            known[:, *lattice.grid][..., chosen] = decoded
            if len(later):
                if small and not _within(decoded, limit):
                    small, mean, scale = False, mean.astype(np.float64), scale.astype(np.float64)
                to_mean, to_scale = weights.mean[number, 0], weights.scale[number, 0]
                between = np.ix_(chosen, later)
                mean[..., end:] += _product(decoded, to_mean[between], small)
                scale[..., end:] += _product(np.abs(decoded), to_scale[between], small)

    def _limit(self, number: int) -> float:
        """The magnitude of codes up to which float32 holds every sum of a pass exactly."""
        weights = self.weights
        gain = np.abs(weights.mean[number].astype(np.int64)).sum((0, 1))
        sizes = weights.scale[number].sum(1, dtype=np.int64)
        grown = sizes[0] + SET_SIZE * sizes[1:].sum(0)
        room = FLOAT32_ONE - np.abs(
            [self.mean_bias[number], self.scale_bias[number]], dtype=np.int64
        )
        return float((room / np.maximum([gain, grown], 1)).min())

    def _from_neighbours(
        self, known: F32, number: int, lattice: LatticePass, order: Index, small: bool
    ) -> tuple[Real, Real]:
        """Mean and scale `[R, a, b, D]` as far as other positions tell, channels in this order."""
        exact = np.float32 if small else np.float64
        tiles, lines, columns, dims = shape = known[:, *lattice.grid].shape
        mean, scale = np.empty(shape, exact), np.empty(shape, exact)
        mean[...], scale[...] = self.mean_bias[number, order], self.scale_bias[number, order]
        # Some lines at a time: what is gathered fits the processor's cache, and large maps memory.
        band = max(1, BAND // (tiles * columns * dims * SET_SIZE))
        for block, steps in enumerate(lattice.sets):
            first = 1 + SET_SIZE * block
            to_mean = self.weights.mean[number, first : first + SET_SIZE].reshape(-1, dims)[
                :, order
            ]
            to_scale = self.weights.scale[number, 1 + block][:, order]
            for some in (slice(line, line + band) for line in range(0, lines, band)):
                around = np.stack([lattice.neighbours(known, step, some) for step in steps], 3)
                size = np.abs(around)
                size = size[:, :, :, 0] + size[:, :, :, 1] + size[:, :, :, 2] + size[:, :, :, 3]
                flat = around.reshape(*around.shape[:3], -1)
                mean[:, some] += _product(flat, to_mean, small)
                scale[:, some] += _product(size, to_scale, small)
        return mean, scale

    def _context(self, mean: Real, scale: Real) -> tuple[U16, I64]:
        # Where float32 did, 32 bits do: they are half the work.
        whole = mean.astype(np.int32 if mean.dtype == np.float32 else np.int64)
        quarters = np.right_shift(whole + HALF_QUARTER, QUARTER_BITS) + PHASES // 2
        offset, phase = np.right_shift(quarters, PHASE_BITS), quarters & (PHASES - 1)
        # As many entries as the largest threshold; beyond its ends are the classes at its ends.
        rows = self.weights.rows.take(scale.astype(whole.dtype), mode="clip")
        return rows + phase.astype(np.uint16), offset


def _within(codes: F32, limit: float) -> bool:
    return bool(codes.max() <= limit and codes.min() >= -limit)


def _product(features: F32, weights: I16, small: bool) -> Real:
    """`features @ weights`, without rounding; `small`: float32 is known to do."""
    if small:
        return product(features, weights.astype(np.float32))
    return product(features.astype(np.float64), weights.astype(np.float64))
