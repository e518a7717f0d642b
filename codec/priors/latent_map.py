"""The prior of latent maps: neighbours predict the mean and the scale of every code.

One coding pass after the other (codec.priors.scan_order), and one channel group after the other in
each pass, the mean of a code is a linear function of the neighbours' codes in all channels and of
the codes of earlier groups at the same position. Its scale is a linear function of their
magnitudes. All weights are integers:

    mean m  = bias_m + sum of w * code      in 1 / 256 of a code
    scale s = bias_s + sum of v * |code|    in 1 / 4096 of a code, v >= 0

The mean is rounded to quarters: its whole part is the offset, its quarter the phase. The class is
the number of thresholds that do not exceed s. The row is 4 * class + phase, for all channels,
passes and levels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from codec.arrays import F32, I16, I32, U16, Array, Index
from codec.errors import BundleError
from codec.priors.base import Pass, Place, Prior, require
from codec.priors.scan_order import GROUP_SIZE, MAX_NEIGHBOUR_GROUPS, SCAN_ORDER
from codec.priors.tables import Tables

Integer = TypeVar("Integer", bound=np.integer)
PHASES = 4
MEAN_ONE, SCALE_ONE = 256, 4096
PHASE_BITS, QUARTER_BITS, HALF_QUARTER = 2, 6, 32
FLOAT32_ONE = 2**24
# Weights of the same position, then a block per neighbour (mean) or group of neighbours (scale).
MEAN_BLOCKS = 1 + MAX_NEIGHBOUR_GROUPS * GROUP_SIZE
SCALE_BLOCKS = 1 + MAX_NEIGHBOUR_GROUPS
# Bounds every offset: the mean of codes within ±2**20 stays within ±2**26.
MAX_GAIN = 64 * MEAN_ONE
# Thresholds lie in 1..MAX_SCALE, 256 codes.
MAX_SCALE = 2**20
# A product of up to 2**18 multiply-adds stays on the calling thread. A larger one OpenBLAS spreads
# over all cores and waits for them: on a busy core 16 ms instead of 0.1 (OpenBLAS 0.3.31).
MULTIPLY_ADDS = 2**17


@dataclass(frozen=True, eq=False)
class Weights:
    """The weights that several levels can share.

    `channel_group [D]` uint8: 0, 1, ... in coding order. `mean [7, 9, D, D]` and
    `scale [7, 3, D, D]` int16, from channel to channel: block 0 for the same position, then a block
    per neighbour (mean) or group of neighbours (scale). `thresholds [C - 1]` int32 in 1..MAX_SCALE,
    in ascending order.
    """

    channel_group: npt.NDArray[np.uint8]
    mean: I16
    scale: I16
    thresholds: I32

    def __post_init__(self) -> None:
        dims, passes = self.channel_group.size, len(SCAN_ORDER)
        require(self.channel_group, "group", np.uint8, (dims,))
        require(self.mean, "mean", np.int16, (passes, MEAN_BLOCKS, dims, dims))
        require(self.scale, "scale", np.int16, (passes, SCALE_BLOCKS, dims, dims))
        require(self.thresholds, "thresholds", np.int32, (self.thresholds.size,))
        self._check_values()

    def _check_values(self) -> None:
        used = np.unique(self.channel_group)
        if not np.array_equal(used, np.arange(len(used))):
            raise BundleError(f"channel groups {used.tolist()}, expected 0, 1, ... without a gap")
        later = self.channel_group[:, None] >= self.channel_group[None, :]
        if self.mean[:, 0, later].any() or self.scale[:, 0, later].any():
            raise BundleError("a weight for a code that is not decoded yet, expected 0")
        gain = int(np.abs(self.mean.astype(np.int64)).sum((1, 2)).max())
        if gain > MAX_GAIN:
            raise BundleError(f"weights of a mean sum to {gain}, expected at most {MAX_GAIN}")
        if self.scale.min() < 0 or (self.thresholds[1:] < self.thresholds[:-1]).any():
            raise BundleError("weights of a scale are negative or thresholds descend")
        if self.thresholds.size and not 1 <= self.thresholds[0] <= self.thresholds[-1] <= MAX_SCALE:
            raise BundleError(f"thresholds outside 1..{MAX_SCALE}")

    @cached_property
    def order(self) -> Index:
        """The channels in coding order."""
        return np.argsort(self.channel_group, kind="stable")

    @cached_property
    def to_ordered(self) -> list[tuple[I16, I16]]:
        """The mean and scale weights of each coding pass, to channels in coding order."""
        pairs = zip(self.mean, self.scale, strict=True)
        return [(mean[..., self.order], scale[..., self.order]) for mean, scale in pairs]

    @cached_property
    def groups(self) -> list[slice]:
        """The channel groups as slices of `order`."""
        ends = np.cumsum(np.bincount(self.channel_group)).tolist()
        return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    @cached_property
    def class_rows(self) -> U16:
        """The row of phase 0 for each scale from 0 to the largest threshold."""
        scales = np.arange(1 + self.thresholds.max(initial=0))
        classes = np.searchsorted(self.thresholds, scales, side="right")
        return (PHASES * classes).astype(np.uint16)


@dataclass(frozen=True, eq=False)
class MapPrior(Prior):
    """Shared tables and weights, and the biases `[7, D]` int32 of one level."""

    tables: Tables
    weights: Weights
    mean_bias: I32
    scale_bias: I32

    def __post_init__(self) -> None:
        rows, classes = len(self.tables.low), len(self.weights.thresholds) + 1
        if rows != PHASES * classes:
            raise BundleError(f"{rows} table rows, expected {PHASES} for each of {classes} classes")
        shape = (len(SCAN_ORDER), len(self.weights.channel_group))
        require(self.mean_bias, "mean_bias", np.int32, shape)
        require(self.scale_bias, "scale_bias", np.int32, shape)

    def passes(self, codes: I32) -> Iterator[Pass]:
        tiles, dims, height, width = codes.shape
        decoded = np.zeros((tiles, height, width, dims), np.float32)
        for number, coding_pass in enumerate(SCAN_ORDER):
            here = decoded[:, *coding_pass.grid]
            if not here.size:
                continue
            prediction = _Prediction(self, number, decoded)
            for group in self.weights.groups:
                channels = self.weights.order[group]
                place: Place = (slice(None), channels, *coding_pass.grid)
                yield prediction.coded(place, group)
                values = codes[place].transpose(0, 2, 3, 1).astype(np.float32)
                here[..., channels] = values
                prediction.add_group(values, group)

    @cached_property
    def float32_limits(self) -> list[float]:
        """For each coding pass the magnitude of codes up to which all sums are exact in float32."""
        gain = np.abs(self.weights.mean.astype(np.int64)).sum((1, 2))
        block_gain = self.weights.scale.sum(2, dtype=np.int64)
        scale_gain = block_gain[:, 0] + GROUP_SIZE * block_gain[:, 1:].sum(1)
        room = FLOAT32_ONE - np.abs([self.mean_bias, self.scale_bias], dtype=np.int64)
        limits: list[float] = (room / np.maximum([gain, scale_gain], 1)).min((0, 2)).tolist()
        return limits

    @classmethod
    def pack(cls, priors: Sequence[Self]) -> dict[str, Array]:
        """Shared `low`, `frequencies`, `group` and `thresholds`; `mean_k` and `scale_k` of the k-th
        weights; for each level `set [Q]` uint8, which k it uses, `mean_bias` and `scale_bias`.
        """
        first, shared = priors[0], list({id(p.weights): p.weights for p in priors}.values())
        number = {id(weights): k for k, weights in enumerate(shared)}
        return {
            "low": first.tables.low,
            "frequencies": first.tables.frequencies,
            "group": first.weights.channel_group,
            "thresholds": first.weights.thresholds,
            **{f"mean_{k}": weights.mean for k, weights in enumerate(shared)},
            **{f"scale_{k}": weights.scale for k, weights in enumerate(shared)},
            "set": np.array([number[id(p.weights)] for p in priors], np.uint8),
            "mean_bias": np.stack([p.mean_bias for p in priors]),
            "scale_bias": np.stack([p.scale_bias for p in priors]),
        }

    @classmethod
    def unpack(cls, arrays: Mapping[str, Array], dims: int, levels: int) -> tuple[Self, ...]:
        require(arrays["group"], "group", np.uint8, (dims,))
        require(arrays["set"], "set", np.uint8, (levels,))
        for name in ("mean_bias", "scale_bias"):
            require(arrays[name], name, np.int32, (levels, len(SCAN_ORDER), dims))
        group, thresholds = arrays["group"], arrays["thresholds"]
        shared = [
            Weights(group, arrays[f"mean_{k}"], arrays[f"scale_{k}"], thresholds)
            for k in range(int(arrays["set"].max()) + 1)
        ]
        tables = Tables(arrays["low"], arrays["frequencies"])
        biases = zip(arrays["set"], arrays["mean_bias"], arrays["scale_bias"], strict=True)
        return tuple(cls(tables, shared[k], mean, scale) for k, mean, scale in biases)


class _Prediction:
    """Means and scales `[P, D]` at the P positions of a coding pass, from what is decoded so far.

    Channels are in coding order. The sums are float32 while all codes are so small that this is
    exact, and float64 from then on, which holds them all.
    """

    def __init__(self, prior: MapPrior, number: int, decoded: F32) -> None:
        weights, coding_pass = prior.weights, SCAN_ORDER[number]
        self._weights, self._limit = weights, prior.float32_limits[number]
        self._mean_weights, self._scale_weights = weights.to_ordered[number]
        *self._shape, dims = decoded[:, *coding_pass.grid].shape
        exact = np.float32 if _within(decoded, self._limit) else np.float64
        size = (int(np.prod(self._shape)), dims)
        self._mean: Array = np.empty(size, exact)
        self._scale: Array = np.empty(size, exact)
        self._mean[:] = prior.mean_bias[number, weights.order]
        self._scale[:] = prior.scale_bias[number, weights.order]
        for block, steps in enumerate(coding_pass.neighbour_groups):
            magnitude = np.zeros(size, np.float32)
            for i, step in enumerate(steps):
                neighbours = coding_pass.neighbours(decoded, step).reshape(size)
                add_product(self._mean, neighbours, self._mean_weights[1 + GROUP_SIZE * block + i])
                magnitude += np.abs(neighbours)
            add_product(self._scale, magnitude, self._scale_weights[1 + block])

    def coded(self, place: Place, group: slice) -> Pass:
        """The pass of a channel group; all groups before it must have been added."""
        mean, scale = self._mean[:, group], self._scale[:, group]
        # Where float32 is exact, int32 is too, and takes half the time.
        integer = np.int32 if mean.dtype == np.float32 else np.int64
        quarters = np.right_shift(mean.astype(integer) + HALF_QUARTER, QUARTER_BITS) + PHASES // 2
        phase = (quarters & (PHASES - 1)).astype(np.uint16)
        rows = self._weights.class_rows.take(scale.astype(integer), mode="clip") + phase
        offset = np.right_shift(quarters, PHASE_BITS)
        return Pass(place, self._channels_second(rows), self._channels_second(offset))

    def add_group(self, codes: F32, group: slice) -> None:
        """Adds what the codes `[R, a, b, d]` of a channel group say about later groups."""
        later = slice(group.stop, None)
        if group.stop == self._mean.shape[1]:
            return
        if self._mean.dtype == np.float32 and not _within(codes, self._limit):
            self._mean, self._scale = self._mean.astype(np.float64), self._scale.astype(np.float64)
        flat, channels = codes.reshape(len(self._mean), -1), self._weights.order[group]
        add_product(self._mean[:, later], flat, self._mean_weights[0][channels, later])
        add_product(self._scale[:, later], np.abs(flat), self._scale_weights[0][channels, later])

    def _channels_second(self, flat: npt.NDArray[Integer]) -> npt.NDArray[Integer]:
        return flat.reshape(*self._shape, -1).transpose(0, 3, 1, 2)


def add_product(total: Array, features: F32, weights: I16) -> None:
    """Adds `features [n, K] @ weights [K, N]` to `total [n, N]`, on the calling thread only."""
    exact, chunk = total.dtype, max(1, MULTIPLY_ADDS // weights.size)
    matrix = weights.astype(exact)
    for start in range(0, len(total), chunk):
        rows = slice(start, start + chunk)
        total[rows] += features[rows].astype(exact, copy=False) @ matrix


def _within(codes: F32, limit: float) -> bool:
    return bool(codes.max() <= limit and codes.min() >= -limit)
