"""The work, cut into pieces that two processes can share and that a second run recalls."""

import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec.errors import ResiduumError
from rate_distortion import accounts, classic, ours, principal, sets
from rate_distortion.atlas import cut, groups, join
from rate_distortion.cache import Results, recalled
from rate_distortion.measurement import U8, Measurement, squared_error
from training.errors import TrainingError

SMALL_LAYOUTS, PHOTOGRAPH_LAYOUTS = (1, 16, 256, 0), (1, 0)
"""how many images share a file; 0 is all of them"""


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


def layouts(spec: sets.Spec) -> tuple[int, ...]:
    """The layouts that are measured of a set."""
    return PHOTOGRAPH_LAYOUTS if spec.block else SMALL_LAYOUTS


def classic_tasks(images: sets.ImageSet) -> list[Classic]:
    """All settings of all classical codecs."""
    spec = images.spec
    return [
        Classic(spec.name, codec.name, layout, quality)
        for codec in classic.codecs(spec.channels)
        for layout in layouts(spec)
        for quality in classic.LADDERS[spec.ladder][codec.ladder]
    ]


def run_all(
    tasks: Sequence[Task], place: Workplace, processes: int, told: Callable[[str], None]
) -> dict[Task, Results | Failure]:
    """Results of all tasks; the longest are begun first."""
    ordered = sorted(tasks, key=_length)
    context = multiprocessing.get_context("fork")  # the images need not be copied
    results: dict[Task, Results | Failure] = {}
    global _place
    _place = place
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        waiting = {pool.submit(_timed, task): task for task in ordered}
        for future in as_completed(waiting):
            task, (results[waiting[future]], seconds) = waiting[future], future.result()
            if seconds > 1.0:
                told(f"{len(results)} of {len(tasks)}: {task}, {seconds:.0f} s")
    return results


_place: Workplace | None = None


def _timed(task: Task) -> tuple[Results | Failure, float]:
    start = time.perf_counter()
    if _place is None:
        raise RuntimeError("a task without a workplace")
    try:
        found: Results | Failure = run(task, _place)
    except (ResiduumError, TrainingError, OSError) as error:
        found = Failure(str(error))
    return found, time.perf_counter() - start


def run(task: Task, place: Workplace) -> Results:
    """The results of one task, measured or recalled. Raises ResiduumError, TrainingError."""
    images = place.sets[task.set_name]
    facts: dict[str, object]
    if isinstance(task, Classic):
        codec = {c.name: c for c in classic.codecs(images.spec.channels)}[task.codec]
        some = images.images if task.layout == 0 else images.of_part
        used = images.digest if task.layout == 0 else images.part_digest
        facts = {"codec": codec.name, "settings": codec.settings, "quality": task.quality}
        facts |= {"images": used, "layout": task.layout}
        return recalled(place.kept, facts, lambda: tiled(codec, task, some))
    if isinstance(task, Principal):
        facts = {"pca": images.digest, "sources": ours.sources(*principal.SOURCES)}
        facts |= {"components": principal.COMPONENTS, "steps": principal.STEPS}
        return recalled(
            place.kept, facts, lambda: principal.measure(images, place.data, place.kept)
        )
    facts = {"bundle": ours.facts(task.bundle).model_id, "images": images.digest}
    facts |= {"sources": ours.sources(), "part": sets.PART}
    facts |= {"encoder": ours.encoder_digest(task.bundle)}
    wanted = layouts(images.spec)
    return recalled(
        place.kept, facts, lambda: ours.measure(task.bundle, images.images, images.part, wanted)
    )


def tiled(codec: classic.Codec, task: Classic, images: Sequence[U8]) -> Results:
    """A codec on single images (layout 1) or on atlases of `layout` images."""
    stored, payload, errors = [], [], []
    for run_of in groups(images, task.layout or len(images), codec.limit):
        data = codec.encode(join(run_of), task.quality)
        back = cut(codec.decode(data), run_of)
        stored += [len(data) / len(run_of)] * len(run_of)
        payload += [codec.payload(data) / len(run_of)] * len(run_of)
        errors += [squared_error(a, b) for a, b in zip(run_of, back, strict=True)]
    found = Measurement(np.array(stored), np.array(payload), np.array(errors))
    return {(task.layout or len(images), f"{task.quality:g}"): found}


def _length(task: Task) -> tuple[int, int]:
    """Long tasks before short ones, by kind."""
    if isinstance(task, Principal):
        return (0, 0)
    return (1, 0) if isinstance(task, Ours) else (2, task.layout)
