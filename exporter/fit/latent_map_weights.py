"""Weights of a map prior by regression at random positions, one coding pass after the other.

The mean is a ridge regression on the neighbours' codes. The scale s of the absolute error a is a
sum of magnitudes with non-negative weights that minimise `sum log s + a / s`, the code length under
a Laplace distribution. It is the Itakura-Saito divergence of a from s, minimised by multiplicative
updates (Févotte, Bertin and Durrieu 2009).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codec.arrays import F32, F64, I16, Index, Mask
from codec.priors.latent_map import (
    MAX_GAIN,
    MEAN_BLOCKS,
    MEAN_ONE,
    SCALE_BLOCKS,
    SCALE_ONE,
    Weights,
)
from codec.priors.scan_order import GROUP_SIZE, SCAN_ORDER, CodingPass
from codec.quantise import MAX_CODE

# Latent maps `[N, D, h, w]`, one array for each size.
Maps = Sequence[F32]
# Latents held in memory at once.
CHUNK = 2**23
# Positions of each pass from which means and scales are fitted.
POSITIONS, SCALE_POSITIONS = 100_000, 8_000
ITERATIONS = 50
RIDGE = 1e-3
# Rounding to integers may add to a gain; the codec rejects one above its limit.
LARGEST_GAIN = 0.9 * MAX_GAIN / MEAN_ONE
# Added to absolute errors, in codes: a channel that is always right still has a scale above 0.
FLOOR = 2e-3
# Weights that change a mean or a scale by less than this share of the error are dropped.
WEAKEST, WEAKEST_SCALE = 0.01, 0.003


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Statistics of the codes at a position and its neighbours, F = 9 D of them.

    `count` positions have the mean `[F]` and the covariance `[F, F]`; `codes [n, 9, D]` are those
    of a smaller sample.
    """

    count: int
    mean: F64
    covariance: F64
    codes: F32


def fit_weights(maps: Maps, step: F32, channel_group: npt.NDArray[np.uint8]) -> Weights:
    """Weights for codes of a step `[D]` and channel groups `[D]`, without thresholds yet."""
    passes = [_fit_pass(_moments(maps, step, one), one, channel_group) for one in SCAN_ORDER]
    mean, scale = (np.stack(weights) for weights in zip(*passes, strict=True))
    return Weights(channel_group, mean, scale, np.zeros(0, np.int32))


def _moments(maps: Maps, step: F32, coding_pass: CodingPass) -> Moments:
    count, size = 0, MEAN_BLOCKS * len(step)
    total, square = np.zeros(size), np.zeros((size, size))
    for latents in draw(maps, coding_pass, POSITIONS):
        codes = codes_of(latents, step).reshape(-1, size)
        count += len(codes)
        total += codes.sum(0, dtype=np.float64)
        square += codes.T @ codes
    mean = total / max(count, 1)
    covariance = square / max(count, 1) - np.outer(mean, mean)
    return Moments(
        count, mean, covariance, codes_of(sample(maps, coding_pass, SCALE_POSITIONS), step)
    )


def _fit_pass(
    moments: Moments, coding_pass: CodingPass, channel_group: npt.NDArray[np.uint8]
) -> tuple[I16, I16]:
    """Integer weights of a pass, `[9, D, D]` for means and `[3, D, D]` for scales."""
    dims = len(channel_group)
    mean = np.zeros((MEAN_BLOCKS, dims, dims), np.int16)
    scale = np.zeros((SCALE_BLOCKS, dims, dims), np.int16)
    if moments.count < 2:
        return mean, scale
    codes = moments.codes.reshape(len(moments.codes), -1) - moments.mean.astype(np.float32)
    sizes = magnitudes(moments.codes).reshape(len(codes), -1)
    for target, known in _groups(channel_group, coding_pass):
        weights = _mean_weights(moments, known.ravel(), target)
        mean[:, :, target] = np.rint(MEAN_ONE * weights).reshape(MEAN_BLOCKS, dims, -1)
        error = np.abs(codes[:, target] - codes @ weights.astype(np.float32)) + np.float32(FLOOR)
        # The known codes of a neighbour group have one weight per channel.
        known_sizes = known[[0, 1, 1 + GROUP_SIZE]].ravel()
        weights = np.zeros((SCALE_BLOCKS * dims, len(target)))
        weights[known_sizes] = scale_weights(sizes[:, known_sizes], error)
        rounded = np.minimum(np.rint(SCALE_ONE * weights), np.iinfo(np.int16).max)
        scale[:, :, target] = rounded.reshape(SCALE_BLOCKS, dims, -1)
    return mean, scale


def _groups(
    channel_group: npt.NDArray[np.uint8], coding_pass: CodingPass
) -> Iterator[tuple[Index, Mask]]:
    """The channels of each group in coding order, and which codes `[9, D]` are known to it."""
    neighbours = GROUP_SIZE * len(coding_pass.neighbour_groups)
    for group in range(int(channel_group.max()) + 1):
        known = np.zeros((MEAN_BLOCKS, len(channel_group)), bool)
        known[0] = channel_group < group
        known[1 : 1 + neighbours] = True
        yield np.flatnonzero(channel_group == group), known


