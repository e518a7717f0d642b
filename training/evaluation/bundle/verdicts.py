"""Verdicts at a false-alarm rate: flagged images, and what their number says about the rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codec.arrays import F64, Mask
from codec.scores.conformal import check_false_alarm_rate
from training.metrics.detection import clopper_pearson

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Flagged test images at one false-alarm rate."""

    false_alarm_rate: float
    """the requested rate"""
    false_alarms: int
    realised_rate: float | None
    """share of the normal test images that were flagged; None if there are none"""
    realised_interval: Interval | None
    """of the realised rate, 95 % (Clopper-Pearson)"""
    rate_in_interval: bool | None
    """whether the requested rate lies in the interval of the realised one"""
    detections: int
    detection_rate: float | None
    """share of the defect test images that were flagged; None if there are none"""
    detection_interval: Interval | None
    """of the detection rate, 95 % (Clopper-Pearson)"""


def verdicts(p_value: F64, defect: Mask, false_alarm_rate: float) -> Verdicts:
    """Counts the images flagged at a false-alarm rate, from p-values `[N]`."""
    flagged = p_value <= false_alarm_rate
    realised_rate, realised = share_of(flagged[~defect])
    detection_rate, detected = share_of(flagged[defect])
    return Verdicts(
        false_alarm_rate=false_alarm_rate,
        false_alarms=int(flagged[~defect].sum()),
        realised_rate=realised_rate,
        realised_interval=realised,
        rate_in_interval=realised and realised[0] <= false_alarm_rate <= realised[1],
        detections=int(flagged[defect].sum()),
        detection_rate=detection_rate,
        detection_interval=detected,
    )


def share_of(flagged: Mask) -> tuple[float, Interval] | tuple[None, None]:
    """The share of `[n]` that is flagged, with its 95 % interval; None for both if n is 0."""
    if not len(flagged):
        return None, None
    return float(np.mean(flagged)), clopper_pearson(int(flagged.sum()), len(flagged))


def threshold(calibration: F64, false_alarm_rate: float) -> float:
    """The fused score above which an image is flagged, from the ascending calibration scores `[n]`.

    p = (1 + #{s_i >= s}) / (n + 1) is at or below the rate if at most k = rate (n + 1) - 1 of the
    calibration scores are not smaller. Raises InvalidInput if n is too small for the rate.
    """
    check_false_alarm_rate(false_alarm_rate, len(calibration))
    k = int(false_alarm_rate * (len(calibration) + 1) + 1e-9) - 1
    return float(calibration[max(0, len(calibration) - 1 - k)])
