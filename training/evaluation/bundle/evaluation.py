"""A bundle at test images: everything that is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec.bundle.bundle import Bundle, load_bundle
from codec.bundle.manifest import InputSpec
from codec.errors import InvalidInput
from codec.graphs.onnx import open_graphs
from codec.images.files import U8, draw_heatmap, fit
from codec.pipeline import Model
from codec.scores.scores import check_rate
from training.config.run import ModelConfig, TrainConfig
from training.data import datasets as data
from training.data.datasets import LabelledImages
from training.errors import TrainingError
from training.evaluation import rate_distortion
from training.evaluation.bundle import detection
from training.evaluation.bundle.detection import Scored
from training.evaluation.rate_distortion import Advance, Compression, Exactness
from training.evaluation.report import charts
from training.evaluation.report.report import Picture
from training.metrics.images import evenly

REFERENCE_SYMBOLS = 2**21
"""how many the reference coder decodes unless told otherwise: seconds, not minutes"""
RATES = (0.01, 0.02, 0.05, 0.1)
"""false-alarm rates of the table of verdicts, besides the default one"""
Track = Callable[[str], Advance]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleOptions:
    """What a person may decide about the evaluation of a bundle."""

    quality: int | None = None
    """quality level of records; the bundle's default if absent (scores always use the default)"""
    false_alarm_rate: float | None = None
    """rate of the verdicts; the bundle's default if absent"""
    limit_levels: int = 64
    """images for the curve over all quality levels; 0 leaves it out"""
    reference: int | None = None
    """records decoded by the reference coder too; as many as take seconds if absent"""

    def __post_init__(self) -> None:
        for name in ("limit_levels", "reference"):
            if (getattr(self, name) or 0) < 0:
                option = name.replace("_", "-")
                raise TrainingError(f"--{option} is {getattr(self, name)}; 0 or more expected")


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleReport:
    """What is measured about a bundle."""

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
    path: Path, folder: Path, options: BundleOptions, threads: int, shown: int, track: Track
) -> BundleReport:
    """Runs the test images of a data folder through the pipeline that serves, on the CPU.

    Raises BundleError, TrainingError (the data) or InvalidInput (an image, an option).
    """
    bundle = load_bundle(path)
    model = Model(bundle, open_graphs(bundle, "cpu", threads))
    test = data.labelled_test(reading(bundle.manifest.input), folder)
    images = [np.ascontiguousarray(image.transpose(1, 2, 0)) for image in test.images]
    check_fit(images, bundle.manifest.input)
    examples = chosen(test, shown)
    rates = false_alarm_rates(bundle, options)
    quality = bundle.manifest.quality_default if options.quality is None else options.quality
    facts, records = rate_distortion.compression(model, images, quality, track("compressing"))
    scored = detection.score(model, images, test, rates, examples, track("scoring"))
    levels = []
    if options.limit_levels:
        subset = [images[i] for i in evenly(len(images), options.limit_levels)]
        levels = rate_distortion.levels(model, subset, track("all quality levels"))
    checked = [records[i] for i in evenly(len(records), _affordable(bundle, records, options))]
    return BundleReport(
        bundle=bundle,
        test=test,
        compression=facts,
        levels=levels,
        exactness=rate_distortion.exactness(bundle, checked, track("reference coder")),
        scored=scored,
        pictures=draw_examples(model, images, test, scored, examples),
        threads=threads,
    )


def reading(spec: InputSpec) -> TrainConfig:
    """How test images are read: in the model's channels and their own size."""
    # A configuration that crops is the one under which no image is resized.
    model = ModelConfig(family="sigma_vae_map", channels=spec.channels, widths=(1, 1))
    return TrainConfig(model=model, crop=model.stride)


def check_fit(images: Sequence[U8], spec: InputSpec) -> None:
    """Raises InvalidInput, which names the position in the whole set, for an image not taken."""
    for index, image in enumerate(images):
        try:
            fit(image, spec)
        except InvalidInput as error:
            raise InvalidInput(f"test image {index}: {error}") from error


def chosen(test: LabelledImages, wanted: int) -> list[int]:
    """Positions of normal and then defect images to be shown, evenly spread over the set."""
    kinds = (np.flatnonzero(~test.defect), np.flatnonzero(test.defect))
    return [int(kind[i]) for kind in kinds for i in evenly(len(kind), wanted)]


def false_alarm_rates(bundle: Bundle, options: BundleOptions) -> list[float]:
    """The rate of the verdicts, then those of RATES that the calibration can support.

    Raises InvalidInput where it cannot support the first.
    """
    wanted, count = options.false_alarm_rate, len(bundle.calibration.fused)
    first = check_rate(bundle.manifest.score.false_alarm_rate if wanted is None else wanted, count)
    smallest = 1 / (count + 1)
    return [first, *(rate for rate in RATES if rate >= smallest and rate != first)]


def _affordable(bundle: Bundle, records: Sequence[bytes], options: BundleOptions) -> int:
    if options.reference is not None:
        return options.reference
    sizes = [rate_distortion.symbols(record, bundle) for record in records]
    return max(1, min(len(records), REFERENCE_SYMBOLS * len(records) // sum(sizes)))


def draw_examples(
    model: Model,
    images: Sequence[U8],
    test: LabelledImages,
    scored: Scored,
    examples: Sequence[int],
) -> list[Picture]:
    """A sheet of normal and a sheet of defect images: originals, decoded records, heat maps."""
    spec, pictures = model.manifest.input, []
    for kind, name in ((False, "Normal"), (True, "Defect")):
        positions = [i for i in examples if test.defect[i] == kind]
        if not positions:
            continue
        originals = [rate_distortion.as_seen(images[i], spec) for i in positions]
        decoded = model.decompress(model.compress([images[i] for i in positions]))
        maps = [
            draw_heatmap(image, scored.heatmaps[i], model.heat_scale)
            for image, i in zip(originals, positions, strict=True)
        ]
        p_values = ", ".join(f"{scored.p_value[i]:.3g}" for i in positions)
        caption = f"{name} images, their decoded records, their heat maps. p-values: {p_values}"
        png = charts.sheet([originals, decoded, maps])
        pictures.append(Picture(png=png, caption=caption))
    return pictures
