"""What a bundle's scores, verdicts and heat maps say about images of which the truth is known."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codec.images.files import F32, U8
from codec.pipeline import Model
from codec.scores.scores import Score, check_rate
from training.data.datasets import LabelledImages
from training.evaluation.rate_distortion import Advance, chunks
from training.metrics.images import (
    LEVELS,
    auroc,
    auroc_of_counts,
    count_levels,
    resize_mask,
    share,
)

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What one false-alarm rate does to the test images."""

    false_alarm_rate: float
    """asked for"""
    false_alarms: int
    realised_rate: float | None
    """part of the normal test images that was flagged; None without any"""
    detections: int
    detection_rate: float | None
    """part of the defect test images that was flagged; None without any"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """How well the scores tell defect from normal."""

    normal_images: int
    defect_images: int
    calibration_images: int
    fused: tuple[str, ...]
    """scores that enter the verdict"""
    image_auroc: dict[str, float | None]
    """of the fused score and of every single one; None without defects"""
    pixel_auroc: float | None
    """of the heat maps over all images that have a mask or are normal"""
    verdicts: list[Verdicts]
    """at the default rate first"""
    score_images_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """All test images scored."""

    detection: Detection
    value: F64
    """[N] fused"""
    p_value: F64
    heatmaps: dict[int, F32]
    """of the images to be shown"""


def score(
    model: Model,
    images: Sequence[U8],
    truth: LabelledImages,
    rates: Sequence[float],
    shown: Sequence[int],
    advance: Advance,
) -> Scored:
    """Scores all images; `rates` are the false-alarm rates to judge, the default one first.

    Raises InvalidInput where the calibration is too small for the first rate.
    """
    rows: list[dict[str, float]] = []
    counts = np.zeros((2, LEVELS), np.int64)
    heatmaps, seconds = {}, 0.0
    for chunk in chunks(images):
        start = time.perf_counter()
        scored = model.score(chunk, rates[0])
        seconds += time.perf_counter() - start
        counts += _pixel_counts(scored, truth, len(rows))
        for index, result in enumerate(scored, len(rows)):
            if index in shown:
                heatmaps[index] = result.heatmap
            rows.append({"fused": result.value, **result.scores, "p_value": result.p_value})
        advance(len(rows), len(images))
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    p_value = columns.pop("p_value")
    detection = Detection(
        normal_images=int((~truth.defect).sum()),
        defect_images=int(truth.defect.sum()),
        calibration_images=model.calibration_images,
        fused=model.manifest.score.fused,
        image_auroc={k: _known(auroc(v, truth.defect)) for k, v in columns.items()},
        pixel_auroc=_known(auroc_of_counts(counts)),
        verdicts=[verdicts(p_value, truth.defect, rate) for rate in rates],
        score_images_per_second=len(rows) / seconds,
    )
    return Scored(detection=detection, value=columns["fused"], p_value=p_value, heatmaps=heatmaps)


def verdicts(p_value: F64, defect: NDArray[np.bool_], false_alarm_rate: float) -> Verdicts:
    """Counts of flagged images at a false-alarm rate; p-values `[N]`."""
    flagged = p_value <= false_alarm_rate
    return Verdicts(
        false_alarm_rate=false_alarm_rate,
        false_alarms=int(flagged[~defect].sum()),
        realised_rate=_known(share(flagged[~defect])),
        detections=int(flagged[defect].sum()),
        detection_rate=_known(share(flagged[defect])),
    )


def threshold(calibration: F64, false_alarm_rate: float) -> float:
    """The fused score above which an image is flagged, from the ascending calibration scores `[n]`.

    p = (1 + #{s_i >= s}) / (n + 1) is at or below the rate if at most k = rate (n + 1) - 1 of them
    are not smaller. Raises InvalidInput where the calibration is too small for the rate.
    """
    check_rate(false_alarm_rate, len(calibration))
    k = int(false_alarm_rate * (len(calibration) + 1) + 1e-9) - 1
    return float(calibration[max(0, len(calibration) - 1 - k)])


def _pixel_counts(
    scored: Sequence[Score], truth: LabelledImages, first: int
) -> NDArray[np.int64] | int:
    """`count_levels` of the heat maps of neighbouring images, the first one at position `first`."""
    values, masks = [], []
    for index, result in enumerate(scored, first):
        mask, shape = truth.masks[index], result.heatmap.shape[:2]
        if mask is None and truth.defect[index]:
            continue  # where the defect lies is not known
        truth_here = np.zeros(shape, np.bool_) if mask is None else resize_mask(mask, shape)
        values.append(result.heatmap.ravel())
        masks.append(truth_here.ravel())
    return count_levels(np.concatenate(values), np.concatenate(masks)) if values else 0


def _known(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else value
