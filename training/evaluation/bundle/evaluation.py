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
from codec.images.comparison import draw_heatmap
from codec.images.files import prepare
from codec.images.input_spec import InputSpec
from codec.scores.scores import check_false_alarm_rate
from training.config.run import DataConfig, LayoutName
from training.data.labelled import LabelledImages, labelled_test
from training.errors import TrainingError, UsageError
from training.evaluation.bundle import detection, rate_distortion
from training.evaluation.bundle.detection import Scored
from training.evaluation.bundle.rate_distortion import Compression, Exactness
from training.evaluation.report.progress import Reporter
from training.evaluation.report.section import Picture
from training.evaluation.report.sheet import sheet
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
    pictures: list[Picture]
    threads: int

    @property
    def title(self) -> str:
        """Name and version."""
        return f"Model {self.bundle.manifest.name} {self.bundle.manifest.version}"


def evaluate_bundle(
    path: Path,
    folder: Path,
    layout: LayoutName,
    options: BundleOptions,
    threads: int,
    shown: int,
    reporter: Reporter,
) -> BundleReport:
    """Runs the test images of a data folder through the serving pipeline, on the CPU.

    `shown` is the number of example images of each kind. Raises BundleError, TrainingError (the
    data, or no onnxruntime) or InvalidInput (an image, an option).
    """
    bundle = load_bundle(path)
    quality = _quality(bundle, options)
    codec = _codec(bundle, threads)
    scorer = Scorer(codec)
    read_as = DataConfig(channels=bundle.manifest.input.channels, layout=layout)
    test = labelled_test(read_as, folder, reporter.note)
    images = [np.ascontiguousarray(image.transpose(1, 2, 0)) for image in test.images]
    check_fit(images, test.names, bundle.manifest.input)
    examples = chosen(test, shown)
    rates = false_alarm_rates(bundle, options)
    facts, records = rate_distortion.compression(
        codec, images, quality, reporter.start("compressing")
    )
    scored = detection.score(scorer, images, test, rates, examples, reporter.start("scoring"))
    checked = [records[i] for i in evenly(len(records), _affordable(bundle, records, options))]
    return BundleReport(
        bundle=bundle,
        test=test,
        compression=facts,
        levels=_levels(codec, images, options, reporter),
        exactness=rate_distortion.exactness(bundle, checked, reporter.start("reference coder")),
        scored=scored,
        pictures=draw_examples(codec, scorer, images, test, scored, examples),
        threads=threads,
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


def check_fit(images: Sequence[U8], names: Sequence[str], spec: InputSpec) -> None:
    """Checks that the model takes every image. Raises InvalidInput with the name of one."""
    for image, name in zip(images, names, strict=True):
        try:
            prepare(image, spec)
        except InvalidInput as error:
            raise InvalidInput(f"{name}: {error}") from error


def chosen(test: LabelledImages, wanted: int) -> list[int]:
    """Positions of the normal, then the defect images to show, evenly spread over the set."""
    kinds = (np.flatnonzero(~test.defect), np.flatnonzero(test.defect))
    return [int(kind[i]) for kind in kinds for i in evenly(len(kind), wanted)]


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


def draw_examples(
    codec: Codec,
    scorer: Scorer,
    images: Sequence[U8],
    test: LabelledImages,
    scored: Scored,
    examples: Sequence[int],
) -> list[Picture]:
    """A sheet of normal and a sheet of defect images: originals, decoded records, heat maps."""
    spec, pictures = codec.manifest.input, []
    for kind, name in ((False, "Normal"), (True, "Defect")):
        positions = [i for i in examples if test.defect[i] == kind]
        if not positions:
            continue
        originals = [rate_distortion.target_image(images[i], spec) for i in positions]
        decoded = codec.decompress(codec.compress([images[i] for i in positions]))
        maps = [
            draw_heatmap(image, scored.heatmaps[i], scorer.heatmap_vmax)
            for image, i in zip(originals, positions, strict=True)
        ]
        p_values = ", ".join(f"{scored.p_value[i]:.3g}" for i in positions)
        caption = f"{name} images, their decoded records, their heat maps. p-values: {p_values}"
        png = sheet([originals, decoded, maps])
        pictures.append(Picture(png=png, caption=caption))
    return pictures
