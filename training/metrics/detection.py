"""Metrics of detectors: pure functions of scores, of labels, and of counts of them.

Counts `[2, n]` say how many normal and how many defect images (or pixels) have each of n scores in
ascending order. A threshold flags all that have its score or more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from codec.arrays import F64, I64

# Halvings of an interval of probabilities: more than a float64 has digits.
_HALVINGS = 60


def count_scores(scores: ArrayLike, defect: ArrayLike) -> tuple[F64, I64]:
    """The different ones of scores `[N]`, `[n]` in ascending order, and their counts `[2, n]`."""
    truth = np.asarray(defect, np.bool_)
    values, place = np.unique(np.asarray(scores, np.float64), return_inverse=True)
    kinds = [np.bincount(place[truth == kind], minlength=len(values)) for kind in (False, True)]
    return values, np.stack(kinds)


def auroc_of_counts(counts: I64) -> float:
    """Area under the ROC curve of counts `[2, n]`: the chance that a defect has a higher score.

    Equal scores count half. NaN where one of the two kinds is missing.
    """
    normal, defect = counts.astype(np.float64)
    pairs = normal.sum() * defect.sum()
    below = np.cumsum(normal) - normal
    return float(defect @ (below + normal / 2) / pairs) if pairs else float("nan")


def average_precision(counts: I64) -> float:
    """Average precision of counts `[2, n]`: the precision of each threshold, weighted by the recall
    that it adds, without interpolation (the definition of scikit-learn). NaN without defects.
    """
    normal, defect = _flagged(counts)
    if not len(defect) or not defect[-1]:
        return float("nan")
    added = np.diff(defect, prepend=0)
    return float(added @ (defect / np.maximum(normal + defect, 1)) / defect[-1])


def best_f1(counts: I64) -> tuple[float, int]:
    """The largest F1 over all thresholds of counts `[2, n]`, and the position of the threshold.

    F1 = 2 TP / (2 TP + FP + FN). Of several that have it, the lowest. NaN and -1 without defects.
    """
    normal, defect = _flagged(counts)
    if not len(defect) or not defect[-1]:
        return float("nan"), -1
    f1 = (2 * defect / (normal + defect + defect[-1]))[::-1]
    place = int(np.argmax(f1))
    return float(f1[place]), place


def _flagged(counts: I64) -> tuple[I64, I64]:
    """Normal and defect ones `[n]` that each threshold flags, the highest threshold first."""
    normal, defect = np.cumsum(counts[:, ::-1], axis=1)
    return normal, defect


def clopper_pearson(hits: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a probability, after `hits` in `total` independent trials.

    At its ends, as few or as many hits have the probability (1 - confidence) / 2. Clopper and
    Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    1934. (0, 1) without a trial.
    """
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else 1 - _largest(total - hits, total, tail)
    high = 1.0 if hits == total else _largest(hits, total, tail)
    return low, high


def _largest(hits: int, total: int, tail: float) -> float:
    """The largest p for which at most `hits` of `total`, fewer than all, have probability `tail`.

    The sum of the binomial distribution falls as p rises, so that halving finds p.
    """
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    k = np.arange(hits + 1)
    ways = logs[total] - logs[k] - logs[total - k]
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        p = (low + high) / 2
        if np.exp(ways + k * np.log(p) + (total - k) * np.log1p(-p)).sum() > tail:
            low = p
        else:
            high = p
    return (low + high) / 2
