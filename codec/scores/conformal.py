"""Conformal p-values of scores, against those of held-out normal images.

p = (1 + #{s_i >= s}) / (n + 1) (Bates et al., "Testing for outliers with conformal p-values", 2023,
eq. 2). A normal image has p <= a with a probability of at most a.
"""

import math

import numpy as np

from codec.arrays import F64
from codec.errors import InvalidInput


def p_value(value: float, calibration: F64) -> float:
    """Conformal p-value of a score, from the ascending scores `[n]` of normal images."""
    at_least = len(calibration) - int(np.searchsorted(calibration, value, side="left"))
    return (1 + at_least) / (len(calibration) + 1)


def threshold(calibration: F64, rate: float) -> float:
    """The score above which `p_value` is at or below a rate; infinite if no score is."""
    n = len(calibration)
    below = int(np.searchsorted(np.arange(1, n + 1) / (n + 1), rate, side="right"))
    return float(calibration[n - below]) if below else math.inf


def check_false_alarm_rate(rate: float, n: int) -> float:
    """Returns the false-alarm rate if n calibration images are enough for it.

    The smallest p-value is 1 / (n + 1). Raises InvalidInput.
    """
    if not 0.0 < rate < 1.0:
        raise InvalidInput(f"false-alarm rate is {rate}, expected a number between 0 and 1")
    if rate * (n + 1) < 1.0 - 1e-9:
        needed = math.ceil(1 / rate) - 1 if rate > 1e-15 else "more than 10^15"
        raise InvalidInput(
            f"false-alarm rate {rate:g} needs {needed} calibration images, the model has {n}"
        )
    return rate