def _mean_weights(moments: Moments, known: Mask, target: Index) -> F64:
    """Weights `[F, d]` of the known codes for the target channels by ridge regression.

    Negligible weights are 0, and no channel has a gain above LARGEST_GAIN.
    """
    spread = np.sqrt(np.maximum(np.diag(moments.covariance), 1e-6))
    scaled = moments.covariance / np.outer(spread, spread)
    gram, cross = scaled[np.ix_(known, known)], scaled[np.ix_(known, target)]
    ridge = RIDGE + len(gram) / (100.0 * moments.count)
    found = np.linalg.solve(gram + ridge * np.eye(len(gram)), cross)
    left = 1.0 - 2.0 * (found * cross).sum(0) + (found * (gram @ found)).sum(0)
    found[np.abs(found) < WEAKEST * np.sqrt(np.maximum(left, 1e-6))] = 0.0
    weights = np.zeros((len(known), len(target)))
    weights[known] = found * spread[target] / spread[known][:, None]
    gain = np.abs(weights).sum(0)
    return np.asarray(weights * np.minimum(1.0, LARGEST_GAIN / np.maximum(gain, 1e-6)))


def scale_weights(sizes: F32, error: F32) -> F64:
    """Weights `[F, d] >= 0` of magnitudes `[n, F]` that, with a constant, fit errors `[n, d]`."""
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
    all_weights = np.zeros((sizes.shape[1], error.shape[1]))
    all_weights[used] = weights[:-1]
    return all_weights


def scale_bias(scale: F32, error: F32) -> F32:
    """The constants `[d]` that best fit errors `[n, d]` when added to scales `[n, d]`."""
    bias = np.maximum(error.mean(0) / 2, np.float32(FLOOR))
    for _ in range(ITERATIONS // 2):
        inverse = 1.0 / (scale + bias)
        bias *= (error * inverse**2).mean(0) / inverse.mean(0)
    return np.asarray(bias)


def draw(maps: Maps, coding_pass: CodingPass, positions: int) -> Iterator[F32]:
    """Latents `[n, 9, D]` at about `positions` positions of a pass, with their neighbours.

    Every image contributes; the last chunk of a size may be small.
    """
    rng = np.random.default_rng(len(maps))
    total = sum(len(m) * m[0, 0, *coding_pass.grid].size for m in maps)
    for values in maps:
        per_image = values[0, 0, *coding_pass.grid].size
        wanted = min(1.0, positions / max(total, 1)) * len(values) * per_image
        if wanted == 0:
            continue
        # Half the positions of twice the images: neighbouring positions are much alike.
        count = min(len(values), int(2 * wanted / per_image) + 1)
        images = rng.permutation(len(values))[:count]
        share = min(1.0, wanted / (count * per_image))
        size = max(1, CHUNK // (MEAN_BLOCKS * values[0].size))
        for first in range(0, count, size):
            latents = _with_neighbours(values[images[first : first + size]], coding_pass)
            chosen = rng.permutation(len(latents))[: max(1, round(share * len(latents)))]
            yield latents[chosen]


def sample(maps: Maps, coding_pass: CodingPass, positions: int) -> F32:
    """The latents of `draw` as one array; empty if no map has a position of this pass."""
    none = np.zeros((0, MEAN_BLOCKS, maps[0].shape[1]), np.float32)
    return np.concatenate([none, *draw(maps, coding_pass, positions)])


def codes_of(latents: F32, step: F32) -> F32:
    """Codes `[n, 9, D]` of latents, as in codec.quantise; float32 holds them exactly."""
    return np.asarray(np.clip(np.rint(latents / step), -MAX_CODE, MAX_CODE), np.float32)


def magnitudes(codes: F32) -> F32:
    """Magnitudes `[n, 3, D]` of codes `[n, 9, D]`, summed over each group of neighbours."""
    size = np.abs(codes)
    return np.stack([size[:, 0], size[:, 1:5].sum(1), size[:, 5:].sum(1)], 1)


def _with_neighbours(values: F32, coding_pass: CodingPass) -> F32:
    """Latents `[n, 9, D]` at all positions of a pass in maps `[N, D, h, w]`."""
    known = np.moveaxis(values, 1, 3)
    steps = [(0, 0), *(step for group in coding_pass.neighbour_groups for step in group)]
    images, lines, columns, dims = known[:, *coding_pass.grid].shape
    latents = np.zeros((images, lines, columns, MEAN_BLOCKS, dims), np.float32)
    for block, step in enumerate(steps):
        latents[:, :, :, block] = coding_pass.neighbours(known, step)
    return latents.reshape(-1, MEAN_BLOCKS, dims)
