"""Detection by type of defect: the name of the folder, or the label, that holds the image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codec.arrays import F64, Mask
from training.data.labelled import LabelledImages
from training.evaluation.bundle.pixels import PixelCounts
from training.evaluation.bundle.verdicts import Interval
from training.metrics.detection import clopper_pearson
from training.metrics.images import auroc

# Types beyond these, the rarest ones, are counted together.
MAX_TYPES = 16
OTHER = "other types"


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectType:
    """All test images with one type of defect, against all normal ones."""

    name: str
    images: int
    masks: int
    """images whose defects are marked"""
    image_auroc: float | None
    """of the fused score"""
    pixel_auroc: float | None
    """of the heat maps of these images and of the normal ones; None without masks"""
    detections: int
    """at the false-alarm rate in use"""
    detection_rate: float
    detection_interval: Interval
    """95 % (Clopper-Pearson)"""


def types_of(test: LabelledImages) -> list[str | None]:
    """The type of the defect in each image, None for normal ones; at most MAX_TYPES and OTHER."""
    kinds = test.kinds or [""] * len(test.names)
    counts = Counter(kind for kind, defect in zip(kinds, test.defect, strict=True) if defect)
    shown = {kind for kind, _ in counts.most_common(MAX_TYPES)}
    return [
        (kind if kind in shown else OTHER) if defect else None
        for kind, defect in zip(kinds, test.defect, strict=True)
    ]


def by_type(
    types: Sequence[str | None],
    test: LabelledImages,
    value: F64,
    flagged: Mask,
    pixels: PixelCounts,
) -> list[DefectType]:
    """One row for each type, by name, from the fused scores `[N]` and the verdicts `[N]`."""
    names = sorted({name for name in types if name is not None}, key=lambda n: (n == OTHER, n))
    masked = np.array([mask is not None for mask in test.masks], np.bool_)
    rows = []
    for name in names:
        here = np.array([kind == name for kind in types], np.bool_)
        both = here | ~test.defect
        images, detections = int(here.sum()), int(flagged[here].sum())
        row = DefectType(
            name=name,
            images=images,
            masks=int((here & masked).sum()),
            image_auroc=not_nan(auroc(value[both], here[both])),
            pixel_auroc=not_nan(pixels.auroc_of_type(name)),
            detections=detections,
            detection_rate=detections / images,
            detection_interval=clopper_pearson(detections, images),
        )
        rows.append(row)
    return rows


def not_nan(value: float) -> float | None:
    """None for NaN, which JSON does not have."""
    return None if np.isnan(value) else value
