"""The work, cut into pieces that two processes can share and that a second run recalls."""

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from codec.arrays import U8
from codec.errors import ResiduumError
from rate_distortion import classic, ladders, ours, principal, sets
from rate_distortion.atlas import cut, groups, join
from rate_distortion.cache import Results, Timed, recalled
from rate_distortion.measurement import Kind, Layout, Measurement, squared_error
from training.errors import TrainingError

PCA, MANY = "PCA", "ours, one model per rate"
REPORTED_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Classic:
    """One classical codec at one quality and layout."""

    set_name: str
    codec: str
    layout: Layout
    quality: float


@dataclass(frozen=True, slots=True)
class Principal:
    """PCA, all points."""

    set_name: str


@dataclass(frozen=True, slots=True)
class Ours:
    """A bundle, all levels; or, where it is one of `many` for one rate each, a few."""

    set_name: str
    bundle: Path
    many: bool = False


Task = Classic | Principal | Ours


def label(task: Task) -> tuple[str, Kind]:
    """The codec's name in the report, and what it is."""
    if isinstance(task, Classic):
        return task.codec, "classical"
    if isinstance(task, Principal):
        return PCA, "pca"
    return (MANY, "many") if task.many else (f"ours, {ours.facts(task.bundle).name}", "ours")


@dataclass(frozen=True, slots=True, eq=False)
class Workplace:
    """What every task needs: sets by name, folders of data and of results, the speed of AVIF."""

    sets: Mapping[str, sets.ImageSet]
    data: Path
    kept: Path
    avif_speed: int = classic.AVIF_SPEED


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task has no results."""

    reason: str


def classic_tasks(spec: sets.Spec) -> list[Classic]:
    """All settings of all classical codecs."""
    return [
        Classic(spec.name, codec.name, layout, quality)
        for codec in classic.codecs(spec.channels)
        for layout in get_args(Layout)
        for quality in ladders.qualities(spec.name, codec.name, layout)
    ]


def run_all(
    tasks: Sequence[Task], place: Workplace, processes: int, report: Callable[[str], None]
) -> dict[Task, Timed | Failure]:
    """Results of all tasks, the longest begun first."""
    context = multiprocessing.get_context("fork")  # the images need not be copied
    results: dict[Task, Timed | Failure] = {}
    global _place
    _place = place
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        waiting = {pool.submit(_safely, task): task for task in sorted(tasks, key=_rank)}
        for future in as_completed(waiting):
            task, found = waiting[future], future.result()
            results[task] = found
            if isinstance(found, Timed) and not found.recalled and found.seconds > REPORTED_SECONDS:
                done = f"{len(results)} of {len(tasks)}"
                report(f"{done}: {task}, {found.seconds:.0f} processor seconds")
    return results


_place: Workplace | None = None


def _safely(task: Task) -> Timed | Failure:
    if _place is None:
        raise RuntimeError("a task without a workplace")
    try:
        return run(task, _place)
    except (ResiduumError, TrainingError, OSError) as error:
        return Failure(str(error))


def run(task: Task, place: Workplace) -> Timed:
    """The results of one task, measured or recalled. Raises ResiduumError, TrainingError."""
    images = place.sets[task.set_name]
    facts: dict[str, object] = {"images": images.digest}
    if isinstance(task, Classic):
        known = classic.codecs(images.spec.channels, place.avif_speed)
        codec = {c.name: c for c in known}[task.codec]
        facts |= {"codec": codec.name, "settings": codec.settings}
        facts |= {"quality": task.quality, "layout": task.layout}
        return recalled(place.kept, facts, lambda: encoded(codec, task, images.images))
    facts |= {"sources": ours.sources()}
    if isinstance(task, Principal):
        facts |= {"pca": task.set_name, "components": principal.COMPONENTS}
        facts |= {"steps": principal.STEPS}
        return recalled(
            place.kept, facts, lambda: principal.measure(images, place.data, place.kept)
        )
    facts |= {"bundle": ours.facts(task.bundle).model_id, "few": task.many}
    facts |= {"encoder": ours.encoder_digest(task.bundle)}
    return recalled(
        place.kept, facts, lambda: ours.measure(task.bundle, images.images, few=task.many)
    )


def encoded(codec: classic.Codec, task: Classic, images: Sequence[U8]) -> Results:
    """A codec on single images, or on an atlas of all (several, where one would be too large)."""
    stored, payload, errors = [], [], []
    size = 1 if task.layout == "single" else len(images)
    for group in groups(images, size, codec.limit):
        data = codec.encode(join(group), task.quality)
        back = cut(codec.decode(data), group)
        stored += [len(data) / len(group)] * len(group)
        payload += [codec.payload(data) / len(group)] * len(group)
        errors += [squared_error(a, b) for a, b in zip(group, back, strict=True)]
    found = Measurement(np.array(stored), np.array(payload), np.array(errors))
    return {(task.layout, f"{codec.dial} {task.quality:g}"): found}


def _rank(task: Task) -> int:
    """Long tasks before short ones, by kind."""
    if isinstance(task, Classic):
        return 2 + (task.layout == "single")
    return isinstance(task, Ours)
