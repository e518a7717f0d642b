"""Candidates for the score of an image: an anomaly map, pooled to one number."""

import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from codec.arrays import F32
from codec.errors import BundleError
from codec.smoothing import smooth

Statistic = Literal["peak", "mean"]
# Maps at the resolution of the image, which no detector makes: codec.scores.scores has the formulas
# of the first three.
NATIVE_MAPS = ("residual", "smoothed_residual", "structure", "segmenter")
MAX_WINDOW = 101
# Names of detectors: kind and number of components, or side of the cells.
DETECTOR = re.compile(
    r"(components|smoothed_components)[1-9]\d{0,2}|(neighbours)|(cells)(?:4|8|16)"
)
_LEAST = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A score: how one map becomes one number.

    `map` is the name of a detector or one of NATIVE_MAPS. If it is `normalised`, the map is divided
    by the scale of each position. `statistic` is the maximum of the map after smoothing with a
    `window` (odd side in values of the map, 1 for none), or the mean, which has the window 1.
    Raises BundleError.
    """

    map: str
    normalised: bool = False
    window: int = 1
    statistic: Statistic = "peak"

    def __post_init__(self) -> None:
        _require(
            self.map in NATIVE_MAPS
            or (isinstance(self.map, str) and DETECTOR.fullmatch(self.map) is not None),
            f"map={self.map!r}, expected a detector or one of {NATIVE_MAPS}",
        )
        _require(type(self.normalised) is bool, f"normalised={self.normalised!r}")
        _require(
            type(self.window) is int and self.window % 2 == 1 and 1 <= self.window <= MAX_WINDOW,
            f"window={self.window!r}, expected an odd number in 1..{MAX_WINDOW}",
        )
        _require(
            self.statistic in get_args(Statistic),
            f"statistic={self.statistic!r}, expected one of {get_args(Statistic)}",
        )
        _require(
            self.statistic == "peak" or self.window == 1,
            f"window={self.window} with statistic='mean', expected 1",
        )

    @property
    def name(self) -> str:
        """For example `cells8-normalised-peak5`, `components60-mean`."""
        window = self.window if self.statistic == "peak" else ""
        middle = "-normalised" if self.normalised else ""
        return f"{self.map}{middle}-{self.statistic}{window}"


def pooled(values: F32, candidate: Candidate, scale: F32 | None = None) -> float:
    """The score of an image from its map `[h, w]`: ln of the pooled value, at least ln 1e-12.

    `scale [h, w]`, above 0, belongs to normalised candidates.
    """
    values = smoothed(values, candidate, scale)
    if candidate.statistic == "mean":
        return log_of(float(values.mean(dtype=np.float64)))
    return log_of(float(values.max()))


def smoothed(values: F32, candidate: Candidate, scale: F32 | None = None) -> F32:
    """The map `[h, w]` that a candidate takes its maximum or mean of."""
    return smooth(values if scale is None else values / scale, candidate.window)


def log_of(value: float) -> float:
    """The natural logarithm of a pooled value, at least ln 1e-12."""
    return math.log(max(value, _LEAST))


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise BundleError(f"manifest: candidate with {sentence}")
