"""Detectors side by side, measured on the same test images: one row each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.evaluation.report.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One detector; None for what it does not have or the test images do not allow."""

    name: str
    image_auroc: float | None = None
    average_precision: float | None = None
    """of images"""
    best_f1: float | None = None
    """of images"""
    pixel_auroc: float | None = None
    aupro: float | None = None
    false_alarm_rate: float | None = None
    """the requested rate"""
    realised_rate: float | None = None
    """share of the normal test images that were flagged at the requested rate"""
    detection_rate: float | None = None
    """share of the defect test images that were flagged at the requested rate"""
    bytes_mean: float | None = None
    """per record"""
    images_per_second: float | None = None
    """scored, on the CPU"""


def section(rows: Sequence[Row]) -> Section:
    """The table of all detectors, in the order of `rows`."""
    return Section(
        title="Comparison",
        text="All were measured on the same test images. AP is the average precision and F1 the "
        "largest one over all thresholds, both of images; AUPRO is the per-region overlap up to a "
        "false-positive rate of 0.3. Asked is the false-alarm rate of the verdicts, realised the "
        "share of the normal images that were flagged, detected that of the defect images. Speed "
        "is that of scoring, images per second.",
        head=(
            "model",
            "image AUROC",
            "AP",
            "F1",
            "pixel AUROC",
            "AUPRO",
            "asked",
            "realised",
            "detected",
            "bytes",
            "speed",
        ),
        rows=[_cells(row) for row in rows],
    )


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        *map(
            decimals,
            (row.image_auroc, row.average_precision, row.best_f1, row.pixel_auroc, row.aupro),
        ),
        "-" if row.false_alarm_rate is None else f"{row.false_alarm_rate:g}",
        decimals(row.realised_rate),
        decimals(row.detection_rate),
        decimals(row.bytes_mean, 1),
        decimals(row.images_per_second, 1),
    )


def decimals(value: float | None, places: int = 3) -> str:
    """A number of a table, or a dash where there is none."""
    return "-" if value is None else f"{value:.{places}f}"
