"""A bundle measured on test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec import Codec, Scorer
from codec.arrays import U8
from codec.bundle.bundle import Bundle, load_bundle
from codec.errors import InvalidInput
from codec.images.files import prepare
from codec.images.input_spec import InputSpec
from codec.scores.conformal import check_false_alarm_rate
from training.data.labelled import LabelledImages
from training.errors import TrainingError, UsageError
from training.evaluation.bundle import detection, examples, rate_distortion
from training.evaluation.bundle.detection import Scored
from training.evaluation.bundle.examples import Subject
from training.evaluation.bundle.rate_distortion import Compression, Exactness
from training.evaluation.report.progress import Reporter
from training.evaluation.report.section import Picture
from training.metrics.images import evenly

# How many symbols the reference coder decodes by default: seconds, not minutes.
REFERENCE_SYMBOLS = 2**21
# False-alarm rates in the table of verdicts, after the rate of the verdicts.
RATES = (0.01, 0.02, 0.05, 0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleOptions:
    """Options of the evaluation of a bundle."""

    quality: int | None = None
    """quality level of the records; default: the bundle's (scores always use the bundle's)"""
    false_alarm_rate: float | None = None
    """false-alarm rate of the verdicts; default: the bundle's"""
    limit_levels: int = 64
    """images for the curve over all quality levels; 0 omits the curve"""
    reference: int | None = None
    """records to decode with the reference coder too; default: as many as take a few seconds"""

    def __post_init__(self) -> None:
        for name in ("limit_levels", "reference"):
            if (getattr(self, name) or 0) < 0:
                option = name.replace("_", "-")
                raise UsageError(f"--{option} is {getattr(self, name)}; expected 0 or more")
        rate = self.false_alarm_rate
        if rate is not None and not 0 < rate < 1:
            raise UsageError(f"--false-alarm-rate is {rate}; expected a number between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleReport:
    """Everything measured about a bundle."""

    bundle: Bundle
    test: LabelledImages
    compression: Compression
    levels: list[Compression]
    exactness: Exactness
    scored: Scored
    samples: list[Picture]
    """test images at regular intervals"""
    extremes: list[Picture]
    """test images with the highest and the lowest scores"""
    threads: int

    @property
    def title(self) -> str:
        """Name and version."""
        return f"Model {self.bundle.manifest.name} {self.bundle.manifest.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A bundle and what the options mean for it."""

    bundle: Bundle
    codec: Codec
    quality: int
    rates: list[float]
    """false-alarm rates of the verdicts, the one in use first"""
    threads: int


def open_bundle(path: Path, options: BundleOptions, threads: int) -> Opened:
    """A bundle on the CPU. Raises BundleError, TrainingError (no onnxruntime), UsageError or
    InvalidInput (an option that it does not support).
    """
    bundle = load_bundle(path)
    return Opened(
        bundle=bundle,
        codec=_codec(bundle, threads),
        quality=_quality(bundle, options),
        rates=false_alarm_rates(bundle, options),
        threads=threads,
    )


def evaluate_bundle(
    opened: Opened, test: LabelledImages, options: BundleOptions, shown: int, reporter: Reporter
) -> BundleReport:
    """Runs test images through the serving pipeline.

    `shown` is the number of example images of each kind. Raises InvalidInput, which names the
    image.
    """
    bundle, codec = opened.bundle, opened.codec
    scorer = Scorer(codec)
    images = [np.ascontiguousarray(image.transpose(1, 2, 0)) for image in test.images]
    facts, records = rate_distortion.compression(
        codec, images, opened.quality, reporter.start("compressing")
    )
    scored = detection.score(scorer, images, test, opened.rates, reporter.start("scoring"))
    checked = [records[i] for i in evenly(len(records), _affordable(bundle, records, options))]
    subject = Subject(codec=codec, scorer=scorer, images=images, test=test, scored=scored)
    return BundleReport(
        bundle=bundle,
        test=test,
        compression=facts,
        levels=_levels(codec, images, options, reporter),
        exactness=rate_distortion.exactness(bundle, checked, reporter.start("reference coder")),
        scored=scored,
        samples=examples.samples(subject, shown),
        extremes=examples.extremes(subject, shown),
        threads=opened.threads,
    )


def _quality(bundle: Bundle, options: BundleOptions) -> int:
    levels = bundle.manifest.quality_levels
    if options.quality is None:
        return bundle.manifest.quality_default
    if not 0 <= options.quality < levels:
        raise UsageError(f"--quality is {options.quality}; expected 0..{levels - 1}")
    return options.quality


def _codec(bundle: Bundle, threads: int) -> Codec:
    """The codec of a bundle on the CPU. Raises TrainingError without onnxruntime."""
    try:
        # Imported here because runs can be evaluated without onnxruntime.
        from codec.graphs.onnx import open_graphs
    except ModuleNotFoundError as error:
        raise TrainingError(
            "evaluating a bundle needs onnxruntime: pip install 'residuum[export]'"
        ) from error
    return Codec(bundle, open_graphs(bundle, "cpu", threads))


def _levels(
    codec: Codec, images: Sequence[U8], options: BundleOptions, reporter: Reporter
) -> list[Compression]:
    """Rate and distortion of every quality level, or none if the options omit them."""
    if not options.limit_levels:
        return []
    subset = [images[i] for i in evenly(len(images), options.limit_levels)]
    return rate_distortion.levels(codec, subset, reporter.start("all quality levels"))


def check_fit(test: LabelledImages, spec: InputSpec) -> None:
    """Checks that the model takes every image. Raises InvalidInput with the name of one."""
    for image, name in zip(test.images, test.names, strict=True):
        try:
            prepare(np.ascontiguousarray(image.transpose(1, 2, 0)), spec)
        except InvalidInput as error:
            raise InvalidInput(f"{name}: {error}") from error


def false_alarm_rates(bundle: Bundle, options: BundleOptions) -> list[float]:
    """The rate of the verdicts, then those of RATES for which the calibration is large enough.

    Raises InvalidInput if it is too small for the first.
    """
    wanted, count = options.false_alarm_rate, len(bundle.calibration.fused)
    first = check_false_alarm_rate(
        bundle.manifest.score.false_alarm_rate if wanted is None else wanted, count
    )
    smallest = 1 / (count + 1)
    return [first, *(rate for rate in RATES if rate >= smallest and rate != first)]


def _affordable(bundle: Bundle, records: Sequence[bytes], options: BundleOptions) -> int:
    if options.reference is not None:
        return options.reference
    sizes = [rate_distortion.symbols(record, bundle) for record in records]
    return max(1, min(len(records), REFERENCE_SYMBOLS * len(records) // sum(sizes)))
