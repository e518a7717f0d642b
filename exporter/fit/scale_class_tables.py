"""Smoothed histograms as the tables of priors that have one table per scale class and phase."""

import numpy as np

from codec.arrays import F64, I32, U32
from codec.priors.base import Prior
from codec.priors.latent_map import PHASES
from codec.priors.tables import Tables, apportion


def class_centres(thresholds: F64) -> F64:
    """The typical scale `[C]`, in codes, of each class between thresholds `[C - 1]`."""
    return np.append(thresholds, 1.2 * thresholds[-1])


def largest_value(centres: F64) -> int:
    """The largest magnitude that has a symbol in the tables; larger ones are escaped."""
    return int(6 * centres[-1]) + 3


def count_symbols(counts: F64, prior: Prior, codes: I32) -> None:
    """Adds the symbols of codes `[R, D, h, w]` to `counts [tables, values]` in place.

    Codes whose table or value is outside `counts` are left out.
    """
    tables, width = counts.shape
    for part in prior.passes(codes):
        values = codes[part.place] - part.offset + width // 2
        table_index = np.broadcast_to(part.table_index, values.shape).astype(np.int64)
        inside = (values >= 0) & (values < width) & (table_index < tables)
        place = table_index[inside] * width + values[inside]
        counts += np.bincount(place, minlength=counts.size).reshape(counts.shape)


def class_tables(counts: F64, centres: F64) -> Tables:
    """Tables for the PHASES phases of each class, from `counts [PHASES * C, 2 n + 1]`.

    The counts are of the values -n to n.
    """
    largest = counts.shape[1] // 2
    values = np.arange(-largest, largest + 1.0)
    frequencies = [
        _frequencies(count, values, float(centres[i // PHASES]), i % PHASES)
        for i, count in enumerate(counts)
    ]
    return Tables(np.full(len(frequencies), -largest, np.int32), np.stack(frequencies))


def _frequencies(counts: F64, values: F64, scale: float, phase: int) -> U32:
    """Frequencies of the values and the escape in one class and phase.

    The histogram is smoothed by Laplace distributions of its spread and of three times its spread.
    Their weight is the square root of the sample and one count for each value within the spread.
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
