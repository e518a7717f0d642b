"""Rate-distortion curves of ours, PCA and the classical codecs: one page and one JSON file.

    make bench-rd DATA=DIR [RD_OPTIONS='--bundle mnist=PATH --set mnist']

What was measured before under the same settings, images and sources is recalled from --kept.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console

from codec.errors import BundleError
from rate_distortion import accounts, charts, classic, ours, pages, sets, tasks
from rate_distortion.cache import Results
from rate_distortion.measurement import SINGLE, Curve, Point, curve, summarise
from training.errors import TrainingError
from training.evaluation.report import Section, show, to_html

BUNDLES = {name: name for name in sets.SPECS} | {"kodak": "photo"}
PLACES = (Path("deploy/bundles"), Path("build/bundles"))
TITLE = "Rate and distortion"


def main() -> int:
    """Entry point."""
    options = _options()
    console, start = Console(width=200), time.perf_counter()
    told = Console(stderr=True).print
    chosen = [sets.SPECS[name] for name in options.set or sets.SPECS]
    left_out: list[str] = []
    found = {}
    for spec in chosen:
        try:
            found[spec.name] = sets.load(spec, options.data, options.limit)
        except (TrainingError, OSError) as error:
            left_out.append(f"{spec.title}: {error}")
    bundles = _bundles(options.bundle, list(found), left_out)
    place = tasks.Workplace(found, options.data, options.kept)
    work: list[tasks.Task] = [task for images in found.values() for task in _tasks(images, bundles)]
    results, worked = tasks.run_all(work, place, options.processes, told)
    left_out += [
        f"{task}: {r.reason}" for task, r in results.items() if isinstance(r, tasks.Failure)
    ]
    if "kodak" in found:
        left_out.append("Kodak: atlases of 16 and 256; there is one of all 24 images")
    chapters = [_chapter(images, results) for images in found.values()]
    took = {"seconds": time.perf_counter() - start, "processor_seconds": worked}
    _write(options.out, chapters, left_out, took, bundles)
    for chapter in chapters:
        show(console, [s for s in pages.sections(chapter) if "every" not in s.title])
    for line in left_out:
        console.print(f"left out: {line}", markup=False, soft_wrap=True)
    times = ", ".join(f"{value:.0f} {name.replace('_', ' ')}" for name, value in took.items())
    console.print(f"{times}; {options.out / 'report.html'}", markup=False)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="rate_distortion")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("build/bench/rd"))
    parser.add_argument("--kept", type=Path, default=Path("build/bench/rd-kept"))
    parser.add_argument("--set", action="append", choices=sets.SPECS)
    parser.add_argument("--bundle", action="append", default=[], metavar="SET=PATH")
    parser.add_argument("--limit", type=int, default=10_000, help="test images of a set")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


def _bundles(
    given: Sequence[str], names: Sequence[str], left_out: list[str]
) -> list[tuple[str, Path]]:
    """Set and path of every bundle: those given, and for other sets those that lie about."""
    chosen = [(name, Path(path)) for name, _, path in (text.partition("=") for text in given)]
    if wrong := sorted({name for name, _ in chosen} - set(sets.SPECS)):
        sys.exit(f"--bundle: no set {', '.join(wrong)}; there are {', '.join(sets.SPECS)}")
    for name in names:
        if name in {n for n, _ in chosen}:
            continue
        here = [p / BUNDLES[name] for p in PLACES if (p / BUNDLES[name]).exists()]
        chosen += [(name, here[0])] if here else []
        if not here:
            left_out.append(f"{sets.SPECS[name].title}: no bundle {BUNDLES[name]}, so none of ours")
    return [(name, path) for name, path in chosen if name in names]


def _tasks(images: sets.ImageSet, bundles: Sequence[tuple[str, Path]]) -> list[tasks.Task]:
    name = images.spec.name
    own = [tasks.Ours(name, path) for of, path in bundles if of == name]
    return [tasks.Principal(name), *own, *tasks.classic_tasks(images)]


def _chapter(
    images: sets.ImageSet, results: dict[tasks.Task, Results | tasks.Failure]
) -> pages.Chapter:
    spec, split = images.spec, len(images.images)
    of_set = {
        task: found
        for task, found in results.items()
        if task.set_name == spec.name and not isinstance(found, tasks.Failure)
    }
    drawn = _curves(of_set, images)
    middle = spec.targets[len(spec.targets) // 2]
    return pages.Chapter(
        images=images,
        curves=drawn,
        at_targets=accounts.at_targets(drawn, spec.targets, split),
        amortised=accounts.amortised(drawn, spec.targets, split),
        compared=accounts.compared(drawn, images.pixels, photographs=bool(spec.block)),
        picture=charts.draw(drawn, split, middle, images.pixels, per_pixel=bool(spec.block)),
    )


def _curves(of_set: dict[tasks.Task, Results], images: sets.ImageSet) -> list[Curve]:
    """All curves; ours and PCA also on the part of the split that rivals are measured on."""
    split, part = len(images.images), len(images.part)
    points: dict[tuple[str, int, int], list[Point]] = {}
    for task, results in of_set.items():
        codec = tasks.label(task)
        for (layout, setting), found in results.items():
            count = len(found.errors)
            points.setdefault((codec, layout, count), []).append(summarise(setting, found))
            if layout == SINGLE and count == split > part:
                of_part = summarise(setting, found, images.part)
                points.setdefault((codec, layout, part), []).append(of_part)
    classical = [codec.name for codec in classic.codecs(images.spec.channels)]
    order = {name: place for place, name in enumerate([accounts.PCA, *classical])}
    keys = sorted(points, key=lambda key: (order.get(key[0], -1), key))
    return [curve(*key, points[key]) for key in keys]


def _write(
    out: Path,
    chapters: Sequence[pages.Chapter],
    left_out: Sequence[str],
    took: dict[str, float],
    bundles: Sequence[tuple[str, Path]],
) -> None:
    settings = {
        codec.name: codec.settings for channels in (1, 3) for codec in classic.codecs(channels)
    }
    head = Section(
        title="What is measured",
        text=pages.ACCOUNTS,
        head=("codec", "settings"),
        rows=[*settings.items(), *(("left out", line) for line in left_out)],
    )
    sections = [head, *(s for chapter in chapters for s in pages.sections(chapter))]
    facts = took | {
        "settings": settings,
        "left_out": list(left_out),
        "bundles": _bundle_facts(bundles),
        "sets": {chapter.images.spec.name: _facts(chapter) for chapter in chapters},
    }
    out.mkdir(parents=True, exist_ok=True)
    _replace(out / "report.html", to_html(TITLE, sections))
    _replace(out.parent / f"{out.name}.json", json.dumps(facts, indent=1, allow_nan=False) + "\n")


def _bundle_facts(bundles: Sequence[tuple[str, Path]]) -> list[dict[str, object]]:
    found = []
    for name, path in bundles:
        try:
            found.append({"set": name, "path": str(path)} | asdict(ours.facts(path)))
        except BundleError as error:
            found.append({"set": name, "path": str(path), "refused": str(error)})
    return found


def _facts(chapter: pages.Chapter) -> dict[str, object]:
    images = chapter.images
    return {
        "title": images.spec.title,
        "note": images.spec.note,
        "images": len(images.images),
        "sha256": images.digest,
        "part": len(images.part),
        "part_sha256": images.part_digest,
        "shape": [int(n) for n in np.shape(images.images[0])],
        "curves": [asdict(c) for c in chapter.curves],
        "at_targets": [asdict(row) for row in chapter.at_targets],
        "amortised": [asdict(row) for row in chapter.amortised],
        "bd_rate": [asdict(row) for row in chapter.compared],
    }


def _replace(path: Path, text: str) -> None:
    """Writes a file, complete or not at all."""
    staging = path.with_name(f".{path.name}")
    staging.write_text(text, encoding="utf-8")
    staging.replace(path)


if __name__ == "__main__":
    sys.exit(main())
