"""Calibration of weighted scores: what normal images have, and which of them look defective."""

from collections.abc import Sequence

import numpy as np

from codec.arrays import F64
from codec.bundle.manifest import ScoreSpec
from codec.bundle.npz import score_names
from codec.scores import scores as formulas

# Deviations of logarithms below this are rounding, or a score that hardly ever changes.
LEAST_DEVIATION = 1e-3
# Robust deviations above the median from which a score is far above the others.
FAR = 3.5
# Deviation of a normal distribution over its median absolute deviation.
_MAD = 1.4826


def calibrate_weighted(table: F64, spec: ScoreSpec, weight: F64) -> tuple[F64, F64, F64]:
    """Mean and deviation `[S]` of the logarithms of scores, and ascending fused values `[n]`.

    `table [n, S]` holds the scores of normal images and `weight [S]` their weights. The fused value
    of an image is standardised by all other images, as that of a new image is by all of these.
    """
    names = score_names(spec)
    logs = formulas.logarithms(table)
    means, deviations = leave_one_out(logs)
    fused = [
        formulas.fuse(row, mean, deviation, spec.fused, names, weight)
        for row, mean, deviation in zip(table, means, deviations, strict=True)
    ]
    return logs.mean(0), np.maximum(logs.std(0), LEAST_DEVIATION), np.sort(fused)


def leave_one_out(values: F64) -> tuple[F64, F64]:
    """Mean and deviation `[n, S]` of `values [n, S]` without each row, n at least 2."""
    others = len(values) - 1
    middle = values.mean(0)
    centred = values - middle
    mean = -centred / others
    square = (np.square(centred).sum(0) - np.square(centred)) / others
    deviation = np.sqrt(np.maximum(square - np.square(mean), 0.0))
    return middle + mean, np.maximum(deviation, LEAST_DEVIATION)


def far_outside(table: F64, names: Sequence[str], fused: Sequence[str]) -> list[int]:
    """Rows of `table [n, S]` where the middle one of the fused scores is far above the others."""
    logs = formulas.logarithms(table)[:, [names.index(name) for name in fused]]
    middle = np.median(logs, 0)
    spread = _MAD * np.median(np.abs(logs - middle), 0)
    above = (logs - middle) / np.maximum(spread, LEAST_DEVIATION)
    return [int(row) for row in np.flatnonzero(np.median(above, 1) > FAR)]
