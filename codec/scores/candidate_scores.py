"""The candidates of a bundle for one image: their values, and the heat map that some of them make.

A detector gives a whole map at its own resolution; maps at the resolution of the image come in
bands of rows. The heat map is the mean of the smoothed maps that the manifest names, each shifted
and scaled so that its floor is 0 and its full value is 1, and interpolated to the image.
"""

import math

import numpy as np

from codec.arrays import F32, U8
from codec.bundle.manifest import ScoreSpec
from codec.detectors.candidates import NATIVE_MAPS, Candidate, log_of, smoothed
from codec.detectors.detectors import Detectors
from codec.detectors.working import stretched
from codec.scores.bands import bands


class CandidateScores:
    """Collects the candidates of one image of `size` (H, W)."""

    def __init__(self, spec: ScoreSpec, detectors: Detectors, size: tuple[int, int]) -> None:
        self._candidates = spec.candidates
        self._detectors = detectors
        self._places = {name: place for place, name in enumerate(spec.heatmap)}
        # Per candidate, the maximum or the sum of each part of its map.
        self._parts: dict[str, list[float]] = {one.name: [] for one in spec.candidates}
        self._counts: dict[str, int] = dict.fromkeys(self._parts, 0)
        self.heatmap: F32 | None = np.zeros(size, np.float32) if spec.heatmap else None

    def add_detectors(self, image: U8) -> None:
        """Adds the maps that the detectors make of an image `[H, W, C]`."""
        names = [one.map for one in self._candidates if one.map not in NATIVE_MAPS]
        maps = self._detectors.maps(image, list(dict.fromkeys(names)))
        for candidate in self._candidates:
            if candidate.map in maps:
                values = smoothed(maps[candidate.map], candidate, self._scale(candidate))
                self._pool(candidate, values)
                self._draw(candidate, values)

    def use(self, name: str) -> bool:
        """Whether a candidate is made of that map."""
        return any(one.map == name for one in self._candidates)

    def add_rows(self, name: str, values: F32, rows: slice, inner: slice) -> None:
        """Adds a band of a native map: `values` of these rows of the image, of which `inner` are
        the band and the others its margins.
        """
        for candidate in self._candidates:
            if candidate.map == name:
                scale = self._scale(candidate)
                part = smoothed(values, candidate, None if scale is None else scale[rows])[inner]
                self._pool(candidate, part)
                if self.heatmap is not None and candidate.name in self._places:
                    self.heatmap[rows][inner] += self._heat(candidate, part)

    def add_segmenter(self, logits: F32) -> None:
        """Adds the map of the segmenter, from its logits `[H, W]`: -ln(1 - p) in nats, where p is
        the probability that a pixel is part of a defect.
        """
        height, width = logits.shape
        windows = [one.window for one in self._candidates if one.map == "segmenter"]
        # A smoothing reaches half of its window, twice.
        for rows, inner in bands(height, width, margin=2 * (max(windows, default=1) // 2)):
            part = logits[rows]
            # ln(1 + e^l) without overflow; np.logaddexp takes six times as long.
            values = np.maximum(part, 0) + np.log1p(np.exp(-np.abs(part)))
            self.add_rows("segmenter", values, rows, inner)

    def scores(self) -> dict[str, float]:
        """The value of each candidate by name, in the order of the manifest."""
        return {one.name: self._score(one) for one in self._candidates}

    def _scale(self, candidate: Candidate) -> F32 | None:
        return self._detectors.scales[candidate.map] if candidate.normalised else None

    def _pool(self, candidate: Candidate, values: F32) -> None:
        mean = candidate.statistic == "mean"
        part = values.sum(dtype=np.float64) if mean else values.max()
        self._parts[candidate.name].append(float(part))
        self._counts[candidate.name] += values.size

    def _score(self, candidate: Candidate) -> float:
        parts = self._parts[candidate.name]
        if candidate.statistic == "mean":
            return log_of(math.fsum(parts) / self._counts[candidate.name])
        return log_of(max(parts))

    def _draw(self, candidate: Candidate, values: F32) -> None:
        """Adds a smoothed map of a detector to the heat map."""
        if self.heatmap is None or candidate.name not in self._places:
            return
        heat = self._heat(candidate, values)
        offset = self._detectors.by_name[candidate.map].offset
        height, width = self.heatmap.shape
        for rows, _ in bands(height, width, margin=0):
            self.heatmap[rows] += stretched(heat, offset, (height, width), rows)

    def _heat(self, candidate: Candidate, values: F32) -> F32:
        place = self._places[candidate.name]
        floor, full = float(self._detectors.floor[place]), float(self._detectors.full[place])
        return (values - floor) / ((full - floor) * len(self._places))
