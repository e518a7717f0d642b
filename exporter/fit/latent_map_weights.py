"""Weights of a map prior by regression, one lattice pass after the other.

The mean by ridge regression on the neighbours' codes. Then the scale s of the absolute error a by
non-negative weights of magnitudes that minimise `sum log s + a / s`, the code length under a
Laplace distribution, with multiplicative updates (Févotte, Bertin and Durrieu 2009: it is the
Itakura-Saito divergence of a from s).
"""

import numpy as np
import numpy.typing as npt

from codec.priors.latent_map import (
    I16,
    MAX_GAIN,
    MEAN_BLOCKS,
    MEAN_ONE,
    SCALE_BLOCKS,
    SCALE_ONE,
    Weights,
)
from codec.priors.scan_order import LATTICE, SET_SIZE, LatticePass
from codec.priors.tables import F64
from codec.quantise import F32
from exporter.fit.latent_map_samples import Maps, codes_of, draw, sample, sizes_of

POSITIONS, SCALE_POSITIONS = 100_000, 8_000
"""of each pass that a fit of means and of scales looks at"""
ITERATIONS = 50
RIDGE = 1e-3
# Rounding to integers may add to a gain; the codec refuses one beyond its limit.
LARGEST_GAIN = 0.9 * MAX_GAIN / MEAN_ONE
FLOOR = 2e-3
"""added to absolute errors, codes: a channel that is always right has a scale above 0 too"""
WEAKEST, WEAKEST_SCALE = 0.01, 0.003
"""weights that move a mean, or make up a scale, by less than this share of the error are dropped"""

Mask = npt.NDArray[np.bool_]


def fit_weights(maps: Maps, step: F32, group: npt.NDArray[np.uint8]) -> Weights:
    """Weights for codes of a step `[D]` and channel groups `[D]`; they have no thresholds yet."""
    dims, passes = len(group), len(LATTICE)
    mean = np.zeros((passes, MEAN_BLOCKS, dims, dims), np.int16)
    scale = np.zeros((passes, SCALE_BLOCKS, dims, dims), np.int16)
    for number, lattice in enumerate(LATTICE):
        moments = _Moments(maps, step, lattice)
        if moments.count > 1:
            _fit_pass(moments, lattice, group, mean[number], scale[number])
    return Weights(group, mean, scale, np.zeros(0, np.int32))


class _Moments:
    """Means and covariances of all codes around a position, and some of these codes."""

    def __init__(self, maps: Maps, step: F32, lattice: LatticePass) -> None:
        self.count, size = 0, MEAN_BLOCKS * len(step)
        total, square = np.zeros(size), np.zeros((size, size))
        for latents in draw(maps, lattice, POSITIONS):
            codes = codes_of(latents, step).reshape(-1, size)
            self.count += len(codes)
            total += codes.sum(0, dtype=np.float64)
            square += codes.T @ codes
        self.mean = total / max(self.count, 1)
        self.covariance = square / max(self.count, 1) - np.outer(self.mean, self.mean)
        self.codes = codes_of(sample(maps, lattice, SCALE_POSITIONS), step)

    def ridge(self, known: Mask, target: npt.NDArray[np.intp]) -> F64:
        """Weights `[F, d]` of the known codes for the target ones; negligible ones are 0."""
        spread = np.sqrt(np.maximum(np.diag(self.covariance), 1e-6))
        scaled = self.covariance / np.outer(spread, spread)
        gram, cross = scaled[np.ix_(known, known)], scaled[np.ix_(known, target)]
        ridge = RIDGE + len(gram) / (100.0 * self.count)
        weights = np.linalg.solve(gram + ridge * np.eye(len(gram)), cross)
        left = 1.0 - 2.0 * (weights * cross).sum(0) + (weights * (gram @ weights)).sum(0)
        weights[np.abs(weights) < WEAKEST * np.sqrt(np.maximum(left, 1e-6))] = 0.0
        return np.asarray(weights * spread[target] / spread[known][:, None])


def _fit_pass(
    moments: _Moments, lattice: LatticePass, group: npt.NDArray[np.uint8], mean: I16, scale: I16
) -> None:
    """Fills weights `[9, D, D]` and `[3, D, D]`."""
    dims, flat = len(group), moments.codes.reshape(len(moments.codes), -1)
    centred = flat - moments.mean.astype(np.float32)
    sizes = sizes_of(moments.codes).reshape(len(flat), -1)
    for one in range(int(group.max()) + 1):
        known = np.zeros((MEAN_BLOCKS, dims), bool)
        known[0], known[1 : 1 + SET_SIZE * len(lattice.sets)] = group < one, True
        now = np.flatnonzero(group == one)
        weights = np.zeros((MEAN_BLOCKS * dims, len(now)))
        weights[known.ravel()] = moments.ridge(known.ravel(), now)
        weights *= np.minimum(1.0, LARGEST_GAIN / np.maximum(np.abs(weights).sum(0), 1e-6))
        mean[:, :, now] = np.rint(MEAN_ONE * weights).reshape(MEAN_BLOCKS, dims, -1)
        error = np.abs(centred[:, now] - centred @ weights.astype(np.float32)) + np.float32(FLOOR)
        informed = known[[0, 1, 1 + SET_SIZE]].ravel()
        rates = np.zeros((SCALE_BLOCKS * dims, len(now)))
        rates[informed] = scale_weights(sizes[:, informed], error)
        limit = np.iinfo(np.int16).max
        rounded = np.minimum(np.rint(SCALE_ONE * rates), limit)
        scale[:, :, now] = rounded.reshape(SCALE_BLOCKS, dims, -1)


def scale_weights(sizes: F32, error: F32) -> F64:
    """Weights `[F, d] >= 0` of magnitudes `[n, F]` for errors `[n, d]`, beside a constant."""
    used = sizes.mean(0) > 1e-4
    ones = np.ones((len(sizes), 1), np.float32)
    features = np.concatenate([sizes[:, used], ones], 1)
    level = error.mean(0) / features.mean(0).sum()
    weights = np.broadcast_to(level, (features.shape[1], error.shape[1])).copy()
    for _ in range(ITERATIONS):
        inverse = 1.0 / (features @ weights)
        weights *= features.T @ (error * inverse**2) / (features.T @ inverse)
    weak = weights * features.mean(0)[:, None] < WEAKEST_SCALE * error.mean(0)
    weights[weak] = 0.0
    found = np.zeros((sizes.shape[1], error.shape[1]))
    found[used] = weights[:-1]
    return found


def scale_bias(scale: F32, error: F32) -> F32:
    """The constants `[d]` that go best with scales `[n, d]` for errors `[n, d]`."""
    bias = np.maximum(error.mean(0) / 2, np.float32(FLOOR))
    for _ in range(ITERATIONS // 2):
        inverse = 1.0 / (scale + bias)
        bias *= (error * inverse**2).mean(0) / inverse.mean(0)
    return np.asarray(bias)
