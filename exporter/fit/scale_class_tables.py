"""Tables of priors that code with a row per scale class and phase: smoothed histograms."""

import numpy as np

from codec.priors.base import Prior
from codec.priors.latent_map import PHASES
from codec.priors.tables import F64, I32, U32, Tables, apportion


def class_centres(thresholds: F64) -> F64:
    """The scale `[C]`, in codes, that stands for each class between thresholds `[C - 1]`."""
    return np.append(thresholds, 1.2 * thresholds[-1])


def reach_of(centres: F64) -> int:
    """The largest value that a table names; those beyond are escaped."""
    return int(6 * centres[-1]) + 3


def count_symbols(counts: F64, prior: Prior, codes: I32) -> None:
    """Adds the symbols of codes `[R, D, h, w]` to `counts [rows, 2 reach + 1]`.

    What is coded with a row beyond those of `counts` is left out.
    """
    rows, width = counts.shape
    for part in prior.passes(codes):
        values = codes[part.place] - part.offset + width // 2
        row = np.broadcast_to(part.rows, values.shape).astype(np.int64)
        inside = (values >= 0) & (values < width) & (row < rows)
        place = row[inside] * width + values[inside]
        counts += np.bincount(place, minlength=counts.size).reshape(counts.shape)


def class_tables(counts: F64, centres: F64) -> Tables:
    """Rows for `PHASES` phases of each class from `counts [PHASES * C, 2 reach + 1]`."""
    reach = counts.shape[1] // 2
    values = np.arange(-reach, reach + 1.0)
    rows = [
        _row(count, values, float(centres[i // PHASES]), i % PHASES)
        for i, count in enumerate(counts)
    ]
    return Tables(np.full(len(rows), -reach, np.int32), np.stack(rows))


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
