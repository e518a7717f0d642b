"""All detectors of a bundle: their member `detectors.npz`, and the maps of one image.

The arrays are those of `pack` of each detector under its name, and two more kinds:

    components60.basis    an array of the detector components60
    components60.scale    [h', w'] float32, >= 1e-12: what its map is divided by when normalised
    residual.scale        [H, W] the same of a map at the resolution of the image
    heatmap.floor         [n] float64, for the n maps of the heat map: the value that stays unmarked
    heatmap.full          [n] float64, above the floor: the value that is drawn as 1

Images are handled one at a time, so an image has the same maps alone and in any batch. Between
machines maps may differ by float rounding, since matrix products sum in another order there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from codec.arrays import F32, F64, U8, Array
from codec.detectors.candidates import DETECTOR, NATIVE_MAPS
from codec.detectors.cells import Cells
from codec.detectors.checks import require, require_array
from codec.detectors.statistics import block_sums, statistics_of
from codec.detectors.whole import Components, Neighbours
from codec.detectors.working import smoothed_picture, working_image
from codec.errors import BundleError

Detector = Components | Neighbours | Cells
MAX_DETECTORS = 16
# A thousandth below 1e-12 in float32.
MIN_SCALE = 0.999e-12
_KINDS: dict[str, type[Detector]] = {
    "components": Components,
    "smoothed_components": Components,
    "neighbours": Neighbours,
    "cells": Cells,
}
_HEATMAP = "heatmap"
# Detectors that see the working picture smoothed: fine texture that differs in every image hides
# defects that are wider than it.
SMOOTHED = ("smoothed_components", "neighbours")


@dataclass(frozen=True, slots=True, eq=False)
class Detectors:
    """The detectors of a bundle by name, such as `components60`, `neighbours`, `cells8`.

    `scales` are by the name of a map: `[h', w']` of detectors, `[H, W]` of native maps. `floor` and
    `full`, `[n]` each, are those of the maps of the heat map in the order of the manifest. Raises
    BundleError.
    """

    by_name: Mapping[str, Detector] = field(default_factory=dict)
    scales: Mapping[str, F32] = field(default_factory=dict)
    floor: F64 = field(default_factory=lambda: np.zeros(0))
    full: F64 = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        require(
            len(self.by_name) <= MAX_DETECTORS,
            f"{len(self.by_name)} detectors, at most {MAX_DETECTORS}",
        )
        for name, detector in self.by_name.items():
            require(_kind(name) is type(detector), f"{name} is a {type(detector).__name__}")
            side = detector.side if isinstance(detector, Cells) else None
            require(side is None or name.endswith(f"{side}"), f"{name} has cells of side {side}")
        for name, scale in self.scales.items():
            shape = self.by_name[name].shape if name in self.by_name else (None, None)
            require(
                name in self.by_name or name in NATIVE_MAPS, f"a scale of {name}, which has no map"
            )
            require_array(scale, f"{name}.scale", np.float32, shape)
            require(float(scale.min()) >= MIN_SCALE, f"{name}.scale must be at least 1e-12")
        for name, values in (("heatmap.floor", self.floor), ("heatmap.full", self.full)):
            require(values.ndim == 1, f"{name} has the shape {list(values.shape)}")
            require_array(values, name, np.float64, self.floor.shape)
        ordered = bool((self.full - self.floor >= MIN_SCALE).all())
        require(ordered, "heatmap.full must be above heatmap.floor")

    def maps(self, image: U8, names: Sequence[str]) -> dict[str, F32]:
        """The maps `[h', w']` of an image `[H, W, C]` of any size, by the names of detectors.

        What several detectors need is computed once.
        """
        views = _Views(image)
        return {name: views.map(name, self.by_name[name]) for name in names}

    def pack(self) -> dict[str, Array]:
        """The arrays of `detectors.npz`."""
        arrays: dict[str, Array] = {}
        for name, detector in self.by_name.items():
            arrays |= {f"{name}.{key}": array for key, array in detector.pack().items()}
        arrays |= {f"{name}.scale": scale for name, scale in self.scales.items()}
        return arrays | {"heatmap.floor": self.floor, "heatmap.full": self.full}

    @classmethod
    def unpack(cls, arrays: Mapping[str, Array]) -> "Detectors":
        """Undoes `pack`. Raises BundleError for missing, misshapen or unknown arrays."""
        groups: dict[str, dict[str, Array]] = {}
        for key, array in arrays.items():
            name, _, part = key.partition(".")
            groups.setdefault(name, {})[part] = array
        heatmap = groups.pop(_HEATMAP, {})
        require(heatmap.keys() == {"floor", "full"}, "detectors.npz lacks heatmap.floor or .full")
        scales = {name: group.pop("scale") for name, group in groups.items() if "scale" in group}
        by_name = {
            name: _unpacked(name, group)
            for name, group in groups.items()
            if group or name not in NATIVE_MAPS
        }
        return cls(by_name, scales, heatmap["floor"], heatmap["full"])


class _Views:
    """Working pictures and cell statistics of one image, each computed when first needed."""

    def __init__(self, image: U8) -> None:
        self._image = image
        self._pictures: dict[tuple[tuple[int, int], bool], F32] = {}
        self._blocks: dict[tuple[int, int], F64] = {}
        self._statistics: dict[tuple[tuple[int, int], int], F32] = {}

    def map(self, name: str, detector: Detector) -> F32:
        if isinstance(detector, Cells):
            return detector.distances(self._cells(detector.size, detector.side))
        return detector.map(self._picture(detector.size, is_smoothed(name)))

    def _picture(self, size: tuple[int, int], smoothed: bool = False) -> F32:
        if (size, smoothed) not in self._pictures:
            self._pictures[size, smoothed] = (
                smoothed_picture(self._picture(size))
                if smoothed
                else working_image(self._image, size)
            )
        return self._pictures[size, smoothed]

    def _cells(self, size: tuple[int, int], side: int) -> F32:
        if size not in self._blocks:
            self._blocks[size] = block_sums(self._picture(size))
        if (size, side) not in self._statistics:
            self._statistics[size, side] = statistics_of(self._blocks[size], side)
        return self._statistics[size, side]


def is_smoothed(name: str) -> bool:
    """Whether a detector of that name sees smoothed pictures."""
    return name.startswith(SMOOTHED)


def _kind(name: str) -> type[Detector]:
    """The class of a detector. Raises BundleError for a name that no detector has."""
    match = DETECTOR.fullmatch(name)
    if match is None:
        raise BundleError(f"no detector is called {name!r}")
    return _KINDS[match[match.lastindex or 0]]


def _unpacked(name: str, arrays: Mapping[str, Array]) -> Detector:
    kind = _kind(name)
    try:
        return kind.unpack(arrays)
    except BundleError as error:
        raise BundleError(f"{name}: {error}") from error
