"""How well a bundle's scores, verdicts and heat maps match labelled images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codec import Scorer
from codec.arrays import F32, F64, U8
from codec.scores.scores import Score, check_false_alarm_rate
from training.data.labelled import LabelledImages
from training.evaluation.bundle.rate_distortion import chunks
from training.evaluation.report.progress import ProgressCallback
from training.metrics.images import (
    LEVELS,
    auroc,
    auroc_of_counts,
    count_levels,
    resize_mask,
    share,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Flagged test images at one false-alarm rate."""

    false_alarm_rate: float
    """the requested rate"""
    false_alarms: int
    realised_rate: float | None
    """share of the normal test images that were flagged; None if there are none"""
    detections: int
    detection_rate: float | None
    """share of the defect test images that were flagged; None if there are none"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """How well the scores separate defect from normal images."""

    normal_images: int
    defect_images: int
    calibration_images: int
    fused: tuple[str, ...]
    """scores used for the verdict"""
    image_auroc: dict[str, float | None]
    """of the fused score and of each single score; None without defects"""
    pixel_auroc: float | None
    """of the heat maps, over all images that are normal or have a mask"""
    verdicts: list[Verdicts]
    """the default rate first"""
    score_images_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The scores of all test images."""

    detection: Detection
    value: F64
    """[N] fused"""
    p_value: F64
    heatmaps: dict[int, F32]
    """of the images to show, by their position"""


def score(
    scorer: Scorer,
    images: Sequence[U8],
    truth: LabelledImages,
    rates: Sequence[float],
    shown: Sequence[int],
    advance: ProgressCallback,
) -> Scored:
    """Scores all images; `rates` are the false-alarm rates of the verdicts, the default one first.

    Raises InvalidInput if the calibration is too small for the first rate.
    """
    rows: list[dict[str, float]] = []
    counts = np.zeros((2, LEVELS), np.int64)
    heatmaps, seconds = {}, 0.0
    for chunk in chunks(images):
        start = time.perf_counter()
        scored = scorer.score(chunk, rates[0])
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
        calibration_images=scorer.calibration_images,
        fused=scorer.manifest.score.fused,
        image_auroc={k: _not_nan(auroc(v, truth.defect)) for k, v in columns.items()},
        pixel_auroc=_not_nan(auroc_of_counts(counts)),
        verdicts=[verdicts(p_value, truth.defect, rate) for rate in rates],
        score_images_per_second=len(rows) / seconds,
    )
    return Scored(detection=detection, value=columns["fused"], p_value=p_value, heatmaps=heatmaps)


def verdicts(p_value: F64, defect: NDArray[np.bool_], false_alarm_rate: float) -> Verdicts:
    """Counts the images flagged at a false-alarm rate, from p-values `[N]`."""
    flagged = p_value <= false_alarm_rate
    return Verdicts(
        false_alarm_rate=false_alarm_rate,
        false_alarms=int(flagged[~defect].sum()),
        realised_rate=_not_nan(share(flagged[~defect])),
        detections=int(flagged[defect].sum()),
        detection_rate=_not_nan(share(flagged[defect])),
    )


def threshold(calibration: F64, false_alarm_rate: float) -> float:
    """The fused score above which an image is flagged, from the ascending calibration scores `[n]`.

    p = (1 + #{s_i >= s}) / (n + 1) is at or below the rate if at most k = rate (n + 1) - 1 of the
    calibration scores are not smaller. Raises InvalidInput if n is too small for the rate.
    """
    check_false_alarm_rate(false_alarm_rate, len(calibration))
    k = int(false_alarm_rate * (len(calibration) + 1) + 1e-9) - 1
    return float(calibration[max(0, len(calibration) - 1 - k)])


def _pixel_counts(
    scored: Sequence[Score], truth: LabelledImages, first: int
) -> NDArray[np.int64] | int:
    """`count_levels` of the heat maps of consecutive images, of which the first is at `first`."""
    values, masks = [], []
    for index, result in enumerate(scored, first):
        mask, shape = truth.masks[index], result.heatmap.shape[:2]
        if mask is None and truth.defect[index]:
            continue  # the place of the defect is unknown
        truth_here = np.zeros(shape, np.bool_) if mask is None else resize_mask(mask, shape)
        values.append(result.heatmap.ravel())
        masks.append(truth_here.ravel())
    return count_levels(np.concatenate(values), np.concatenate(masks)) if values else 0


def _not_nan(value: float) -> float | None:
    """None for NaN, which JSON does not have."""
    return None if np.isnan(value) else value
