"""How well a bundle's scores, verdicts and heat maps match labelled images."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from codec import Scorer
from codec.arrays import F64, U8
from codec.scores.scores import Score
from training.data.labelled import LabelledImages
from training.evaluation.bundle.defect_types import DefectType, by_type, not_nan, types_of
from training.evaluation.bundle.pixels import PixelCounts
from training.evaluation.bundle.rate_distortion import chunks
from training.evaluation.bundle.verdicts import Verdicts, verdicts
from training.evaluation.report.progress import ProgressCallback
from training.metrics.detection import (
    auroc_of_counts,
    average_precision,
    best_f1,
    count_scores,
)
from training.metrics.images import auroc
from training.metrics.pixels import value_of


@dataclass(frozen=True, slots=True, kw_only=True)
class BestF1:
    """The largest F1 over all thresholds."""

    f1: float
    threshold: float
    """the smallest score that counts as a defect"""


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
    image_average_precision: float | None
    """of the fused score"""
    image_best_f1: BestF1 | None
    """of the fused score"""
    pixel_auroc: float | None
    """of the heat maps, over all images that are normal or have a mask, as is all that follows"""
    pixel_average_precision: float | None
    pixel_best_f1: BestF1 | None
    aupro: float | None
    """area under the per-region overlap curve up to a false-positive rate of 0.3, divided by 0.3"""
    verdicts: list[Verdicts]
    """the default rate first"""
    defect_types: list[DefectType]
    score_images_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The scores of all test images."""

    detection: Detection
    value: F64
    """[N] fused"""
    p_value: F64
    """[N]"""


def score(
    scorer: Scorer,
    images: Sequence[U8],
    truth: LabelledImages,
    rates: Sequence[float],
    advance: ProgressCallback,
) -> Scored:
    """Scores all images; `rates` are the false-alarm rates of the verdicts, the default one first.

    Raises InvalidInput if the calibration is too small for the first rate.
    """
    rows: list[dict[str, float]] = []
    types, pixels, seconds = types_of(truth), PixelCounts(), 0.0
    for chunk in chunks(images):
        start = time.perf_counter()
        scored = scorer.score(chunk, rates[0])
        seconds += time.perf_counter() - start
        _count_pixels(pixels, scored, truth, types, len(rows))
        rows += [{"fused": s.value, **s.scores, "p_value": s.p_value} for s in scored]
        advance(len(rows), len(images))
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    p_value = columns.pop("p_value")
    found = columns, p_value, pixels
    return Scored(
        detection=_detection(scorer, truth, rates, found, len(rows) / seconds),
        value=columns["fused"],
        p_value=p_value,
    )


def _detection(
    scorer: Scorer,
    truth: LabelledImages,
    rates: Sequence[float],
    found: tuple[Mapping[str, F64], F64, PixelCounts],
    images_per_second: float,
) -> Detection:
    columns, p_value, pixels = found
    value, of_pixels = columns["fused"], pixels.total()
    values, of_images = count_scores(value, truth.defect)
    f1, place = best_f1(of_images)
    pixel_f1, level = best_f1(of_pixels)
    return Detection(
        normal_images=int((~truth.defect).sum()),
        defect_images=int(truth.defect.sum()),
        calibration_images=scorer.calibration_images,
        fused=scorer.manifest.score.fused,
        image_auroc={k: not_nan(auroc(v, truth.defect)) for k, v in columns.items()},
        image_average_precision=not_nan(average_precision(of_images)),
        image_best_f1=BestF1(f1=f1, threshold=float(values[place])) if place >= 0 else None,
        pixel_auroc=not_nan(auroc_of_counts(of_pixels)),
        pixel_average_precision=not_nan(average_precision(of_pixels)),
        pixel_best_f1=BestF1(f1=pixel_f1, threshold=value_of(level)) if level >= 0 else None,
        aupro=not_nan(pixels.aupro()),
        verdicts=[verdicts(p_value, truth.defect, rate) for rate in rates],
        defect_types=by_type(types_of(truth), truth, value, p_value <= rates[0], pixels),
        score_images_per_second=images_per_second,
    )


def _count_pixels(
    pixels: PixelCounts,
    scored: Sequence[Score],
    truth: LabelledImages,
    types: Sequence[str | None],
    first: int,
) -> None:
    """Counts the heat maps of consecutive images, of which the first is at `first`.

    A defect image without a mask is left out: the place of its defect is unknown.
    """
    known = [
        i
        for i in range(first, first + len(scored))
        if truth.masks[i] is not None or not truth.defect[i]
    ]
    for kind, places in groupby(known, key=lambda i: types[i]):
        group = list(places)
        maps = [scored[i - first].heatmap for i in group]
        pixels.add(maps, [truth.masks[i] for i in group], kind)
