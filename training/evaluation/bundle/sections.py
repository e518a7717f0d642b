"""The report of a bundle: its numbers as JSON, and its sections."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from typing import Any

from training.data.image_files import digest
from training.evaluation.bundle.detection_sections import detection_sections
from training.evaluation.bundle.evaluation import BundleReport
from training.evaluation.bundle.rate_distortion import Exactness
from training.evaluation.report import charts
from training.evaluation.report.comparison import decimals
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
    parts += [*detection_sections(report), _samples(report), _extremes(report)]
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
        ("SSIM", decimals(facts.ssim)),
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


def _samples(report: BundleReport) -> Section | None:
    if not report.samples:
        return None
    return Section(
        title="Pictures",
        text="Test images at regular intervals of the set; nobody chose them. Heat maps are scaled "
        "so that one normal image in ten reaches full colour.",
        pictures=report.samples,
    )


def _extremes(report: BundleReport) -> Section | None:
    if not report.extremes:
        return None
    return Section(
        title="Best and worst",
        text="Test images with the highest and the lowest fused scores.",
        pictures=report.extremes,
    )
