"""Fits a map prior to the latent maps of training images.

First the weights (exporter.fit.latent_map_weights) at a few levels, which coarser levels share;
then biases at each level; last the tables, histograms over all levels and channels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from codec.arrays import F32, F64, I32
from codec.priors.latent_map import MEAN_ONE, PHASES, SCALE_ONE, MapPrior, Weights
from codec.priors.scan_order import SCAN_ORDER
from codec.priors.tables import Tables, apportion
from codec.quantise import quantise
from exporter.fit.latent_map_weights import (
    FLOOR,
    Maps,
    codes_of,
    fit_weights,
    magnitudes,
    sample,
    scale_bias,
)
from exporter.fit.scale_class_tables import (
    class_centres,
    class_tables,
    count_symbols,
    largest_value,
)

SETS = 6
CLASSES = 40
SMALLEST_SCALE, LARGEST_SCALE = 0.003, 100.0
# Positions of each pass, and codes of each level, from which biases and tables are fitted.
BIAS_POSITIONS, TABLE_CODES = 10_000, 1_500_000
# For at least this many channels: the shares of all channels at which a new group begins.
GROUP_STARTS = ((24, (1 / 16, 1 / 8, 1 / 4, 1 / 2)), (8, (1 / 8, 3 / 8)), (2, (1 / 2,)))


def fit_map_priors(maps: Maps, steps: F32, sets: int = SETS) -> tuple[MapPrior, ...]:
    """A prior for each level, steps `[Q, D]`; the levels share `sets` sets of weights."""
    levels = len(steps)
    sets = min(sets, levels)
    channel_group = channel_groups(maps, steps[levels // 2])
    # Weights do well at coarser levels than their own, but not at finer ones.
    finest = [(i + 1) * levels // sets - 1 for i in range(sets)]
    weights = [fit_weights(maps, steps[level], channel_group) for level in finest]
    set_of_level = np.searchsorted(finest, np.arange(levels)).tolist()
    drafts = _without_tables(maps, steps, weights, set_of_level)
    tables = _fit_tables(maps, steps, drafts)
    return tuple(replace(draft, tables=tables) for draft in drafts)


def channel_groups(maps: Maps, step: F32) -> npt.NDArray[np.uint8]:
    """Coding groups `[D]` of the channels.

    Channels of the largest spread, in codes, are coded first and predict the others.
    """
    flat = np.concatenate([m.transpose(1, 0, 2, 3).reshape(m.shape[1], -1) for m in maps], 1)
    spread, dims = flat.std(1) / step, len(step)
    order = np.argsort(-spread, kind="stable")
    group = np.zeros(dims, np.uint8)
    starts = next((shares for least, shares in GROUP_STARTS if dims >= least), ())
    for share in starts:
        group[order[int(share * dims) :]] += 1
    return group


def _without_tables(
    maps: Maps, steps: F32, weights: Sequence[Weights], set_of_level: Sequence[int]
) -> list[MapPrior]:
    """Priors with weights, biases and thresholds, but with uniform tables."""
    dims, largest = steps.shape[1], SMALLEST_SCALE
    mean_bias, scale_bias = (np.zeros((len(steps), len(SCAN_ORDER), dims)) for _ in range(2))
    for number, coding_pass in enumerate(SCAN_ORDER):
        latents = sample(maps, coding_pass, BIAS_POSITIONS)
        if not len(latents):
            continue
        for level, step in enumerate(steps):
            used = weights[set_of_level[level]]
            mean, scale, top = _biases(codes_of(latents, step), used, number)
            mean_bias[level, number], scale_bias[level, number] = mean, scale
            largest = max(largest, top)
    frequencies = np.stack([apportion(np.ones(2))] * (PHASES * CLASSES))
    uniform = Tables(np.zeros(len(frequencies), np.int32), frequencies)
    complete = [replace(one, thresholds=_thresholds(largest)) for one in weights]
    return [
        MapPrior(
            uniform, complete[number], _integers(mean * MEAN_ONE), _integers(scale * SCALE_ONE)
        )
        for number, mean, scale in zip(set_of_level, mean_bias, scale_bias, strict=True)
    ]


def _biases(codes: F32, weights: Weights, number: int) -> tuple[F32, F32, float]:
    """Biases `[D]` of mean and scale in a pass, and its largest scale except for outliers."""
    mean = _product(codes, weights.mean[number], MEAN_ONE)
    scale = _product(magnitudes(codes), weights.scale[number], SCALE_ONE)
    mean_bias = (codes[:, 0] - mean).mean(0)
    error = np.abs(codes[:, 0] - mean - mean_bias) + np.float32(FLOOR)
    bias = scale_bias(scale, error)
    return mean_bias, bias, float(np.quantile(scale + bias, 0.9999))


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
    """Tables of all classes and phases, from the codes of all levels."""
    centres = class_centres(drafts[0].weights.thresholds / SCALE_ONE)
    counts = np.zeros((PHASES * CLASSES, 2 * largest_value(centres) + 1))
    for level, (step, draft) in enumerate(zip(steps, drafts, strict=True)):
        for codes in _drawn_codes(maps, step, level):
            count_symbols(counts, draft, codes)
    return class_tables(counts, centres)


def _drawn_codes(maps: Maps, step: F32, level: int) -> Iterator[I32]:
    """About TABLE_CODES codes, of images drawn evenly from all, different ones at each level."""
    every = max(1, round(sum(m.size for m in maps) / TABLE_CODES))
    for values in maps:
        chosen = values[level % min(every, len(values)) :: every]
        size = max(1, 2**18 // chosen[0].size)
        for first in range(0, len(chosen), size):
            yield quantise(chosen[first : first + size], step)
