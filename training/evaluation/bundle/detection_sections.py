"""The sections of a bundle's report about detection: verdicts, metrics, types of defects."""

from __future__ import annotations

from codec.errors import printable
from training.evaluation.bundle.detection import BestF1, Detection
from training.evaluation.bundle.evaluation import BundleReport
from training.evaluation.bundle.verdicts import Interval, Verdicts, threshold
from training.evaluation.report import charts
from training.evaluation.report.comparison import Row, decimals
from training.evaluation.report.section import Picture, Section


def detection_sections(report: BundleReport) -> list[Section]:
    """The verdicts, and what the labels of defects allow to say."""
    facts = report.scored.detection
    parts = [_verdicts(report)]
    if facts.defect_images:
        parts.append(_metrics(facts))
    if len(facts.defect_types) > 1:
        parts.append(_types(facts))
    return parts


def row(report: BundleReport, name: str) -> Row:
    """A bundle as a row of the comparison."""
    facts = report.scored.detection
    in_use = facts.verdicts[0]
    return Row(
        name=name,
        image_auroc=facts.image_auroc["fused"],
        average_precision=facts.image_average_precision,
        best_f1=None if facts.image_best_f1 is None else facts.image_best_f1.f1,
        pixel_auroc=facts.pixel_auroc,
        aupro=facts.aupro,
        false_alarm_rate=in_use.false_alarm_rate,
        realised_rate=in_use.realised_rate,
        detection_rate=in_use.detection_rate,
        bytes_mean=report.compression.bytes_mean,
        images_per_second=facts.score_images_per_second,
    )


def _verdicts(report: BundleReport) -> Section:
    facts = report.scored.detection
    limit = threshold(report.bundle.calibration.fused, facts.verdicts[0].false_alarm_rate)
    histogram = charts.score_histogram(report.scored.value, report.test.defect, limit)
    head = (
        "asked",
        "false alarms",
        "realised rate",
        "as asked",
        "detected",
        "detection rate",
    )
    columns = len(head) if facts.defect_images else 4
    return Section(
        title="Verdicts",
        text=f"An image is flagged if its p-value against {facts.calibration_images} calibration "
        f"images is at or below the false-alarm rate. {facts.normal_images} normal and "
        f"{facts.defect_images} defect test images. The first row is the rate in use. In brackets "
        "is the 95 % interval of Clopper and Pearson; the realised rate is as asked if the asked "
        "one lies in it.",
        head=head[:columns],
        rows=[_verdict(v, facts)[:columns] for v in facts.verdicts],
        pictures=[Picture(png=histogram, caption="Fused score of the test images")],
    )


def _verdict(verdicts: Verdicts, facts: Detection) -> tuple[str, ...]:
    return (
        f"{verdicts.false_alarm_rate:g}",
        f"{verdicts.false_alarms} of {facts.normal_images}",
        _rate(verdicts.realised_rate, verdicts.realised_interval),
        _as_asked(verdicts),
        f"{verdicts.detections} of {facts.defect_images}",
        _rate(verdicts.detection_rate, verdicts.detection_interval),
    )


def _as_asked(verdicts: Verdicts) -> str:
    if verdicts.realised_rate is None:
        return "-"
    if verdicts.rate_in_interval:
        return "yes"
    return "no, more" if verdicts.realised_rate > verdicts.false_alarm_rate else "no, fewer"


def _metrics(facts: Detection) -> Section:
    rows = [
        (
            f"image AUROC, {name}{' (in the verdict)' if name in facts.fused else ''}",
            decimals(value),
        )
        for name, value in facts.image_auroc.items()
    ]
    rows += [
        ("image average precision, fused", decimals(facts.image_average_precision)),
        ("image best F1, fused", _f1(facts.image_best_f1)),
        ("pixel AUROC, heat map", decimals(facts.pixel_auroc)),
        ("pixel average precision, heat map", decimals(facts.pixel_average_precision)),
        ("pixel best F1, heat map", _f1(facts.pixel_best_f1)),
        ("AUPRO, heat map", decimals(facts.aupro)),
    ]
    return Section(
        title="Detection",
        text="AUROC is the probability that a defect image (or pixel) has a higher score than a "
        "normal one: 0.5 is chance, 1 is perfect. The best F1 is the largest over all thresholds, "
        "at the given one; it is chosen with the labels, so no verdict reaches more. AUPRO is the "
        "mean share of each marked region that is found, up to a false-positive rate of 0.3. The "
        "pixels are those of all test images.",
        head=("measure", "value"),
        rows=rows,
    )


def _types(facts: Detection) -> Section:
    rows = [
        (
            printable(kind.name),
            f"{kind.images}",
            decimals(kind.image_auroc),
            decimals(kind.pixel_auroc),
            f"{kind.detections} of {kind.images}",
            _rate(kind.detection_rate, kind.detection_interval),
        )
        for kind in facts.defect_types
    ]
    return Section(
        title="Types of defects",
        text=f"Each type against all {facts.normal_images} normal images, with the fused score and "
        f"the heat map. Detected at a false-alarm rate of {facts.verdicts[0].false_alarm_rate:g}, "
        "with the 95 % interval of the share.",
        head=("type", "images", "image AUROC", "pixel AUROC", "detected", "detection rate"),
        rows=rows,
    )


def _rate(share: float | None, interval: Interval | None) -> str:
    if share is None or interval is None:
        return "-"
    # A page shows the break as a space; a terminal of 80 columns needs it.
    return f"{share:.3f}\n({interval[0]:.3f}, {interval[1]:.3f})"


def _f1(best: BestF1 | None) -> str:
    return "-" if best is None else f"{best.f1:.3f} at {best.threshold:.4g}"
