"""Numbers from curves: bytes at a PSNR, and the Bjontegaard difference of two curves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import bjontegaard
import numpy as np
from scipy.interpolate import PchipInterpolator

from rate_distortion.measurement import Curve, Point

Field = Callable[[Point], float]
FEWEST_POINTS = 4
# Below this overlap a Bjontegaard difference says more about the ends of curves than about codecs.
SMALLEST_OVERLAP_DB = 0.5
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean difference of the rate at equal PSNR, per cent, over an interval of PSNR in dB."""

    percent: float
    low: float
    high: float


def psnr(point: Point) -> float:
    """PSNR of the mean squared error, dB."""
    return point.psnr


def mean_psnr(point: Point) -> float:
    """Mean of the PSNRs, dB."""
    return point.mean_psnr


def bytes_at(curve: Curve, target: float) -> float | None:
    """Stored bytes at a PSNR in dB, linear in log bytes between points; None outside the curve."""
    points = useful(curve.points)
    x = [point.psnr for point in points]
    if not points or not x[0] <= target <= x[-1]:
        return None
    return float(np.exp(np.interp(target, x, np.log([point.stored for point in points]))))


def bytes_reaching(curve: Curve, target: float) -> float | None:
    """The fewest stored bytes that give at least this PSNR; None where the curve ends below it."""
    if curve.points and target < (lowest := useful(curve.points)[0]).psnr:
        return lowest.stored
    return bytes_at(curve, target)


def psnr_at(curve: Curve, size: float) -> float | None:
    """PSNR in dB at a number of stored bytes, linear in log bytes; None outside the curve."""
    points = useful(curve.points)
    x = [point.stored for point in points]
    if not points or not x[0] <= size <= x[-1]:
        return None
    return float(np.interp(np.log(size), np.log(x), [point.psnr for point in points]))


def nearest(curve: Curve, target: float) -> Point:
    """The measured point whose PSNR is nearest."""
    return min(curve.points, key=lambda point: abs(point.psnr - target))


def useful(points: Sequence[Point], quality: Field = psnr) -> list[Point]:
    """Points in ascending quality without those that another one beats in both respects."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (quality(p), -p.stored)):
        while kept and kept[-1].stored >= point.stored:
            kept.pop()
        kept.append(point)
    return kept


def hull(points: Sequence[Point]) -> list[Point]:
    """The useful points on the upper convex hull of PSNR over log bytes, in ascending PSNR."""
    kept: list[Point] = []
    for point in useful(points):
        while len(kept) > 1 and _slope(kept[-2], kept[-1]) < _slope(kept[-2], point) - ROUNDING:
            kept.pop()
        kept.append(point)
    return kept


def _slope(a: Point, b: Point) -> float:
    return (b.psnr - a.psnr) / float(np.log(b.stored / a.stored))


def difference(anchor: Curve, test: Curve, quality: Field = psnr) -> Difference | None:
    """Bjontegaard difference of the rate, with PCHIP; None without 4 points each and an overlap.

    G. Bjontegaard, "Calculation of average PSNR differences between RD-curves", VCEG-M33, 2001.
    """
    curves = [useful(curve.points, quality) for curve in (anchor, test)]
    if min(map(len, curves)) < FEWEST_POINTS:
        return None
    low = max(quality(points[0]) for points in curves)
    high = min(quality(points[-1]) for points in curves)
    if high - low < SMALLEST_OVERLAP_DB:
        return None
    (a_rate, a_psnr), (t_rate, t_psnr) = (
        ([p.stored for p in points], [quality(p) for p in points]) for points in curves
    )
    percent = bjontegaard.bd_rate(
        a_rate, a_psnr, t_rate, t_psnr, "pchip", require_matching_points=False, min_overlap=0
    )
    return Difference(float(percent), low, high)


def window(curve: Curve, low: float, high: float) -> Curve:
    """The curve between two sizes in bytes, with points put in at its ends where it goes on."""
    points = useful(curve.points)
    inside = [point for point in points if low <= point.stored <= high]
    if len(points) < FEWEST_POINTS:
        return replace(curve, points=tuple(inside))
    rates = np.log([point.stored for point in points])
    psnrs, means = (
        PchipInterpolator(rates, [quality(point) for point in points])
        for quality in (psnr, mean_psnr)
    )
    added = [
        replace(
            points[0],
            setting="end",
            stored=end,
            psnr=float(psnrs(np.log(end))),
            mean_psnr=float(means(np.log(end))),
        )
        for end in (low, high)
        if rates[0] < np.log(end) < rates[-1]
    ]
    return replace(curve, points=tuple(sorted([*inside, *added], key=psnr)))
