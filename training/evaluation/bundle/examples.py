"""Pictures of test images: original, marked defects, decoded record, heat map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codec import Codec, Scorer
from codec.arrays import U8, Index
from codec.errors import printable
from codec.images.comparison import draw_heatmap
from training.data.labelled import LabelledImages
from training.evaluation.bundle.detection import Scored
from training.evaluation.bundle.rate_distortion import target_image
from training.evaluation.report.outline import draw_outline
from training.evaluation.report.section import Picture
from training.evaluation.report.sheet import sheet
from training.metrics.images import evenly, resize_mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model and the test images that it has scored."""

    codec: Codec
    scorer: Scorer
    images: Sequence[U8]
    test: LabelledImages
    scored: Scored


def samples(subject: Subject, wanted: int) -> list[Picture]:
    """A sheet of normal and a sheet of defect images, each evenly spread over the set."""
    pictures = []
    for kind, name in ((False, "Normal"), (True, "Defect")):
        positions = np.flatnonzero(subject.test.defect == kind)
        chosen = positions[evenly(len(positions), wanted)]
        pictures += _sheet(subject, chosen, f"{name} images")
    return pictures


def extremes(subject: Subject, wanted: int) -> list[Picture]:
    """Sheets of the normal images with the highest scores, and of the defect images with the
    highest and with the lowest. At most `wanted` images each; of few defects, none is in both.
    """
    defect, detection = subject.test.defect, subject.scored.detection
    first = detection.verdicts[0]
    rising = np.argsort(subject.scored.value, kind="stable")
    normal, defects = rising[~defect[rising]], rising[defect[rising]]
    missed = detection.defect_images - first.detections
    return [
        *_sheet(
            subject,
            normal[::-1][:wanted],
            "Normal images with the highest scores, worst false alarms first "
            f"({first.false_alarms} of {detection.normal_images} are flagged)",
        ),
        *_sheet(
            subject,
            defects[::-1][: min(wanted, (len(defects) + 1) // 2)],
            "Defect images with the highest scores",
        ),
        *_sheet(
            subject,
            defects[: min(wanted, len(defects) // 2)],
            "Defect images with the lowest scores, worst first "
            f"({missed} of {detection.defect_images} are missed)",
        ),
    ]


def _sheet(subject: Subject, positions: Index, title: str) -> list[Picture]:
    """One sheet of images, or none without images. They are scored again for their heat maps."""
    if not len(positions):
        return []
    test, codec, scorer = subject.test, subject.codec, subject.scorer
    images = [subject.images[i] for i in positions]
    originals = [target_image(image, codec.manifest.input) for image in images]
    rows = [originals]
    if any(test.masks[i] is not None for i in positions):
        rows.append([_outlined(o, test, i) for o, i in zip(originals, positions, strict=True)])
    rows.append(codec.decompress(codec.compress(images)))
    rate = subject.scored.detection.verdicts[0].false_alarm_rate
    heatmaps = [score.heatmap for score in scorer.score(images, rate)]
    rows.append(
        [
            draw_heatmap(image, heatmap, scorer.heatmap_vmax)
            for image, heatmap in zip(originals, heatmaps, strict=True)
        ]
    )
    parts = "their masks in outline, " if len(rows) == 4 else ""
    p_values = ", ".join(f"{subject.scored.p_value[i]:.3g}" for i in positions)
    caption = f"{title}, {parts}their decoded records, their heat maps. p-values: {p_values}"
    names = printable(", ".join(test.names[i] for i in positions))
    return [Picture(png=sheet(rows), caption=f"{caption}. {names}")]


def _outlined(image: U8, test: LabelledImages, position: int) -> U8:
    mask = test.masks[position]
    return image if mask is None else draw_outline(image, resize_mask(mask, image.shape[:2]))
