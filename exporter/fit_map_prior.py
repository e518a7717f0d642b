"""Fits a map prior to the latent maps of training images.

Per set of weights and lattice pass: the mean by ridge regression on the neighbours, then the scale
s of the absolute error a by non-negative weights that minimise `sum log s + a / s`, the code length
under a Laplace distribution, with multiplicative updates (Févotte, Bertin and Durrieu 2009: it is
the Itakura-Saito divergence of a from s). The tables are histograms over all levels and channels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from codec.lattice import LATTICE, SET_SIZE, LatticePass
from codec.map_prior import (
    I16,
    MEAN_BLOCKS,
    MEAN_ONE,
    PHASES,
    SCALE_BLOCKS,
    SCALE_ONE,
    MapPrior,
    Weights,
)
from codec.quantise import F32, I32, quantise
from codec.tables import F64, U32, Tables, apportion

Maps = Sequence[F32]
"""latent maps `[N, D, h, w]`, one array for each size"""
CLASSES = 40
SMALLEST_SCALE, LARGEST_SCALE = 0.003, 100.0
ITERATIONS = 30
POSITIONS, SCALE_POSITIONS = 30_000, 10_000
"""of each pass that a fit of means and of scales looks at"""
TABLE_CODES = 2_000_000
RIDGE = 1e-3
FLOOR = 2e-3
"""added to absolute errors, codes: a channel that is always right has a scale above 0 too"""
WEAKEST, WEAKEST_SCALE = 0.02, 0.003
"""weights that move a mean, or make up a scale, by less than this share of the error are dropped"""

Mask = npt.NDArray[np.bool_]


def fit_map_priors(maps: Maps, steps: F32, sets: int) -> tuple[MapPrior, ...]:
    """A prior for each level, steps `[Q, D]`; `sets` sets of weights are shared among them."""
    levels = len(steps)
    sets = min(sets, levels)
    group = channel_groups(maps, steps[levels // 2])
    centres = [(2 * i + 1) * levels // (2 * sets) for i in range(sets)]
    chosen = [_fit_weights(maps, steps[centre], group) for centre in centres]
    nearest = [int(np.argmin([abs(level - c) for c in centres])) for level in range(levels)]
    biased = [_biases(maps, step, chosen[one]) for step, one in zip(steps, nearest, strict=True)]
    top = max(largest for _, _, largest in biased)
    thresholds = _thresholds(top)
    shared = [replace(weights, thresholds=thresholds) for weights in chosen]
    blank = Tables(np.zeros(PHASES * CLASSES, np.int32), _blank_rows())
    drafts = [
        MapPrior(blank, shared[one], mean, scale)
        for one, (mean, scale, _) in zip(nearest, biased, strict=True)
    ]
    tables = _fit_tables(maps, steps, drafts)
    return tuple(replace(draft, tables=tables) for draft in drafts)


def channel_groups(maps: Maps, step: F32) -> npt.NDArray[np.uint8]:
    """`[D]`: channels of the largest spread, in codes, are coded first and inform the others."""
    flat = np.concatenate([m.transpose(1, 0, 2, 3).reshape(m.shape[1], -1) for m in maps], 1)
    spread, dims = flat.std(1) / step, len(step)
    parts = [0, 1 / 2] if dims < 4 else [0, 1 / 4] if dims < 24 else [0, 1 / 16, 1 / 4]
    group = np.zeros(dims, np.uint8)
    order = np.argsort(-spread, kind="stable")
    for part in parts[1:] if dims > 1 else ():
        group[order[int(part * dims) :]] += 1
    return group


def _fit_weights(maps: Maps, step: F32, group: npt.NDArray[np.uint8]) -> Weights:
    dims, passes = len(group), len(LATTICE)
    mean = np.zeros((passes, MEAN_BLOCKS, dims, dims), np.int16)
    scale = np.zeros((passes, SCALE_BLOCKS, dims, dims), np.int16)
    for number, lattice in enumerate(LATTICE):
        codes = _sample(maps, step, lattice)
        for one in range(int(group.max()) + 1) if len(codes) else ():
            _fit_group(codes, lattice, group < one, group == one, mean[number], scale[number])
    return Weights(group, mean, scale, np.zeros(CLASSES - 1, np.int32))


def _fit_group(
    codes: F64, lattice: LatticePass, before: Mask, now: Mask, mean: I16, scale: I16
) -> None:
    """Fills weights `[9, D, D]` and `[3, D, D]` for the channels `now`; `before` are known."""
    known = np.zeros((MEAN_BLOCKS, len(now)), bool)
    known[0], known[1 : 1 + SET_SIZE * len(lattice.sets)] = before, True
    features, target = codes[:, known], codes[:, 0, now]
    weights = _ridge(features, target)
    found = np.zeros((*known.shape, int(now.sum())))
    found[known] = weights
    mean[:, :, now] = np.rint(MEAN_ONE * found)
    error = np.abs(target - target.mean(0) - (features - features.mean(0)) @ weights)
    blocks = known[[0, 1, 1 + SET_SIZE]]
    sizes = sizes_of(codes[:SCALE_POSITIONS])[:, blocks]
    rates = _scale_weights(sizes, error[:SCALE_POSITIONS] + FLOOR)
    grown = np.zeros((*blocks.shape, int(now.sum())))
    grown[blocks] = rates
    scale[:, :, now] = np.minimum(np.rint(SCALE_ONE * grown), np.iinfo(np.int16).max)


def sizes_of(codes: F64) -> F64:
    """Magnitudes `[n, 3, D]` of codes `[n, 9, D]`, summed over each set of neighbours."""
    size = np.abs(codes)
    return np.stack([size[:, 0], size[:, 1:5].sum(1), size[:, 5:].sum(1)], 1)


def _ridge(features: F64, target: F64) -> F64:
    """Weights `[F, d]` for centred features `[n, F]`; those that hardly matter are 0."""
    features, target = features - features.mean(0), target - target.mean(0)
    spread = np.maximum(features.std(0), 1e-3)
    scaled = features / spread
    gram = scaled.T @ scaled + RIDGE * len(scaled) * np.eye(scaled.shape[1])
    weights = np.linalg.solve(gram, scaled.T @ target)
    error = np.maximum((target - scaled @ weights).std(0), 1e-3)
    weights[np.abs(weights) < WEAKEST * error] = 0.0
    return np.asarray(weights / spread[:, None])


def _scale_weights(sizes: F64, error: F64) -> F64:
    """Weights `[F, d] >= 0` of magnitudes `[n, F]` for errors `[n, d]`, beside a constant."""
    used = sizes.mean(0) > 1e-4
    features = np.concatenate([sizes[:, used], np.ones((len(sizes), 1))], 1)
    level = error.mean(0) / (features.mean(0).sum() * 1.0)
    weights = np.broadcast_to(level, (features.shape[1], error.shape[1])).copy()
    for _ in range(ITERATIONS):
        scale = features @ weights
        weights *= np.sqrt(features.T @ (error / scale**2) / (features.T @ (1.0 / scale)))
    weak = weights * features.mean(0)[:, None] < WEAKEST_SCALE * error.mean(0)
    weights[weak] = 0.0
    found = np.zeros((sizes.shape[1], error.shape[1]))
    found[used] = weights[:-1]
    return found


def _biases(maps: Maps, step: F32, weights: Weights) -> tuple[I32, I32, float]:
    """Biases `[7, D]` of mean and scale of a level, and its largest scale but for outliers."""
    dims, largest = len(step), SMALLEST_SCALE
    means, scales = (np.zeros((len(LATTICE), dims)) for _ in range(2))
    for number, lattice in enumerate(LATTICE):
        codes = _sample(maps, step, lattice)
        if not len(codes):
            continue
        mean = np.einsum("nkc,kcd->nd", codes, weights.mean[number] / MEAN_ONE, optimize=True)
        scale = np.einsum(
            "nkc,kcd->nd", sizes_of(codes), weights.scale[number] / SCALE_ONE, optimize=True
        )
        means[number] = (codes[:, 0] - mean).mean(0)
        error = np.abs(codes[:, 0] - mean - means[number]) + FLOOR
        bias = np.maximum(error.mean(0) / 2, FLOOR)
        for _ in range(ITERATIONS):
            whole = scale + bias
            bias *= np.sqrt((error / whole**2).mean(0) / (1.0 / whole).mean(0))
        scales[number] = bias
        largest = max(largest, float(np.quantile(scale + bias, 0.9999)))
    return (
        _integers(MEAN_ONE * means),
        _integers(SCALE_ONE * scales),
        largest,
    )


def _integers(values: F64) -> I32:
    bounds = np.iinfo(np.int32)
    return np.rint(np.clip(values, bounds.min, bounds.max)).astype(np.int32)


def _thresholds(largest: float) -> I32:
    top = min(max(largest, 2 * SMALLEST_SCALE), LARGEST_SCALE)
    return np.rint(SCALE_ONE * np.geomspace(SMALLEST_SCALE, top, CLASSES - 1)).astype(np.int32)


def _sample(maps: Maps, step: F32, lattice: LatticePass) -> F64:
    """Codes `[n, 9, D]` at sampled positions of a pass: their own and those of the neighbours."""
    rng = np.random.default_rng(len(maps))
    total, dims = sum(len(m) * m[0, 0, *lattice.grid].size for m in maps), len(step)
    parts = []
    for values in maps:
        each = values[0, 0, *lattice.grid].size
        share = POSITIONS * len(values) * each / max(total, 1)
        # More images than needed, and a part of each: neighbouring positions are much alike.
        count = min(len(values), int(4 * share / max(each, 1)) + 1)
        images = np.sort(rng.permutation(len(values))[:count])
        known = np.moveaxis(quantise(values[images], step), 1, 3).astype(np.float64)
        steps = [(0, 0), *(one for block in lattice.sets for one in block)]
        found = np.zeros((count * each, MEAN_BLOCKS, dims))
        for block, one in enumerate(steps):
            found[:, block] = lattice.neighbours(known, one).reshape(count * each, dims)
        parts.append(found[rng.permutation(count * each)[: int(share) + 1]])
    return np.concatenate(parts)


def _blank_rows() -> npt.NDArray[np.uint32]:
    return np.stack([apportion(np.ones(2))] * (PHASES * CLASSES))


def _fit_tables(maps: Maps, steps: F32, drafts: Sequence[MapPrior]) -> Tables:
    """Rows for all classes and phases, from the codes of all levels."""
    thresholds = drafts[0].weights.thresholds / SCALE_ONE
    centres = np.append(thresholds, 1.2 * thresholds[-1])
    reach = int(6 * centres[-1]) + 3
    counts = np.zeros((PHASES * CLASSES, 2 * reach + 1))
    for step, draft in zip(steps, drafts, strict=True):
        for codes in _chosen_codes(maps, step):
            for part in draft.passes(codes):
                values = codes[part.place] - part.offset + reach
                inside = (values >= 0) & (values <= 2 * reach)
                place = part.rows[inside].astype(np.int64) * counts.shape[1] + values[inside]
                counts += np.bincount(place, minlength=counts.size).reshape(counts.shape)
    rows = [
        _row(count, np.arange(-reach, reach + 1.0), float(centres[i // PHASES]), i % PHASES)
        for i, count in enumerate(counts)
    ]
    return Tables(np.full(len(rows), -reach, np.int32), np.stack(rows))


def _chosen_codes(maps: Maps, step: F32) -> Iterator[I32]:
    """Codes of images drawn evenly from all, about TABLE_CODES of them."""
    every = max(1, round(sum(m.size for m in maps) / TABLE_CODES))
    for values in maps:
        chosen = values[::every]
        size = max(1, 2**18 // chosen[0].size)
        for first in range(0, len(chosen), size):
            yield quantise(chosen[first : first + size], step)


def _row(counts: F64, values: F64, scale: float, phase: int) -> U32:
    """A histogram `[K]` of a class, smoothed by Laplace distributions of its spread and thrice it.

    Their weight is the square root of the sample and one count for each value that they reach.
    """
    total = counts.sum()
    centre = (phase - PHASES // 2) / PHASES
    spread = (counts @ np.abs(values - centre) + 10 * scale) / (total + 10)
    near, far = (_laplace(values - centre, max(k * spread, 0.05)) for k in (1.0, 3.0))
    bell = 0.9 * near + 0.1 * far
    weight = 0.5 * np.sqrt(total) + 4 * spread + 1
    share = (counts + weight * bell) / (total + weight)
    return apportion(np.append(share, 1.0 / (total + 100.0)))


def _laplace(x: F64, scale: float) -> F64:
    shape = np.exp(-np.abs(x) / scale)
    return np.asarray(shape / shape.sum())
