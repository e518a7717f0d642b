"""What a number of normal images guarantees about false alarms.

With n scores of normal images and a false-alarm rate a, an image is flagged if fewer than
k = floor(a (n + 1)) of them are at least as large as its score. If the scores are exchangeable and
without ties, the realised rate, the share of all later normal images that are flagged, has the
distribution Beta(k, n + 1 - k): its mean is at most a, but a small calibration may be unlucky
(Vovk, "Conditional validity of inductive conformal predictors", 2012, proposition 2a). Ties make it
smaller.
"""

import math
from itertools import count

import numpy as np

from codec.arrays import F64

# The probability that a realised rate is at most its bound.
CONFIDENCE = 0.95


def images_needed(rate: float) -> int:
    """The fewest normal images that allow a p-value at or below a rate in (0, 1)."""
    # A rate such as 0.01 is not exact; 1e-9 is what check_false_alarm_rate allows.
    return max(1, math.ceil((1.0 - 1e-9) / rate) - 1)


def flagged_rank(n: int, rate: float) -> int:
    """k: an image is flagged if fewer than k of n scores are at least as large as its own."""
    return math.floor(rate * (n + 1) + 1e-9)


def rate_bound(n: int, rate: float, confidence: float = CONFIDENCE) -> float:
    """What the realised rate does not exceed with this probability; 0 if nothing can be flagged.

    The quantile of Beta(k, n + 1 - k), within 1e-12.
    """
    k = flagged_rank(n, rate)
    if k == 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        # P(Beta(k, n + 1 - k) <= x) = P(Binomial(n, x) >= k).
        if 1.0 - _fewer(k, n, middle) < confidence:
            low = middle
        else:
            high = middle
    return high


def images_for_bound(rate: float, bound: float, confidence: float = CONFIDENCE) -> int:
    """The fewest images from which on the bound of a rate stays at or below another rate.

    Only numbers that make full use of the rate are tried: k / rate - 1. `bound` exceeds `rate`.
    """
    for k in count(1):
        n = math.ceil((k - 1e-9) / rate) - 1
        if n and rate_bound(n, rate, confidence) <= bound:
            return n
    raise AssertionError("unreachable")


def effective_images(scores: F64) -> float:
    """Number of independent images that say as much as these scores `[n]`, in order of time.

    n / (1 + 2 sum of autocorrelations) of their ranks, summed over pairs of lags while these are
    positive (Geyer, "Practical Markov chain Monte Carlo", 1992, section 3.3); at most n. Images of
    one second of video say little more than one of them.
    """
    n = len(scores)
    if n < 4:
        return float(n)
    ascending = np.sort(scores)
    if ascending[0] == ascending[-1]:
        return 1.0
    # Equal scores have equal ranks.
    ranks = np.searchsorted(ascending, scores, "left") + np.searchsorted(ascending, scores, "right")
    spectrum = np.fft.rfft(ranks - ranks.mean(), 2 * n)
    covariance = np.fft.irfft(spectrum * spectrum.conj())[:n]
    correlation = covariance / covariance[0]
    pairs = correlation[: n // 2 * 2].reshape(-1, 2).sum(axis=1)
    positive = int(np.argmax(pairs <= 0)) if (pairs <= 0).any() else len(pairs)
    # The first pair holds the correlation 1 of each score with itself.
    total = 2 * float(pairs[:positive].sum()) - 1
    return n / max(1.0, total)


def _fewer(k: int, n: int, p: float) -> float:
    """The probability that a Binomial(n, p) variable is below k."""
    i = np.arange(k)
    logs = np.array([math.lgamma(n + 1) - math.lgamma(j + 1) - math.lgamma(n - j + 1) for j in i])
    return float(np.exp(logs + i * math.log(p) + (n - i) * math.log1p(-p)).sum())
