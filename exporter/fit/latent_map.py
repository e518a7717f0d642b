"""Fits a map prior to the latent maps of training images.

Sets of weights (exporter.fit.latent_map_weights) at a few levels, which coarser levels share;
biases at each level; then the tables, histograms over all levels and channels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from codec.priors.latent_map import MEAN_ONE, PHASES, SCALE_ONE, MapPrior, Weights
from codec.priors.scan_order import LATTICE
from codec.priors.tables import F64, Tables, apportion
from codec.quantise import F32, I32, quantise
from exporter.fit.latent_map_samples import Maps, codes_of, sample, sizes_of
from exporter.fit.latent_map_weights import FLOOR, fit_weights, scale_bias
from exporter.fit.scale_class_tables import class_centres, class_tables, count_symbols, reach_of

SETS = 6
CLASSES = 40
SMALLEST_SCALE, LARGEST_SCALE = 0.003, 100.0
BIAS_POSITIONS, TABLE_CODES = 10_000, 1_500_000
"""of each pass, and of each level"""


def fit_map_priors(maps: Maps, steps: F32, sets: int = SETS) -> tuple[MapPrior, ...]:
    """A prior for each level, steps `[Q, D]`; `sets` sets of weights are shared among them."""
    levels = len(steps)
    sets = min(sets, levels)
    group = channel_groups(maps, steps[levels // 2])
    # Weights do well at coarser levels than their own, but not at finer ones.
    finest = [(i + 1) * levels // sets - 1 for i in range(sets)]
    chosen = [fit_weights(maps, steps[level], group) for level in finest]
    used = np.searchsorted(finest, np.arange(levels)).tolist()
    drafts = _drafts(maps, steps, [chosen[one] for one in used])
    tables = _fit_tables(maps, steps, drafts)
    return tuple(replace(draft, tables=tables) for draft in drafts)


def channel_groups(maps: Maps, step: F32) -> npt.NDArray[np.uint8]:
    """`[D]`: channels of the largest spread, in codes, are coded first and inform the others."""
    flat = np.concatenate([m.transpose(1, 0, 2, 3).reshape(m.shape[1], -1) for m in maps], 1)
    spread, dims = flat.std(1) / step, len(step)
    parts = [1 / 2] if dims < 8 else [1 / 8, 3 / 8] if dims < 24 else [1 / 16, 1 / 8, 1 / 4, 1 / 2]
    group = np.zeros(dims, np.uint8)
    order = np.argsort(-spread, kind="stable")
    for part in parts if dims > 1 else ():
        group[order[int(part * dims) :]] += 1
    return group


def _drafts(maps: Maps, steps: F32, chosen: Sequence[Weights]) -> list[MapPrior]:
    """Priors with biases and thresholds, but with tables that say nothing."""
    dims, largest = steps.shape[1], SMALLEST_SCALE
    means, scales = (np.zeros((len(steps), len(LATTICE), dims)) for _ in range(2))
    for number, lattice in enumerate(LATTICE):
        latents = sample(maps, lattice, BIAS_POSITIONS)
        for level, (step, weights) in enumerate(zip(steps, chosen, strict=True)):
            if len(latents):
                found = _biases(codes_of(latents, step), weights, number)
                means[level, number], scales[level, number], top = found
                largest = max(largest, top)
    thresholds = _thresholds(largest)
    shared = {id(weights): replace(weights, thresholds=thresholds) for weights in chosen}
    rows = np.stack([apportion(np.ones(2))] * (PHASES * CLASSES))
    blank = Tables(np.zeros(len(rows), np.int32), rows)
    return [
        MapPrior(
            blank, shared[id(weights)], _integers(mean * MEAN_ONE), _integers(scale * SCALE_ONE)
        )
        for weights, mean, scale in zip(chosen, means, scales, strict=True)
    ]


def _biases(codes: F32, weights: Weights, number: int) -> tuple[F32, F32, float]:
    """Biases `[D]` of mean and scale in a pass, and its largest scale but for outliers."""
    mean = _product(codes, weights.mean[number], MEAN_ONE)
    scale = _product(sizes_of(codes), weights.scale[number], SCALE_ONE)
    centre = (codes[:, 0] - mean).mean(0)
    error = np.abs(codes[:, 0] - mean - centre) + np.float32(FLOOR)
    bias = scale_bias(scale, error)
    return centre, bias, float(np.quantile(scale + bias, 0.9999))


def _product(features: F32, weights: npt.NDArray[np.int16], one: int) -> F32:
    """`[n, D]` of features `[n, K, D]` and weights `[K, D, D]`."""
    matrix = weights.reshape(-1, weights.shape[2]).astype(np.float32) / np.float32(one)
    return features.reshape(len(features), -1) @ matrix


def _integers(values: F64) -> I32:
    bounds = np.iinfo(np.int32)
    return np.rint(np.clip(values, bounds.min, bounds.max)).astype(np.int32)


def _thresholds(largest: float) -> I32:
    top = min(max(largest, 2 * SMALLEST_SCALE), LARGEST_SCALE)
    return np.rint(SCALE_ONE * np.geomspace(SMALLEST_SCALE, top, CLASSES - 1)).astype(np.int32)


def _fit_tables(maps: Maps, steps: F32, drafts: Sequence[MapPrior]) -> Tables:
    """Rows for all classes and phases, from the codes of all levels."""
    centres = class_centres(drafts[0].weights.thresholds / SCALE_ONE)
    counts = np.zeros((PHASES * CLASSES, 2 * reach_of(centres) + 1))
    for level, (step, draft) in enumerate(zip(steps, drafts, strict=True)):
        for codes in _chosen_codes(maps, step, level):
            count_symbols(counts, draft, codes)
    return class_tables(counts, centres)


def _chosen_codes(maps: Maps, step: F32, level: int) -> Iterator[I32]:
    """Codes of images drawn evenly from all, others at each level, about TABLE_CODES of them."""
    every = max(1, round(sum(m.size for m in maps) / TABLE_CODES))
    for values in maps:
        chosen = values[level % min(every, len(values)) :: every]
        size = max(1, 2**18 // chosen[0].size)
        for first in range(0, len(chosen), size):
            yield quantise(chosen[first : first + size], step)
