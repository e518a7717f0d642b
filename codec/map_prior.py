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
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from codec.errors import BundleError
from codec.lattice import LATTICE, MAX_SETS, SET_SIZE, LatticePass
from codec.prior import Arrays, Pass, Prior, require
from codec.tables import F64, I32, I64, U16, Tables

I16 = npt.NDArray[np.int16]
PHASES = 4
MEAN_ONE, SCALE_ONE = 256, 4096
# Weights of the same position, then one per neighbour of the two sets.
MEAN_BLOCKS, SCALE_BLOCKS = 1 + MAX_SETS * SET_SIZE, 1 + MAX_SETS
# Bounds every offset: the mean of codes within ±2**20 stays within ±2**26.
MAX_GAIN = 64 * MEAN_ONE


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """What the levels of a model can share.

    `group [D]` uint8: 0, 1, ... in the order of coding. `mean [7, 9, D, D]` and
    `scale [7, 3, D, D]` int16, from channel to channel: block 0 for the same position, then a block
    per neighbour (mean) or set of neighbours (scale). `thresholds [C - 1]` int32, ascending.
    """

    group: npt.NDArray[np.uint8]
    mean: I16
    scale: I16
    thresholds: I32

    def __post_init__(self) -> None:
        dims, passes = self.group.size, len(LATTICE)
        require(self.group, "group", np.uint8, (dims,))
        require(self.mean, "mean", np.int16, (passes, MEAN_BLOCKS, dims, dims))
        require(self.scale, "scale", np.int16, (passes, SCALE_BLOCKS, dims, dims))
        require(self.thresholds, "thresholds", np.int32, (self.thresholds.size,))
        self._check_values()

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
        # Everything is an integer far below 2**53, where float64 and its fast products are exact.
        known = np.zeros((images, height, width, dims))
        for number, lattice in enumerate(LATTICE):
            here = known[:, lattice.line :: lattice.stride, lattice.column :: lattice.stride]
            if here.size:
                yield from self._groups(codes, known, here, number, lattice)

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

    def _groups(
        self, codes: I32, known: F64, here: F64, number: int, lattice: LatticePass
    ) -> Iterator[Pass]:
        mean, scale = self._from_neighbours(known, number, lattice)
        weights, group = self.weights, self.weights.group
        last = int(group.max())
        for chosen in (np.flatnonzero(group == g) for g in range(last + 1)):
            rows, offset = self._context(mean[..., chosen], scale[..., chosen])
            place = (slice(None), chosen, *lattice.grid)
            yield Pass(place, np.moveaxis(rows, 3, 1), np.moveaxis(offset, 3, 1))
            decoded = np.moveaxis(codes[place], 1, 3).astype(np.float64)
            here[..., chosen] = decoded
            if group[chosen[0]] < last:
                mean += decoded @ weights.mean[number, 0, chosen].astype(np.float64)
                scale += np.abs(decoded) @ weights.scale[number, 0, chosen].astype(np.float64)

    def _from_neighbours(self, known: F64, number: int, lattice: LatticePass) -> tuple[F64, F64]:
        """Mean and scale `[R, a, b, D]`, as far as other positions tell."""
        shape = known[:, *lattice.grid].shape
        mean = np.broadcast_to(self.mean_bias[number].astype(np.float64), shape).copy()
        scale = np.broadcast_to(self.scale_bias[number].astype(np.float64), shape).copy()
        for block, steps in enumerate(lattice.sets):
            size = np.zeros(shape)
            for one, step in enumerate(steps, 1 + SET_SIZE * block):
                neighbour = lattice.neighbours(known, step)
                mean += neighbour @ self.weights.mean[number, one].astype(np.float64)
                size += np.abs(neighbour)
            scale += size @ self.weights.scale[number, 1 + block].astype(np.float64)
        return mean, scale

    def _context(self, mean: F64, scale: F64) -> tuple[U16, I64]:
        quarters = (mean.astype(np.int64) + MEAN_ONE // (2 * PHASES)) // (MEAN_ONE // PHASES)
        offset, phase = np.divmod(quarters + PHASES // 2, PHASES)
        classes = np.searchsorted(self.weights.thresholds, scale, side="right")
        return (PHASES * classes + phase).astype(np.uint16), offset
