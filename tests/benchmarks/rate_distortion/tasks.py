"""The work, cut into pieces that two processes can share and that a second run recalls."""

import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codec.errors import ResiduumError
from rate_distortion import accounts, classic, ours, principal, sets
from rate_distortion.atlas import cut, groups, join
from rate_distortion.cache import Results, recalled
from rate_distortion.measurement import SINGLE, U8, Measurement, squared_error
from training.errors import TrainingError

SMALL_LAYOUTS, PHOTOGRAPH_LAYOUTS = (1, 16, 256), (1,)
"""how many images share a file, beside all of them"""


@dataclass(frozen=True, slots=True)
class Classic:
    """One classical codec at one quality and layout."""

    set_name: str
    codec: str
    layout: int
    quality: float


@dataclass(frozen=True, slots=True)
class Principal:
    """PCA, all points."""

    set_name: str


@dataclass(frozen=True, slots=True)
class Ours:
    """A bundle, all levels and layouts."""

    set_name: str
    bundle: Path


TOLD_SECONDS = 2.0
Task = Classic | Principal | Ours


def label(task: Task) -> str:
    """The codec's name in the report."""
    if isinstance(task, Classic):
        return task.codec
    return accounts.PCA if isinstance(task, Principal) else f"ours, {ours.facts(task.bundle).name}"


@dataclass(frozen=True, slots=True, eq=False)
class Workplace:
    """What every task needs: the sets by name, the folder of data, the folder of results."""

    sets: Mapping[str, sets.ImageSet]
    data: Path
    kept: Path


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task has no results."""

    reason: str


def layouts(images: sets.ImageSet) -> list[int]:
    """The numbers of images in a file that are measured of a set."""
    some, split = PHOTOGRAPH_LAYOUTS if images.spec.block else SMALL_LAYOUTS, len(images.images)
    return [*(layout for layout in some if layout < split), split]


def classic_tasks(images: sets.ImageSet) -> list[Classic]:
    """All settings of all classical codecs."""
    spec = images.spec
    return [
        Classic(spec.name, codec.name, layout, quality)
        for codec in classic.codecs(spec.channels)
        for layout in (SINGLE, *layouts(images))
        if layout != 1  # an atlas of one image is the single file
        for quality in classic.LADDERS[spec.ladder][codec.ladder]
    ]


def run_all(
    tasks: Sequence[Task], place: Workplace, processes: int, told: Callable[[str], None]
) -> tuple[dict[Task, Results | Failure], float]:
    """Results of all tasks, the longest begun first, and the seconds that processors worked."""
    ordered = sorted(tasks, key=_length)
    context = multiprocessing.get_context("fork")  # the images need not be copied
    results: dict[Task, Results | Failure] = {}
    total = 0.0
    global _place
    _place = place
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        waiting = {pool.submit(_timed, task): task for task in ordered}
        for future in as_completed(waiting):
            results[waiting[future]], seconds = future.result()
            total += seconds
            if seconds > TOLD_SECONDS:
                done = f"{len(results)} of {len(tasks)}"
                told(f"{done}: {waiting[future]}, {seconds:.0f} processor seconds")
    return results, total


_place: Workplace | None = None


def _timed(task: Task) -> tuple[Results | Failure, float]:
    start = time.process_time()
    if _place is None:
        raise RuntimeError("a task without a workplace")
    try:
        found: Results | Failure = run(task, _place)
    except (ResiduumError, TrainingError, OSError) as error:
        found = Failure(str(error))
    return found, time.process_time() - start


def run(task: Task, place: Workplace) -> Results:
    """The results of one task, measured or recalled. Raises ResiduumError, TrainingError."""
    images = place.sets[task.set_name]
    wanted = layouts(images)
    facts: dict[str, Any]
    if isinstance(task, Classic):
        codec = {c.name: c for c in classic.codecs(images.spec.channels)}[task.codec]
        whole = task.layout == len(images.images)
        some = images.images if whole else images.of_part
        used = images.digest if whole else images.part_digest
        facts = {"codec": codec.name, "settings": codec.settings, "quality": task.quality}
        facts |= {"images": used, "layout": 0 if whole else task.layout or 1}
        (found,) = recalled(place.kept, facts, lambda: tiled(codec, task, some)).values()
        return {(task.layout, f"{task.quality:g}"): found}
    if isinstance(task, Principal):
        facts = {"pca": images.digest, "sources": ours.sources(), "part": sets.PART}
        facts |= {"components": principal.COMPONENTS, "steps": principal.STEPS}
        return recalled(
            place.kept, facts, lambda: principal.measure(images, place.data, place.kept, wanted)
        )
    facts = {"bundle": ours.facts(task.bundle).model_id, "images": images.digest}
    facts |= {"sources": ours.sources(), "part": sets.PART}
    facts |= {"encoder": ours.encoder_digest(task.bundle)}
    return recalled(
        place.kept, facts, lambda: ours.measure(task.bundle, images.images, images.part, wanted)
    )


def tiled(codec: classic.Codec, task: Classic, images: Sequence[U8]) -> Results:
    """A codec on single images or on atlases."""
    stored, payload, errors = [], [], []
    for run_of in groups(images, task.layout or 1, codec.limit):
        data = codec.encode(join(run_of), task.quality)
        back = cut(codec.decode(data), run_of)
        stored += [len(data) / len(run_of)] * len(run_of)
        payload += [codec.payload(data) / len(run_of)] * len(run_of)
        errors += [squared_error(a, b) for a, b in zip(run_of, back, strict=True)]
    found = Measurement(np.array(stored), np.array(payload), np.array(errors))
    return {(task.layout, f"{task.quality:g}"): found}


def _length(task: Task) -> tuple[int, int]:
    """Long tasks before short ones, by kind."""
    if isinstance(task, Principal):
        return (0, 0)
    return (1, 0) if isinstance(task, Ours) else (2, task.layout)
