"""The report of a bundle: its numbers as JSON, and its sections."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from typing import Any

from training.data.image_files import digest
from training.evaluation.bundle import detection
from training.evaluation.bundle.detection import Detection, Verdicts
from training.evaluation.bundle.evaluation import BundleReport
from training.evaluation.bundle.rate_distortion import Exactness
from training.evaluation.report import charts
from training.evaluation.report.section import Picture, Section


def to_json(report: BundleReport) -> dict[str, Any]:
    """All numbers of the report."""
    manifest = report.bundle.manifest
    return {
        "model": manifest.name,
        "version": manifest.version,
        "family": manifest.family,
        "model_id": report.bundle.model_id.hex(),
        "test_sha256": digest(report.test.images),
        "onnxruntime": version("onnxruntime"),
        "threads": report.threads,
        "compression": dataclasses.asdict(report.compression),
        "levels": [dataclasses.asdict(level) for level in report.levels],
        "exactness": dataclasses.asdict(report.exactness),
        "detection": dataclasses.asdict(report.scored.detection),
    }


def sections(report: BundleReport) -> list[Section]:
    """All sections, the most important first."""
    parts = [_compression(report), _exactness(report.exactness), _levels(report)]
    parts += [*_detection(report), _samples(report)]
    return [part for part in parts if part is not None]


def _compression(report: BundleReport) -> Section:
    facts = report.compression
    rows = [
        ("test images", f"{facts.images}"),
        ("quality level", f"{facts.quality}"),
        ("bytes per record, mean", f"{facts.bytes_mean:.2f}"),
        ("bytes per record, median", f"{facts.bytes_median:g}"),
        ("bytes per record, largest", f"{facts.bytes_max}"),
        ("ratio to raw pixels", f"{facts.ratio:.1f}"),
        ("bits per pixel", f"{facts.bits_per_pixel:.4f}"),
        ("PSNR, dB", f"{facts.psnr:.2f}"),
        ("SSIM", _three(facts.ssim)),
        ("encoded images per second", f"{facts.encode_images_per_second:.1f}"),
        ("decoded images per second", f"{facts.decode_images_per_second:.1f}"),
    ]
    return Section(
        title="Compression",
        text="Every test image was compressed and decoded. Bytes include header and checksum. PSNR "
        "is computed from the mean squared error of all images. Speeds are measured with "
        f"{report.threads} CPU thread{'s' if report.threads > 1 else ''}.",
        head=("measure", "value"),
        rows=rows,
    )


def _exactness(facts: Exactness) -> Section:
    verdict = "all equal" if not facts.differences else "NOT EXACT: do not use this model"
    return Section(
        title="Exactness",
        text="Records were decoded twice, by the fast coder and by the reference coder, which uses "
        "only integers. If any code differs, decoded images can differ between machines.",
        head=("records", "with different codes", "verdict"),
        rows=[(f"{facts.records}", f"{facts.differences}", verdict)],
    )


def _levels(report: BundleReport) -> Section | None:
    if not report.levels:
        return None
    rows = [
        (f"{f.quality}", f"{f.bytes_mean:.2f}", f"{f.bits_per_pixel:.4f}", f"{f.psnr:.2f}")
        for f in report.levels
    ]
    curve = charts.rate_curve(
        [level.bits_per_pixel for level in report.levels],
        [level.psnr for level in report.levels],
        report.bundle.manifest.quality_default,
    )
    return Section(
        title="Rate and distortion",
        text=f"The same model at every quality level, over {report.levels[0].images} test images.",
        head=("quality", "bytes per record", "bits per pixel", "PSNR, dB"),
        rows=rows,
        pictures=[Picture(png=curve, caption="PSNR over rate")],
    )


def _detection(report: BundleReport) -> list[Section]:
    facts = report.scored.detection
    if not facts.defect_images:
        return [_verdicts(report)]
    rows = [
        (f"image, {name}{' (in the verdict)' if name in facts.fused else ''}", _three(value))
        for name, value in facts.image_auroc.items()
    ]
    rows.append(("pixel, heat map", _three(facts.pixel_auroc)))
    auroc = Section(
        title="Detection, AUROC",
        text="The probability that a defect image (or pixel) has a higher score than a normal one: "
        "0.5 is chance, 1 is perfect. The pixels are those of all test images.",
        head=("score", "AUROC"),
        rows=rows,
    )
    return [_verdicts(report), auroc]


def _verdicts(report: BundleReport) -> Section:
    facts = report.scored.detection
    threshold = detection.threshold(
        report.bundle.calibration.fused, facts.verdicts[0].false_alarm_rate
    )
    histogram = charts.score_histogram(report.scored.value, report.test.defect, threshold)
    head = ("false-alarm rate", "false alarms", "realised rate", "detected", "detection rate")
    columns = len(head) if facts.defect_images else 3
    return Section(
        title="Verdicts",
        text=f"An image is flagged if its p-value against {facts.calibration_images} calibration "
        f"images is at or below the false-alarm rate. {facts.normal_images} normal and "
        f"{facts.defect_images} defect test images. The first row is the rate in use.",
        head=head[:columns],
        rows=[_verdict(v, facts)[:columns] for v in facts.verdicts],
        pictures=[Picture(png=histogram, caption="Fused score of the test images")],
    )


def _verdict(verdicts: Verdicts, facts: Detection) -> tuple[str, ...]:
    return (
        f"{verdicts.false_alarm_rate:g}",
        f"{verdicts.false_alarms} of {facts.normal_images}",
        _three(verdicts.realised_rate),
        f"{verdicts.detections} of {facts.defect_images}",
        _three(verdicts.detection_rate),
    )


def _samples(report: BundleReport) -> Section | None:
    if not report.pictures:
        return None
    return Section(
        title="Pictures",
        text="Test images at regular intervals of the set; nobody chose them. Heat maps are scaled "
        "so that one normal image in ten reaches full colour.",
        pictures=report.pictures,
    )


def _three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
