"""The prior of global latents: each image belongs to a cluster, which predicts its codes.

The first symbol of a tile is the number of its cluster, the only extra dimension. Its codes follow.
A cluster has a mean and a scale for each dimension, at the finest level. A level has a ratio for
each dimension, the finest step over its own, times 2**16:

    mean m  = mean * ratio >> 16       in 1 / 256 of a code
    scale s = scale * ratio >> 16      in 1 / 4096 of a code

Offset and row follow from m and s as in codec.priors.latent_map. The last row codes clusters.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np

from codec.arrays import F64, I32, I64, U16, Array
from codec.errors import BundleError
from codec.priors.base import Pass, Prior, require
from codec.priors.latent_map import MEAN_ONE, MULTIPLY_ADDS, PHASES, SCALE_ONE
from codec.priors.tables import Tables

RATIO_BITS = 16
MAX_CLUSTERS = 4096
# Keeps products with a ratio inside int64, and offsets in the order of magnitude of the codes.
MAX_MEAN = 2**30
# Costs are integers, so that every machine chooses the same cluster: larger codes weigh no more.
COST_BITS, MAX_COST_CODE = 12, 2**12


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """The clusters, shared by all levels.

    `mean` and `scale` `[K, D]` int32 at the finest level; `thresholds [C - 1]` int32, ascending.
    """

    mean: I32
    scale: I32
    thresholds: I32

    def __post_init__(self) -> None:
        clusters, dims = np.shape(self.mean) if np.ndim(self.mean) == 2 else (0, 0)
        if not 1 <= clusters <= MAX_CLUSTERS:
            raise BundleError(f"{clusters} clusters, expected 1..{MAX_CLUSTERS}")
        require(self.mean, "mean", np.int32, (clusters, dims))
        require(self.scale, "scale", np.int32, (clusters, dims))
        require(self.thresholds, "thresholds", np.int32, (len(self.thresholds),))
        if np.abs(self.mean.astype(np.int64)).max() > MAX_MEAN or self.scale.min() < 0:
            raise BundleError(f"a mean outside ±{MAX_MEAN} or a scale below 0")
        if (np.diff(self.thresholds) < 0).any():
            raise BundleError("thresholds descend, expected ascending ones")


@dataclass(frozen=True, eq=False)
class MixturePrior(Prior):
    """Shared tables and clusters, and the ratios `[D]` int32, 1..2**16, of one level."""

    extra: ClassVar[int] = 1
    tables: Tables
    mixture: Mixture
    ratio: I32

    def __post_init__(self) -> None:
        rows, classes = len(self.tables.low), len(self.mixture.thresholds) + 1
        if rows != PHASES * classes + 1 or self.tables.low[-1] != 0:
            raise BundleError(
                f"{rows} table rows, expected {PHASES} for each of {classes} classes and, from 0, "
                "one of clusters"
            )
        if self.clusters > self.tables.escape:
            raise BundleError(f"{self.clusters} clusters in a table of {self.tables.escape} values")
        require(self.ratio, "ratio", np.int32, self.mixture.mean.shape[1:])
        if self.ratio.min() < 1 or self.ratio.max() > 2**RATIO_BITS:
            raise BundleError(f"ratios outside 1..{2**RATIO_BITS}")

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return len(self.mixture.mean)

    def passes(self, codes: I32) -> Iterator[Pass]:
        last, whole = codes.shape[1] - 1, slice(None)
        row = np.full((1, 1, *codes.shape[2:]), len(self.tables.low) - 1, np.uint16)
        yield Pass((whole, slice(last, None), whole, whole), row, 0, 0, len(self.mixture.mean) - 1)
        cluster = codes[:, last, 0, 0]
        table_index, offset = self._by_cluster
        place = (whole, slice(0, last), whole, whole)
        yield Pass(place, table_index[cluster, :, None, None], offset[cluster, :, None, None])

    def extended(self, codes: I32) -> I32:
        """Adds the cluster that would code each tile in the fewest bits, with Gaussian tables."""
        square, linear, constant = self._cost_weights
        x = np.clip(codes[:, :, 0, 0], -MAX_COST_CODE, MAX_COST_CODE).astype(np.float64)
        cluster = np.empty((len(x), 1, 1, 1), np.int32)
        # A few tiles at a time keep the products on the calling thread.
        chunk = max(1, MULTIPLY_ADDS // square.size)
        for start in range(0, len(x), chunk):
            tiles = slice(start, start + chunk)
            # Integers below 2**53 throughout, which float64 adds exactly in any order.
            cost = (x[tiles] * x[tiles]) @ square + x[tiles] @ linear + constant
            cluster[tiles, 0, 0, 0] = cost.argmin(1)
        return np.concatenate([codes, cluster], axis=1)

    @classmethod
    def pack(cls, priors: Sequence[Self]) -> dict[str, Array]:
        """`ratio [Q, D]`, and shared `low`, `frequencies`, `mean`, `scale` and `thresholds`."""
        first = priors[0]
        return {
            "low": first.tables.low,
            "frequencies": first.tables.frequencies,
            "mean": first.mixture.mean,
            "scale": first.mixture.scale,
            "thresholds": first.mixture.thresholds,
            "ratio": np.stack([prior.ratio for prior in priors]),
        }

    @classmethod
    def unpack(cls, arrays: Mapping[str, Array], dims: int, levels: int) -> tuple[Self, ...]:
        require(arrays["ratio"], "ratio", np.int32, (levels, dims))
        tables = Tables(arrays["low"], arrays["frequencies"])
        mixture = Mixture(arrays["mean"], arrays["scale"], arrays["thresholds"])
        return tuple(cls(tables, mixture, ratio) for ratio in arrays["ratio"])

    @cached_property
    def _at_level(self) -> tuple[I64, I64]:
        """Means and scales `[K, D]` of the clusters at this level."""
        both = (self.mixture.mean, self.mixture.scale)
        mean, scale = (a.astype(np.int64) * self.ratio >> RATIO_BITS for a in both)
        return mean, scale

    @cached_property
    def _by_cluster(self) -> tuple[U16, I64]:
        """Table index and offset `[K, D]` of the codes in each cluster."""
        mean, scale = self._at_level
        quarters = (mean + MEAN_ONE // (2 * PHASES)) // (MEAN_ONE // PHASES)
        offset, phase = np.divmod(quarters + PHASES // 2, PHASES)
        classes = np.searchsorted(self.mixture.thresholds, scale, side="right")
        return (PHASES * classes + phase).astype(np.uint16), offset

    @cached_property
    def _cost_weights(self) -> tuple[F64, F64, F64]:
        """Integer weights `[D, K]`, `[D, K]`, `[K]` of x², x and 1 in the cost of codes x, nats."""
        mean, scale = self._at_level
        centre = np.clip(mean / MEAN_ONE, -MAX_COST_CODE, MAX_COST_CODE)
        # 1/12 is the variance of the rounding.
        variance = np.maximum((scale / SCALE_ONE) ** 2, 1e-4) + 1.0 / 12.0
        share = self.tables.frequencies[-1, : self.clusters].astype(np.float64)
        constant = 0.5 * (centre**2 / variance + np.log(variance)).sum(1) - np.log(share)
        weights = (0.5 / variance).T, (-centre / variance).T, constant
        square, linear, rest = (np.rint(2.0**COST_BITS * w) for w in weights)
        return square, linear, rest
