"""The prior of global latents: an image belongs to a cluster, whose means and scales code it.

The first symbol of a tile is the number of its cluster, the only extra one; then come its codes. A
cluster is a mean and a scale for each dimension, at the finest level; a level has a ratio for each
dimension, its finest step over its own, times 2**16:

    mean m  = mean * ratio >> 16       in 1 / 256 of a code
    scale s = scale * ratio >> 16      in 1 / 4096 of a code

As in codec.priors.latent_map the mean is rounded to quarters, whole part the offset and quarter the
phase; the number of thresholds that do not exceed s is the class, and 4 * class + phase the row.
The last row codes clusters.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np

from codec.errors import BundleError
from codec.priors.base import Arrays, Pass, Prior, require
from codec.priors.latent_map import MEAN_ONE, PHASES, SCALE_ONE
from codec.priors.matmul import product
from codec.priors.tables import F64, I32, I64, U16, Tables

RATIO_BITS = 16
MAX_CLUSTERS = 4096
# Keeps products with a ratio inside int64, and offsets small beside the codes.
MAX_MEAN = 2**30
# Costs are integers, so that every machine chooses the same cluster: larger codes weigh no more.
COST_BITS, MAX_COST_CODE = 12, 2**12


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """What the levels share: `mean` and `scale` `[K, D]` int32 of the clusters at the finest level,
    and `thresholds [C - 1]` int32, ascending.
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
            raise BundleError(f"a mean beyond ±{MAX_MEAN} or a scale below 0")
        if (np.diff(self.thresholds) < 0).any():
            raise BundleError("thresholds descend")


@dataclass(frozen=True, slots=True, eq=False)
class MixturePrior(Prior):
    """See the module. `ratio [D]` int32, 1 to 2**16, is a level's own."""

    extra: ClassVar[int] = 1
    tables: Tables
    mixture: Mixture
    ratio: I32
    _rows: U16 = field(init=False, repr=False)
    _offset: I64 = field(init=False, repr=False)
    _costs: tuple[F64, F64, F64] = field(init=False, repr=False)

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
            raise BundleError(f"ratios beyond 1..{2**RATIO_BITS}")
        mean, scale = self._at_level()
        quarters = (mean + MEAN_ONE // (2 * PHASES)) // (MEAN_ONE // PHASES)
        offset, phase = np.divmod(quarters + PHASES // 2, PHASES)
        classes_of = np.searchsorted(self.mixture.thresholds, scale, side="right")
        object.__setattr__(self, "_offset", offset)
        object.__setattr__(self, "_rows", (PHASES * classes_of + phase).astype(np.uint16))
        object.__setattr__(self, "_costs", self._cost_weights(mean / MEAN_ONE, scale / SCALE_ONE))

    @property
    def clusters(self) -> int:
        """How many there are."""
        return len(self.mixture.mean)

    def passes(self, codes: I32) -> Iterator[Pass]:
        """See Prior."""
        last = codes.shape[1] - 1
        whole = slice(None)
        row = np.full((1, 1, *codes.shape[2:]), len(self.tables.low) - 1, np.uint16)
        yield Pass((whole, slice(last, None), whole, whole), row, 0, 0, self.clusters - 1)
        cluster = codes[:, last, 0, 0]
        rows, offset = self._rows[cluster], self._offset[cluster]
        place = (whole, slice(0, last), whole, whole)
        yield Pass(place, rows[:, :, None, None], offset[:, :, None, None])

    def extended(self, codes: I32) -> I32:
        """Adds the cluster in which the codes cost least, were they discretised Gaussians."""
        square, linear, constant = self._costs
        x = np.clip(codes[:, :, 0, 0], -MAX_COST_CODE, MAX_COST_CODE).astype(np.float64)
        # Integers below 2**53 throughout, which float64 adds exactly in any order.
        cost = product(x * x, square) + product(x, linear) + constant
        cluster = cost.argmin(1).astype(np.int32)
        return np.concatenate([codes, cluster[:, None, None, None]], axis=1)

    @classmethod
    def pack(cls, priors: Sequence[Self]) -> dict[str, Arrays]:
        """`ratio [Q, D]`, and shared by all levels `low`, `frequencies`, `mean`, `scale` and
        `thresholds`.
        """
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
    def unpack(cls, arrays: Mapping[str, Arrays], dims: int, levels: int) -> tuple[Self, ...]:
        """See Prior."""
        require(arrays["ratio"], "ratio", np.int32, (levels, dims))
        tables = Tables(arrays["low"], arrays["frequencies"])
        mixture = Mixture(arrays["mean"], arrays["scale"], arrays["thresholds"])
        return tuple(cls(tables, mixture, ratio) for ratio in arrays["ratio"])

    def _at_level(self) -> tuple[I64, I64]:
        both = (self.mixture.mean, self.mixture.scale)
        mean, scale = (a.astype(np.int64) * self.ratio >> RATIO_BITS for a in both)
        return mean, scale

    def _cost_weights(self, mean: F64, scale: F64) -> tuple[F64, F64, F64]:
        """Integer weights `[D, K]`, `[D, K]`, `[K]` of x², x and 1 in the cost of codes x, nats."""
        mean = np.clip(mean, -MAX_COST_CODE, MAX_COST_CODE)
        variance = np.maximum(scale**2, 1e-4) + 1.0 / 12.0  # of the rounding
        share = self.tables.frequencies[-1, : self.clusters].astype(np.float64)
        constant = 0.5 * (mean**2 / variance + np.log(variance)).sum(1) - np.log(share)
        weights = (0.5 / variance).T, (-mean / variance).T, constant
        square, linear, rest = (np.rint(2.0**COST_BITS * w) for w in weights)
        return square, linear, rest
