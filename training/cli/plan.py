"""What `residuum-train detect` trains: decided from the images, the time and the machine."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from training.cli import session
from training.cli.options import DetectOptions
from training.config.run import DataConfig, Precision, TrainConfig, from_json
from training.data import datasets
from training.data.ahead import Resources
from training.data.image_files import Images
from training.data.layouts import recognise
from training.data.layouts.catalogue import listed
from training.detect import batch_size_for, calibration, choose, look, sentences
from training.detect.budget import fastest, precisions
from training.detect.recipe import EPOCHS
from training.errors import TrainingError, UsageError
from training.run import checkpoint
from training.run.files import LAST

# The parts of the time for the autoencoder and for the segmenter; the rest is for reading.
AUTOENCODER, SEGMENTER = 0.3, 0.65
# Steps of a run that has no time to train: it has the network that follows from the images.
LEAST_STEPS = 10

Report = Callable[[str], None]


class Size(NamedTuple):
    """How much training there is; 0 steps if there is no time for any."""

    steps: int
    epochs: int
    precision: Precision


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is trained: it is kept in the provenance of the run."""

    config: TrainConfig
    segmenter_seconds: float
    """time for the segmenter, whose speed is measured when the autoencoder is done"""
    segmenter_steps: int
    """0 = as many as fit into that time"""
    sentences: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    """what was measured on the images"""

    def notes(self) -> dict[str, Any]:
        """For the provenance of the run, which has the configuration in another place."""
        notes = dataclasses.asdict(self)
        del notes["config"]
        return {"detect": notes}


def new_plan(options: DetectOptions, available: Resources, report: Report) -> Plan:
    """Looks at the images and decides; the lines go to `report`. Raises TrainingError."""
    session.check_folder(options.out, resume=False)
    report(f"reading {options.data}")
    read_as = DataConfig(channels=3, layout=options.layout)
    facts = look(datasets.images(read_as, options.data, report=report))
    configure = functools.partial(
        choose,
        facts,
        seed=options.seed,
        layout=options.layout,
        batch_size=batch_size_for(available.device),
    )
    first = configure(steps=options.steps or 1000)
    said = [*sentences(facts, first), *_kinds(options)]
    for sentence in said:
        report(sentence)
    training, held_out = datasets.training_and_validation(first.data, options.data)
    report(calibration(len(held_out)))
    size = Size(options.steps, EPOCHS, precisions(available.device)[-1])
    if not options.steps:
        size = _within(options.minutes, first, training, held_out, available, report)
    config = configure(steps=size.steps or LEAST_STEPS, epochs=size.epochs)
    seconds = 60 * SEGMENTER * options.minutes
    return Plan(
        config=dataclasses.replace(config, precision=size.precision),
        segmenter_seconds=0.0 if options.steps or not size.steps else seconds,
        segmenter_steps=options.steps,
        sentences=tuple(said),
        facts=dataclasses.asdict(facts),
    )


def _kinds(options: DetectOptions) -> list[str]:
    """A sentence about training images in several folders, which may be classes or defects."""
    if datasets.source_of(DataConfig(layout=options.layout), options.data) != "folder":
        return []
    catalogue = recognise(options.data, options.layout)
    if catalogue.layout == "flat":
        kinds = sorted({item.name.rpartition("/")[0] or "." for item in catalogue.train})
    else:
        kinds = sorted({item.kind for item in catalogue.train})
    if len(kinds) < 2:
        return []
    return [
        f"the images for training are of {len(kinds)} kinds ({listed(kinds)}), which all count as "
        "normal: move those that are not into a folder named bad, or train one kind alone"
    ]


def _within(
    minutes: float,
    config: TrainConfig,
    training: Images,
    held_out: Images,
    available: Resources,
    report: Report,
) -> Size:
    """What of this configuration fits into the time, in the fastest precision; 0 steps: nothing."""
    size, seconds = Size(0, 1, config.precision), 60 * AUTOENCODER * minutes
    if minutes:
        report("measuring the speed of training")
        fast, speed = fastest(config, training, held_out, available)
        size = Size(speed.steps_within(seconds), speed.epochs_within(seconds), fast.precision)
        bf16 = " in bfloat16" if fast.precision == "bf16" else ""
        report(
            f"{1 / speed.step:.1f} steps a second{bf16}, a validation in {speed.validation:.1f} s: "
            f"{size.steps} steps and {size.epochs} validations in {seconds / 60:.1f} minutes"
        )
    if size.steps >= LEAST_STEPS:
        return size
    report(
        f"--minutes {minutes:g} is too short to train a network: only the detectors that "
        "residuum-export fits to the images will find anything"
    )
    return Size(0, 1, size.precision)


def saved_plan(options: DetectOptions) -> Plan:
    """The plan of the run to resume. Raises TrainingError."""
    path = options.out / LAST
    if not path.exists():
        raise TrainingError(f"{options.out} holds no run to resume")
    info = checkpoint.read(path).info
    notes: dict[str, Any] | None = info["provenance"].get("detect")
    if notes is None:
        raise UsageError(f"the run in {options.out} began with a preset, not with 'detect'")
    kept = {**notes, "sentences": tuple(notes["sentences"]), "config": from_json(info["config"])}
    return Plan(**kept)
