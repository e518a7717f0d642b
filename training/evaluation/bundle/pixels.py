"""The pixels of all heat maps, counted by the type of the defect in their image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codec.arrays import F32, I64, Mask
from training.metrics.detection import auroc_of_counts
from training.metrics.images import resize_mask
from training.metrics.pixels import LEVELS, aupro, count_levels, overlap_levels


class PixelCounts:
    """Counts of the pixels of heat maps, added image by image; 16 MiB for each type of defect."""

    def __init__(self) -> None:
        self._of_type: dict[str | None, I64] = {}
        self._overlap = np.zeros(LEVELS)
        self._regions = 0

    def add(self, maps: Sequence[F32], masks: Sequence[Mask | None], kind: str | None) -> None:
        """Counts heat maps `[H, W]` of images of one type of defect, or of none.

        Masks are brought to the sizes of their maps, nearest neighbours; None marks no pixel.
        """
        truth = [
            np.zeros(m.shape, np.bool_) if mask is None else resize_mask(mask, m.shape[:2])
            for m, mask in zip(maps, masks, strict=True)
        ]
        counts = count_levels(np.concatenate([*map(np.ravel, maps)]), _joined(truth))
        self._of_type[kind] = self._of_type.get(kind, 0) + counts
        for values, marked in zip(maps, truth, strict=True):
            if marked.any():
                overlap, regions = overlap_levels(values, marked)
                self._overlap += overlap
                self._regions += regions

    def total(self) -> I64:
        """Counts of all images, `[2, LEVELS]`."""
        return sum(self._of_type.values(), np.zeros((2, LEVELS), np.int64))

    def auroc_of_type(self, kind: str) -> float:
        """Pixel AUROC over the images of one type and the images without a defect."""
        empty = np.zeros((2, LEVELS), np.int64)
        return auroc_of_counts(self._of_type.get(kind, empty) + self._of_type.get(None, empty))

    def aupro(self) -> float:
        """Area under the per-region overlap curve, over all images."""
        return aupro(self.total()[0], self._overlap, self._regions)


def _joined(masks: Sequence[Mask]) -> Mask:
    return np.concatenate([mask.ravel() for mask in masks])
